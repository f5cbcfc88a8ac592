"""Words of the 《基本信息表》 that are chosen, not typed."""

from __future__ import annotations

from django.db.models import TextChoices


class RetirementKind(TextChoices):
    """退休类别."""

    NORMAL = "normal", "正常退休"
    EARLY = "early", "弹性提前"
    LATE = "late", "弹性延迟"
    SPECIAL = "special", "特殊工种"
    ILLNESS = "illness", "因病退休（历史）"
    QUIT = "quit", "退职（历史）"
    POLICY = "policy", "政策性提前（破产/改制）"
    MILITARY = "military", "军转干部"
    OTHER = "other", "其他"


class SpecialGroup(TextChoices):
    """特殊人员: the six groups of 第八条 first, then those that local forms add."""

    ALONE = "alone", "孤寡"
    ILL = "ill", "重病"
    AGED = "aged", "高龄（80周岁以上）"
    HARDSHIP = "hardship", "特困"
    LIVES_ALONE = "lives_alone", "独居"
    DISABLED = "disabled", "伤残"
    MODEL_WORKER = "model_worker", "劳模"
    VETERAN = "veteran", "建国前参加工作"
    SPECIAL_TRADE = "special_trade", "特殊工种"
    MILITARY_CADRE = "military_cadre", "军转干部"
    BEREAVED = "bereaved", "失独"
    INCAPABLE = "incapable", "失能"


ARTICLE_8_GROUPS = tuple(SpecialGroup)[:6]


class Residence(TextChoices):
    """居住情况."""

    LOCAL = "local", "本地居住人员"
    ELSEWHERE = "elsewhere", "异地居住人员"
    ABROAD = "abroad", "出国（境）居住"


class Insurance(TextChoices):
    """参保情况."""

    PENSION = "pension", "养老保险"
    MEDICAL = "medical", "医疗保险"
    INJURY = "injury", "工伤保险"


class SpouseStatus(TextChoices):
    """配偶目前状况."""

    WORKING = "working", "在职"
    NONE = "none", "无职业"
    CADRE_RETIRED = "cadre_retired", "离休"
    RETIRED = "retired", "退休"


class WishLocal(TextChoices):
    """个人移交意愿：本地移交."""

    HOUSEHOLD = "household", "户口所在地"
    HOME = "home", "常住地"
    ENTERPRISE = "enterprise", "企业所在地"


class WishAway(TextChoices):
    """个人移交意愿：异地移交."""

    HOUSEHOLD = "household", "户口所在地"
    HOME = "home", "常住地"


class InjuryGrade(TextChoices):
    """工伤伤残等级, GB/T 16180: one (gravest) to ten."""

    G1 = "1", "一级"
    G2 = "2", "二级"
    G3 = "3", "三级"
    G4 = "4", "四级"
    G5 = "5", "五级"
    G6 = "6", "六级"
    G7 = "7", "七级"
    G8 = "8", "八级"
    G9 = "9", "九级"
    G10 = "10", "十级"


class EmploymentKind(TextChoices):
    """用工身份: the sheets of the import are split by it."""

    PUBLIC = "public", "全民"
    COLLECTIVE = "collective", "大集体"


class PersonnelKind(TextChoices):
    """人员身份."""

    CADRE = "cadre", "干部"
    WORKER = "worker", "工人"


class ReturnReason(TextChoices):
    """Why an office sends a step back or takes its own act back."""

    WRONG_FACTS = "wrong_facts", "信息有误"
    MISSING = "missing", "材料缺少"
    NOT_SIGNED = "not_signed", "签字或盖章不全"
    WRONG_PLACE = "wrong_place", "不属于本单位接收范围"
    CHANGED = "changed", "人员状态发生变化"
    BY_MISTAKE = "by_mistake", "误操作"
    OTHER = "other", "其他"


class EndReason(TextChoices):
    """Why a case ends without a handover."""

    MISTAKE = "mistake", "误申报"
    DIED = "died", "移交前去世"
    OUT_OF_SCOPE = "out_of_scope", "不属于移交范围（第二条）"
    OTHER = "other", "其他"
