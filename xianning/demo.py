"""Made-up people and offices on real communities, for the demo and for the tests.

Names are combinations of common characters; ID numbers carry the unassigned region 421299 and a
valid check digit, so that none can belong to anybody.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from xianning import standards

if TYPE_CHECKING:
    from communities.models import Area

REGION = "421299"
_FAMILY = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜"
_GIVEN = "建国桂兰秀英志明玉珍德福春梅金生云霞永康素芬正华长林凤仙家和惠民庆丰文斌月娥"
RARE_NAMES = (
    "王㛃", "李㻁", "张𬭎", "陈𫖯", "刘𬀩", "杨𠅤", "黄𡋾", "周𬱖", "吴𤧛", "徐䶮", "孙𫍽",
    "阿依古丽·买买提",
)  # fmt: skip
_POSTS = (
    "车间主任",
    "钳工",
    "会计",
    "统计员",
    "司机",
    "电工",
    "保管员",
    "科长",
    "化验员",
    "技术员",
)
_RELATIONS = ("儿子", "女儿", "儿媳", "女婿", "侄子")
_STREETS = ("长安大道", "桂花路", "银泉大道", "淦河路", "贺胜路", "书台街")


def person(
    rng: random.Random, n: int, community: Area, employer: str, **given: Any
) -> dict[str, str]:
    """Values of a RetireeForm, in words as a clerk types them, for the N-th made-up person."""
    sex = rng.choice("12")
    years = rng.choice((5, 6, 8, 10, 15, 20, 26))
    retired = date(2026 - years, rng.randint(1, 9), 1)
    birth = date(retired.year - (60 if sex == "1" else 50), rng.randint(1, 12), rng.randint(1, 28))
    name = RARE_NAMES[n % len(RARE_NAMES)] if n % 29 == 17 else _name(rng)
    member = n % 4 == 0
    phone = f"139{rng.randint(0, 99_999_999):08d}"
    address = f"{community.full_name}{rng.choice(_STREETS)}{rng.randint(1, 180)}号"
    values = {
        "name": name,
        "id_number": standards.make_id_number(REGION, birth, n % 500, sex),
        "sex": standards.SEX[sex],
        "born": f"{birth:%Y-%m}",
        "ethnicity": "维吾尔族"
        if "·" in name
        else rng.choice(("汉族", "汉族", "汉族", "土家族", "回族")),
        "political_status": "中共党员" if member else "群众",
        "education": rng.choice(("初中", "高中", "中专", "大专", "小学")),
        "health": rng.choice(("健康", "健康", "一般", "高血压", "长年有病")),
        "former_employer": employer,
        "former_post": rng.choice(_POSTS),
        "personnel_kind": rng.choice(("工人", "工人", "干部")),
        "employment_kind": rng.choice(("全民", "全民", "大集体")),
        "work_started": f"{birth.year + rng.randint(17, 24)}-{rng.randint(1, 12):02d}",
        "retired": f"{retired:%Y-%m}",
        "retirement_kind": "正常退休",
        "archive_place": f"{employer}档案室",
        "special_groups": "高龄" if standards.age_on(birth, date(2026, 11, 1)) >= 80 else "",
        "low_income": "否",
        "pension_place": "咸宁市",
        "medical_place": "咸宁市",
        "insurances": "养老保险、医疗保险",
        "residence": "本地居住人员",
        "household_address": address,
        "household_phone": f"0715-8{rng.randint(0, 999_999):06d}",
        "home_address": address,
        "home_phone": phone,
        "contact1_name": _name(rng),
        "contact1_relation": rng.choice(_RELATIONS),
        "contact1_phone": f"138{rng.randint(0, 99_999_999):08d}",
        "contact1_address": address,
        "wish_local": "常住地",
        "community": community.full_name,
    }
    if member:
        values |= {
            "party_joined_on": f"{birth.year + 28}-07",
            "party_branch": f"中共{employer}支部委员会",
            "party_dues_until": "2026-10",
        }
    return values | given


def _name(rng: random.Random) -> str:
    return rng.choice(_FAMILY) + "".join(rng.choice(_GIVEN) for _ in range(rng.choice((1, 2, 2))))


@dataclass(frozen=True)
class DemoEnterprise:
    """A fictitious enterprise; the credit code's first 17 characters (check character added)."""

    name: str
    code: str
    level: str
    county: str
    authority: str
    status: str = "normal"
    department: str = ""
    confirmed: bool = True


CITY, XIANAN, CHIBI, JIAYU = "421200000000", "421202000000", "421281000000", "421221000000"
ENTERPRISES = (
    DemoEnterprise("咸宁市桂泉机械厂（演示）", "91421200MADEM0001", "city", XIANAN, CITY),
    DemoEnterprise("咸宁市淦河纺织总厂（演示）", "91421200MADEM0002", "city", XIANAN, CITY,
                   "bankrupt", "咸宁市轻工行业管理办公室（演示）"),
    DemoEnterprise("赤壁市陆水建材公司（演示）", "91421281MADEM0003", "county", CHIBI, CHIBI),
    DemoEnterprise("鄂南电力设备公司（演示）", "91420000MADEM0004", "provincial", XIANAN, XIANAN),
    DemoEnterprise("嘉鱼县江堤航运公司（演示）", "91421221MADEM0005", "county", JIAYU, JIAYU,
                   confirmed=False),
)  # fmt: skip


@dataclass(frozen=True)
class DemoOffice:
    """An office with one user; PLACE is an area code or the index of a demo enterprise."""

    username: str
    full_name: str
    role: str
    place: str | int
    name: str
    phone: str = "0715-8123000"
    address: str = "咸宁市咸安区演示路1号"


GUIHUA, WANNIAN, WENQUAN = "421202001005", "421202001002", "421202001000"
BEIJIE, PUQI = "421281001002", "421281001000"


@dataclass(frozen=True)
class DemoParty:
    """A Party organisation, entered by one of the demo users at an enterprise or in an area."""

    by: str
    place: str | int
    kind: str
    name: str
    above: str = ""  # name of its parent; without one it may issue and receive letters


_MACHINES, _WENQUAN_PARTY = "中共咸宁市桂泉机械厂委员会", "中共温泉街道工作委员会"
PARTY = (
    DemoParty("qiye", 0, "committee", _MACHINES),
    DemoParty("qiye", 0, "branch", "中共桂泉机械厂退休支部委员会", _MACHINES),
    DemoParty("zhuguan", 1, "committee", "中共咸宁市淦河纺织总厂委员会"),
    DemoParty("qiye_chibi", 2, "committee", "中共赤壁市陆水建材公司委员会"),
    DemoParty("dangzu", WENQUAN, "committee", _WENQUAN_PARTY),
    DemoParty("dangzu", GUIHUA, "general", "中共桂花路社区总支部委员会", _WENQUAN_PARTY),
    DemoParty("dangzu", WANNIAN, "branch", "中共万年路社区支部委员会", _WENQUAN_PARTY),
    DemoParty("dangzu_chibi", PUQI, "committee", "中共蒲圻街道工作委员会"),
)  # fmt: skip
OFFICES = (
    DemoOffice("gzw", "秦国资", "sasac", CITY, "咸宁市国资部门（演示）"),
    DemoOffice("gzw_chibi", "许国资", "sasac", CHIBI, "赤壁市国资部门（演示）"),
    DemoOffice("gzw_jiayu", "尤国资", "sasac", JIAYU, "嘉鱼县国资部门（演示）"),
    DemoOffice("gzw_xianan", "何国资", "sasac", XIANAN, "咸安区国资部门（演示）"),
    DemoOffice("rs", "孔人社", "hr", CITY, "咸宁市人社部门（演示）"),
    DemoOffice("rs_chibi", "曹人社", "hr", CHIBI, "赤壁市人社部门（演示）"),
    DemoOffice("rs_xianan", "严人社", "hr", XIANAN, "咸安区人社部门（演示）"),
    DemoOffice("qiye", "华经办", "enterprise", 0, "咸宁市桂泉机械厂退管科（演示）"),
    DemoOffice("zhuguan", "金经办", "enterprise", 1, "咸宁市轻工行业管理办公室（演示）"),
    DemoOffice("qiye_chibi", "魏经办", "enterprise", 2, "赤壁市陆水建材公司退管科（演示）"),
    DemoOffice("shebao", "陶社保", "insurance", XIANAN, "咸安区社会保险经办机构（演示）"),
    DemoOffice("shebao_chibi", "姜社保", "insurance", CHIBI, "赤壁市社会保险经办机构（演示）"),
    DemoOffice("yibao", "吕医保", "medical", XIANAN, "咸安区医保部门（演示）"),
    DemoOffice("yibao_chibi", "严医保", "medical", CHIBI, "赤壁市医保部门（演示）"),
    DemoOffice("dangan", "施档案", "archives_office", XIANAN, "咸安区档案馆（演示）"),
    DemoOffice("jiedao", "张街道", "street", WENQUAN, "温泉街道办事处（演示）"),
    DemoOffice("shequ", "王社区", "community", GUIHUA, "桂花路社区居民委员会（演示）"),
    DemoOffice("shequ_wannian", "冯社区", "community", WANNIAN, "万年路社区居民委员会（演示）"),
    DemoOffice("shequ_chibi", "陈社区", "community", BEIJIE, "北街社区居民委员会（演示）"),
    DemoOffice("dangzu", "周党务", "party", WENQUAN, "中共温泉街道工作委员会（演示）"),
    DemoOffice("dangzu_chibi", "吴党务", "party", PUQI, "中共蒲圻街道工作委员会（演示）"),
    DemoOffice("shenji", "郑审计", "auditor", CITY, "咸宁市审计部门（演示）"),
    DemoOffice("guanli", "朱管理", "system_admin", CITY, "咸宁市系统管理（演示）"),
    DemoOffice("anquan", "沈安全", "security_admin", CITY, "咸宁市安全管理（演示）"),
    DemoOffice("shenjiguan", "韩审计", "audit_admin", CITY, "咸宁市审计管理（演示）"),
)

# Other archives of the first enterprise; five lines are sent, the others still packed.
RECORD_FIELDS = ("category", "number", "title", "year_from", "year_to", "retention", "volumes",
                 "pieces", "pages", "secrecy", "carrier", "remarks")  # fmt: skip
RECORDS = (
    ("document", "W-1985-01", "厂长办公会会议纪要",
     1985, 1990, "permanent", 3, 0, 420, "internal", "paper", ""),
    ("document", "W-1991-02", "职工代表大会文件",
     1991, 1995, "permanent", 2, 0, 266, "open", "paper", ""),
    ("accounting", "K-1998-01", "总账",
     1998, 1998, "30", 1, 0, 120, "open", "paper", ""),
    ("building", "J-1979-03", "一车间厂房竣工图",
     1979, 1981, "permanent", 0, 46, 0, "internal", "film", "附底图"),
    ("audiovisual", "S-1988-01", "建厂三十周年录像",
     1988, 1988, "10", 0, 2, 0, "open", "tape", "两盒"),
    ("equipment", "B-1992-07", "数控铣床随机资料",
     1992, 1992, "30", 1, 0, 88, "open", "paper", ""),
    ("object", "O-2001-01", "省级先进企业奖牌",
     2001, 2001, "permanent", 0, 1, 0, "open", "object", ""),
)  # fmt: skip

# What befell people of the first community: kind, days ago, words, who answered how; None: a mistake.
EVENTS: tuple[tuple[str, int, str, dict[str, str] | None], ...] = (
    ("moved", 3, "搬到武汉市女儿家长住，家属来电告知。", {}),
    (
        "uncertified",
        20,
        "上门走访，本人健在，因病未能认证。",
        {"hr": "resumed", "medical": "noted"},
    ),
    ("missing", 12, "家属已向公安机关报失踪。", {"hr": "stopped"}),
    ("died", 6, "家属来社区告知，已出具死亡证明。", {"medical": "noted"}),
    ("sentenced", 9, "据社区民警告知。", None),
)

# What the first community found out at the yearly check; None: nobody has asked for a year.
CORRECTIONS: tuple[dict[str, Any] | None, ...] = (
    {"person": {"home_phone": "13900000001"}, "verified": True},
    {"added": frozenset({"lives_alone"}), "entry": {"remarks": "子女在外地，每月走访"}},
    None,
    None,
    {"person": {"contact1_phone": "13800000002"}, "verified": True},
)

# 第八条: a plan that is made up, and visits: group, days ago, what was found, what was promised.
CARE_PLAN: dict[str, tuple[int, list[str]]] = {
    "alone": (12, ["春节", "端午节", "中秋节"]),
    "ill": (4, ["春节"]),
    "aged": (2, ["春节"]),
    "hardship": (4, ["春节"]),
    "lives_alone": (6, ["春节", "中秋节"]),
    "disabled": (2, ["春节"]),
}
VISITS = (
    ("ill", 100, "出院在家休养，需要轮椅", "联系街道借用轮椅"),
    ("lives_alone", 55, "独自做饭，燃气软管老化", "联系燃气公司更换软管"),
    ("disabled", 20, "生活能自理，邻居常来往", ""),
    ("alone", 12, "愿意参加社区合唱队", ""),
)

# 第九条: what goes over to the community; received, not received, or not answered yet.
VENUES: tuple[tuple[dict[str, Any], bool | None, str], ...] = (
    ({"name": "退休职工活动中心", "kind": "room", "address": "咸安区温泉街道演示路1号",
      "area": 320.5, "value": 860000, "way": "free", "papers": "集团批复〔2026〕演示1号"},
     True, "钥匙、设备清单一并移交"),
    ({"name": "门球场", "kind": "sports", "address": "咸安区温泉街道演示路3号", "area": 600,
      "value": 45000, "way": "free"}, None, ""),
    ({"name": "棋牌室", "kind": "room", "address": "咸安区温泉街道演示路5号", "area": 48,
      "value": 90000, "way": "exchange", "exchanged_for": "社区服务中心二楼 50 平方米"},
     False, "权属证明没有原件，请补齐后再交"),
)  # fmt: skip
