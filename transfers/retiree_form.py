"""One form for every door: page, workbook, command and demo data build a `RetireeForm`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django import forms
from django.utils import timezone

from communities.directory import Directory
from communities.models import Area
from transfers.choices import (
    EmploymentKind,
    InjuryGrade,
    Insurance,
    PersonnelKind,
    Residence,
    RetirementKind,
    SpecialGroup,
    SpouseStatus,
    WishAway,
    WishLocal,
)
from transfers.models import PARTY_MEMBER, Retiree, Transfer
from transfers.records import NOBODY, RECEIVERS, OnRecord, Trace, on_record
from xianning import privacy, standards
from xianning.fields import AreaField, DayField, MonthField, StandardField, WordField, WordsField
from xianning.models import label_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from enterprises.models import Enterprise

OUT_OF_SCOPE = "离休人员原则上保持现有管理方式不变，不纳入移交范围（第二条）。"
REMEMBERED = 4000  # texts of a column
YES_NO = {"yes": "是", "no": "否"}
_BLANK_MEANS = {"retirement_kind": RetirementKind.NORMAL, "residence": Residence.LOCAL}
_YES_NO_OF = {True: "yes", False: "no", None: ""}
_CADRE = {"离休": OUT_OF_SCOPE}


class Difference(NamedTuple):
    """A column that would change: its label, whether it is printed, old and new in words, masked."""

    label: str
    printed: bool
    old: str
    new: str


def _some(choices: type[Any] | dict[str, str]) -> list[tuple[str, str]]:
    pairs = choices.items() if isinstance(choices, dict) else choices.choices
    return [("", "未填"), *pairs]


def _phones(text: str) -> str:
    return "、".join(standards.parse_phones(text))


def _month(text: str) -> str:
    """A month as it is stored in a text; what is no month stays as it was typed."""
    try:
        return f"{standards.parse_month(text):%Y-%m}"
    except standards.NotValid:
        return text


def _text(model_field: str, **kwargs: Any) -> forms.CharField:
    length = getattr(Retiree._meta.get_field(model_field), "max_length", None)
    return StandardField(
        label=label_of(Retiree, model_field), max_length=length, required=False, **kwargs
    )


class RetireeForm(forms.Form):
    """The facts of the 《基本信息表》 and the receivers of 第五条.

    `warnings` lists (field, sentence) that do not stop a clerk who knows what he does.
    KNOWN is what `on_record` found for all rows of a workbook; without it the form looks itself.
    """

    name = StandardField(label="姓名", max_length=60, parse=standards.fold_name)
    id_number = StandardField(label="公民身份号码", max_length=40, parse=standards.parse_id_number)
    sex = WordField(
        label="性别", choices=_some(standards.SEX), aliases=standards.SEX_ALIASES, required=False,
        help_text="可不填，按身份证号确定",
    )  # fmt: skip
    born = MonthField(label="出生年月", required=False, help_text="可不填，按身份证号确定")
    ethnicity = WordField(
        label="民族", choices=_some(standards.ETHNICITY), aliases=standards.ETHNICITY_ALIASES,
        required=False, initial="01",
    )  # fmt: skip
    political_status = WordField(
        label="政治面貌", choices=_some(standards.POLITICAL_STATUS),
        aliases=standards.POLITICAL_STATUS_ALIASES, required=False, initial="13",
    )  # fmt: skip
    education = WordField(
        label="文化程度", choices=_some(standards.EDUCATION),
        aliases=standards.EDUCATION_ALIASES, required=False,
    )  # fmt: skip
    health = _text("health")
    skills = _text("skills")
    hobbies = _text("hobbies")

    former_employer = _text("former_employer")
    former_post = _text("former_post")
    personnel_kind = WordField(
        label="人员身份", choices=_some(PersonnelKind), required=False, refused=_CADRE,
        aliases={"干部身份": "cadre", "管理人员": "cadre", "技术干部": "cadre", "以工代干": "cadre",
                 "专业技术人员": "cadre", "技术人员": "cadre", "工人身份": "worker", "职工": "worker",
                 "普通工人": "worker", "合同制工人": "worker", "固定工": "worker"},
    )  # fmt: skip
    employment_kind = WordField(
        label="用工身份", choices=_some(EmploymentKind), required=False,
        aliases={"全民所有制": "public", "全民职工": "public", "全民工": "public", "国有": "public",
                 "国有职工": "public", "全民合同制": "public", "全民固定工": "public",
                 "固定工": "public", "集体": "collective", "集体工": "collective",
                 "集体职工": "collective", "集体所有制": "collective", "厂办集体": "collective",
                 "厂办大集体": "collective"},
    )  # fmt: skip
    work_started = MonthField(label="参加工作时间", required=False)
    retired = MonthField(label="退休年月")
    retirement_kind = WordField(
        label="退休类别", choices=_some(RetirementKind), required=False, refused=_CADRE,
        aliases={"正常": "normal", "退休": "normal", "工人正常退休": "normal", "干部退休": "normal",
                 "特殊工种退休": "special", "因病退休": "illness", "病退": "illness",
                 "因病": "illness", "退职": "quit", "破产提前": "policy", "提前退休": "early",
                 "正常退休(工人)": "normal", "正常退休(干部)": "normal", "法定退休": "normal",
                 "到龄退休": "normal", "特殊工种提前退休": "special", "特殊工种提前": "special",
                 "特岗": "special", "特繁工种": "special", "提前": "early", "延迟": "late",
                 "政策性破产": "policy", "破产": "policy", "军转": "military",
                 "因病提前退休": "illness", "因病(非因工)退休": "illness", "病退休": "illness",
                 "内退": "early", "政策性提前退休": "policy", "破产提前退休": "policy",
                 "弹性提前退休": "early", "弹性延迟退休": "late", "延迟退休": "late",
                 "军转干部退休": "military", "其它": "other"},
    )  # fmt: skip
    archive_place = _text("archive_place")

    special_groups = WordsField(
        label="特殊人员", choices=SpecialGroup.choices, required=False, refused=_CADRE,
        aliases={"孤寡老人": "alone", "孤老": "alone", "孤寡人员": "alone",
                 "重症": "ill", "大病": "ill", "重大疾病": "ill", "重病人员": "ill", "患重病": "ill",
                 "高龄": "aged", "80以上": "aged", "80岁以上": "aged", "80周岁以上": "aged",
                 "80岁以上高龄": "aged", "八十以上": "aged", "八十岁以上": "aged",
                 "八十周岁以上": "aged", "八十岁以上高龄": "aged", "高龄(80周岁以上)": "aged",
                 "高龄老人": "aged",
                 "困难": "hardship", "特困人员": "hardship", "特困户": "hardship", "特困职工": "hardship",
                 "特殊困难": "hardship", "困难职工": "hardship",
                 "独居老人": "lives_alone", "空巢": "lives_alone", "空巢老人": "lives_alone",
                 "残疾": "disabled", "残疾人": "disabled", "伤残人员": "disabled",
                 "工伤": "disabled", "工残": "disabled", "因工伤残": "disabled",
                 "劳动模范": "model_worker", "省劳模": "model_worker", "市劳模": "model_worker",
                 "省级劳模": "model_worker", "市级劳模": "model_worker",
                 "全国劳模": "model_worker",
                 "建国前": "veteran", "建国前参加革命工作": "veteran", "建国前老工人": "veteran",
                 "建国前参加革命工作老工人": "veteran", "解放前参加工作": "veteran",
                 "特殊工种人员": "special_trade", "军转": "military_cadre",
                 "军队转业干部": "military_cadre", "失独家庭": "bereaved", "失独老人": "bereaved",
                 "失能老人": "incapable", "生活不能自理": "incapable",
                 **{f"{kind}残疾": "disabled" for kind in
                    ("肢体", "精神", "视力", "听力", "言语", "智力", "多重")},
                 **{f"{level}级残疾": "disabled" for level in "一二三四"},
                 **{f"残疾{level}级": "disabled" for level in "一二三四1234"}},
    )  # fmt: skip
    low_income = WordField(label="享受低保", choices=_some(YES_NO), required=False,
                           aliases={"有": "yes", "享受": "yes", "低保": "yes", "√": "yes", "y": "yes",
                                    "1": "yes", "无": "no", "未享受": "no", "不享受": "no",
                                    "没有": "no", "×": "no", "x": "no", "n": "no",
                                    "0": "no"})  # fmt: skip
    pension_place = _text("pension_place")
    medical_place = _text("medical_place")
    insurances = WordsField(
        label="参保情况", choices=Insurance.choices, required=False,
        aliases={"养老": "pension", "医疗": "medical", "工伤": "injury", "医保": "medical",
                 "社保": "pension", "城镇职工养老保险": "pension", "职工养老保险": "pension",
                 "职工养老": "pension", "职工基本养老保险": "pension",
                 "城镇职工基本养老保险": "pension", "城镇职工基本医疗保险": "medical",
                 "职工基本医疗保险": "medical", "职工医疗": "medical",
                 "职工医保": "medical", "职工医疗保险": "medical", "基本养老保险": "pension",
                 "基本医疗保险": "medical", "城镇职工医疗保险": "medical"},
    )  # fmt: skip
    injury_grade = WordField(
        label="工伤伤残等级",
        choices=_some(InjuryGrade),
        required=False,
        aliases={"无": "", "否": "", "没有": "", "未评级": "", "未评定": ""}
        | {f"{n}级": str(n) for n in range(1, 11)}
        | {
            f"{before}{words}": code
            for before in ("伤残", "工伤")
            for code, words in InjuryGrade.choices
        },
    )
    injury_part = _text("injury_part")
    extra_benefits = _text("extra_benefits")
    pension_bank = _text("pension_bank")
    certified_on = DayField(label="最近一次资格认证日期", required=False)

    residence = WordField(
        label="居住情况", choices=_some(Residence), required=False,
        aliases={"本地": "local", "本地居住": "local", "本市": "local", "市内": "local",
                 "本地常住": "local", "常住本地": "local", "异地": "elsewhere",
                 "市外": "elsewhere", "省外": "elsewhere", "外省": "elsewhere",
                 "异地居住": "elsewhere", "外地": "elsewhere", "境外": "abroad", "国外": "abroad",
                 "出国(境)居住人员": "abroad", "出国（境）人员": "abroad",
                 "出国(境)人员": "abroad", "出国(境)居住": "abroad", "出国": "abroad"},
    )  # fmt: skip
    household_address = _text("household_address")
    household_phone = _text("household_phone", parse=_phones)
    home_address = _text("home_address")
    home_phone = _text("home_phone", parse=_phones)
    away_address = _text("away_address")
    away_phone = _text("away_phone", parse=_phones)

    spouse_name = _text("spouse_name")
    spouse_born = _text("spouse_born", parse=_month)
    spouse_phone = _text("spouse_phone", parse=_phones)
    spouse_employer = _text("spouse_employer")
    spouse_status = WordField(label="配偶目前状况", choices=_some(SpouseStatus), required=False,
                              aliases={"无业": "none", "无": "none", "待业": "none",
                                       "务农": "none", "农民": "none", "无工作": "none",
                                       "家务": "none", "在岗": "working",
                                       "已退休": "retired", "离休干部": "cadre_retired"})  # fmt: skip
    spouse_health = _text("spouse_health")
    contact1_name = _text("contact1_name")
    contact1_relation = _text("contact1_relation")
    contact1_employer = _text("contact1_employer")
    contact1_phone = _text("contact1_phone", parse=_phones)
    contact1_address = _text("contact1_address")
    contact2_name = _text("contact2_name")
    contact2_relation = _text("contact2_relation")
    contact2_employer = _text("contact2_employer")
    contact2_phone = _text("contact2_phone", parse=_phones)
    contact2_address = _text("contact2_address")

    wish_local = WordField(label="本地移交意愿", choices=_some(WishLocal), required=False,
                           aliases={"户籍所在地": "household", "户籍地": "household",
                                    "户口地": "household", "户口": "household",
                                    "户籍": "household", "常住": "home", "常住地社区": "home",
                                    "户口所在地社区": "household",
                                    "常住地址": "home", "现居住地": "home",
                                    "居住地": "home", "企业地": "enterprise",
                                    "单位所在地": "enterprise"})  # fmt: skip
    wish_away = WordField(label="异地移交意愿", choices=_some(WishAway), required=False,
                          aliases={"户籍所在地": "household", "户籍地": "household",
                                   "户口地": "household", "户口": "household",
                                   "户籍": "household", "常住": "home",
                                   "常住地址": "home", "现居住地": "home",
                                   "居住地": "home"})  # fmt: skip
    community = AreaField(
        label="接收社区", level="community", receiving=True, suggest=True, required=False,
        help_text="按移交意愿确定的社区（村）；可写名称的一部分",
    )  # fmt: skip
    archive_area = AreaField(
        label="档案接收地", level="county|city", suggest=True, required=False,
        help_text="社会保险经办机构所在县（市、区）；不填为接收社区所在县",
    )  # fmt: skip

    party_joined_on = MonthField(label="入党时间", required=False)
    party_full_on = MonthField(label="转正时间", required=False)
    party_branch = _text("party_branch")
    party_dues_until = MonthField(label="党费交至", required=False)
    party_area = AreaField(
        label="长期居住地（街道、社区）", level="community|township", receiving=True, suggest=True,
        required=False,
        help_text="组织关系转入长期居住地党组织；不填为接收社区",
    )  # fmt: skip

    GROUPS = (
        ("基本情况", ("name", "id_number", "sex", "born", "ethnicity", "political_status",
                  "education", "health", "skills", "hobbies")),
        ("工作与退休", ("former_employer", "former_post", "personnel_kind", "employment_kind",
                   "work_started", "retired", "retirement_kind", "archive_place")),
        ("特殊人员", ("special_groups",)),
        ("社会保障情况", ("low_income", "pension_place", "medical_place", "insurances",
                    "injury_grade", "injury_part", "extra_benefits", "pension_bank",
                    "certified_on")),
        ("居住情况", ("residence", "household_address", "household_phone", "home_address",
                  "home_phone", "away_address", "away_phone")),
        ("配偶与联系人", ("spouse_name", "spouse_born", "spouse_phone", "spouse_employer",
                    "spouse_status", "spouse_health", "contact1_name", "contact1_relation",
                    "contact1_employer", "contact1_phone", "contact1_address", "contact2_name",
                    "contact2_relation", "contact2_employer", "contact2_phone",
                    "contact2_address")),
        ("移交意愿与接收单位", ("wish_local", "wish_away", "community", "archive_area")),
        ("党员情况（党员填写）", ("party_joined_on", "party_full_on", "party_branch",
                        "party_dues_until", "party_area")),
    )  # fmt: skip

    def __init__(
        self,
        *args: Any,
        enterprise: Enterprise,
        transfer: Transfer | None = None,
        directory: Directory | None = None,
        known: Mapping[str, OnRecord] | None = None,
        **kwargs: Any,
    ) -> None:
        if transfer is not None:
            kwargs["initial"] = self.values_of(transfer) | kwargs.get("initial", {})
        super().__init__(*args, **kwargs)
        self.enterprise, self.transfer, self.known = enterprise, transfer, known
        self.directory = directory or Directory()
        self.record = NOBODY
        self.warnings: list[tuple[str, str]] = []
        self.changes_print = self.remembers = False
        self._known: dict[str, dict[str | None, Any]] = {name: {} for name in self.fields}
        for name in RECEIVERS:
            self.fields[name].directory = self.directory  # type: ignore[attr-defined]

    @property
    def fieldsets(self) -> list[tuple[str, list[forms.BoundField]]]:
        return [(legend, [self[name] for name in names]) for legend, names in self.GROUPS]

    def next_row(self, data: dict[str, Any], transfer: Transfer | None = None) -> bool:
        """Whether DATA of another person are valid: making a form costs more than checking it.

        What DATA leaves out stays as it is in the case TRANSFER; it was read when it was typed.
        What the form says afterwards (errors, warnings, cleaned_data) is about this person only.
        """
        self.remembers = True
        self.data, self.transfer, self.record = data, transfer, NOBODY
        self._errors = None
        self.warnings, self.changes_print = [], False
        return self.is_valid()

    def _clean_fields(self) -> None:
        """Of many rows each text of a column is read once: what it means does not depend on the row.

        Most columns hold few different words; of the others a bounded number is remembered.
        """
        if not self.remembers:
            super()._clean_fields()  # type: ignore[misc]  # the stubs do not know it
            return
        data, transfer, cleaned = self.data, self.transfer, self.cleaned_data
        for name, known in self._known.items():
            raw = data.get(name)
            if raw is None and transfer is not None and name not in data:
                cleaned[name] = self.value_of(transfer, name)
                continue
            try:
                value = known[raw]
            except (KeyError, TypeError):  # not seen yet, or a list
                value = self._read(self.fields[name], raw)
                if len(known) < REMEMBERED and (raw is None or type(raw) is str):
                    known[raw] = value
            if isinstance(value, forms.ValidationError):
                self.add_error(name, value)
            else:
                cleaned[name] = value.copy() if isinstance(value, list) else value

    @staticmethod
    def _read(field: forms.Field, raw: Any) -> Any:
        try:
            return field.clean(raw)
        except forms.ValidationError as reason:
            return reason

    def speak_for(self, cleaned_data: dict[str, Any], record: OnRecord) -> None:
        """Write from here on what an earlier `next_row` found valid."""
        self.cleaned_data, self.record, self.transfer = cleaned_data, record, record.case

    @classmethod
    def values_of(cls, transfer: Transfer) -> dict[str, Any]:
        """What the form shows for an existing case."""
        return {name: cls.value_of(transfer, name) for name in cls.base_fields}

    @staticmethod
    def value_of(transfer: Transfer, name: str) -> Any:
        """What the field NAME shows for an existing case."""
        if name in RECEIVERS:
            return getattr(transfer, name)
        retiree = transfer.retiree
        if name == "born":
            return retiree.birth_date.replace(day=1)
        value = getattr(retiree, name)
        return _YES_NO_OF[value] if name == "low_income" else value

    # --- checks ---

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for name, code in _BLANK_MEANS.items():
            if data.get(name) == "":
                data[name] = code
        id_number = data.get("id_number")
        if id_number:
            self._check_identity(data, id_number)
            self._check_dates(data)
        self._choose_receivers(data)
        self._check_party(data)
        return data

    def _check_identity(self, data: dict[str, Any], id_number: str) -> None:
        birth, sex = standards.id_birth_date(id_number), standards.id_sex(id_number)
        if data.get("sex") and data["sex"] != sex:
            self.add_error("sex", f"与身份证号不一致：身份证号第17位表示{standards.SEX[sex]}。")
        if data.get("born") and data["born"] != birth.replace(day=1):
            self.add_error("born", f"与身份证号不一致：身份证号表示 {birth:%Y-%m}。")
        data["sex"], data["birth_date"] = sex, birth
        self.record = self._look_up(id_number)
        if self.transfer is None:
            if self.record.elsewhere:
                self.add_error("id_number", self.record.elsewhere)
        elif self._belongs_to_another(self.transfer):
            self.add_error("id_number", "此身份证号已有案卷，不能重复登记。")

    def _look_up(self, id_number: str) -> OnRecord:
        known = self.known
        if known is None:
            known = on_record([id_number], self.enterprise, self.directory)
        return known.get(id_number, NOBODY)

    def _belongs_to_another(self, transfer: Transfer) -> bool:
        """Whether the number of the case was changed to that of somebody else."""
        person = self.record.person
        return bool(self.record.elsewhere) or (
            person is not None and person.pk != transfer.retiree_id
        )

    def _check_dates(self, data: dict[str, Any]) -> None:
        birth: date = data["birth_date"]
        started, retired = data.get("work_started"), data.get("retired")
        if started and started.year - birth.year < 10:
            self.add_error("work_started", "参加工作时年龄不足 10 周岁，请核对。")
        if retired and started and retired < started:
            self.add_error("retired", "退休年月早于参加工作时间。")
        if not retired:
            return
        if retired < birth or standards.age_on(birth, retired) < 35:
            self.add_error("retired", "退休时年龄不足 35 周岁，请核对。")
        elif retired > timezone.localdate():
            self.add_error("retired", "退休年月晚于本月；办完退休手续后再移交（第六条第4项）。")
        else:
            self._warn_unusual_retirement(data, birth, retired)

    def _warn_unusual_retirement(self, data: dict[str, Any], birth: date, retired: date) -> None:
        """Only a warning: special trades and older policies are lawful."""
        kinds = standards.RetirementKind
        usual = [
            standards.statutory_retirement(kind, birth).month
            for kind in (
                (kinds.MALE,) if data["sex"] == "1" else (kinds.FEMALE_55, kinds.FEMALE_50)
            )
        ]
        apart = min(abs((retired.year - m.year) * 12 + retired.month - m.month) for m in usual)
        if apart > 36 and data.get("retirement_kind") == RetirementKind.NORMAL:
            words = "或".join(f"{m:%Y-%m}" for m in usual)
            self.warnings.append(
                ("retired", f"与法定退休年月（{words}）相差超过 3 年，请核对退休类别。")
            )

    def _choose_receivers(self, data: dict[str, Any]) -> None:
        """第五条: an empty receiver is derived from the wish, the address or the community."""
        if not data.get("community") and "community" not in self.errors:
            wish = data.get("wish_local") or data.get("wish_away")
            order = {"household": ("household_address",), "home": ("home_address",)}.get(
                wish or "", ("home_address", "household_address")
            )
            found = (self.directory.locate(data.get(name) or "") for name in order)
            agreed = self.enterprise.terms.receiver  # 第五条: an agreement may settle another
            data["community"] = agreed or next((area for area in found if area), None)
            if data["community"] is None:
                self.warnings.append(
                    (
                        "community",
                        "没有填写接收社区，也不能从地址识别；导入后须补填才能申报（第五条）。",
                    )
                )
        community = data.get("community")
        if community and not data.get("archive_area") and "archive_area" not in self.errors:
            # 第五条: an agreement may settle another archive.
            agreed = self.enterprise.terms.archive_area
            data["archive_area"] = agreed or self.directory.above(community, Area.Level.COUNTY)

    def _check_party(self, data: dict[str, Any]) -> None:
        if data.get("political_status") not in PARTY_MEMBER:
            data["party_area"] = None
            return
        joined, birth = data.get("party_joined_on"), data.get("birth_date")
        if joined and birth and (joined < birth or standards.age_on(birth, joined) < 15):
            self.add_error("party_joined_on", "入党时年龄不足 15 周岁，请核对。")
        if not data.get("party_area") and "party_area" not in self.errors:
            data["party_area"] = data.get("community")

    # --- writing ---

    def is_on_record(self, trace: Trace) -> bool:
        """Whether the live case of TRACE says what the form says, to the letter."""
        receivers = (self.cleaned_data.get(name) for name in RECEIVERS)
        return trace.receivers == tuple(area and area.pk for area in receivers) and trace.has(
            self.facts()
        )

    def facts(self) -> dict[str, Any]:
        """Values of the person's columns."""
        data = self.cleaned_data
        values = {name: data[name] for name in _COLUMNS}
        values["low_income"] = {"yes": True, "no": False}.get(data["low_income"])
        values["ethnicity"] = data["ethnicity"] or "01"
        values["political_status"] = data["political_status"] or "13"
        return values

    def retiree(self) -> Retiree:
        """The person of this form, known or new, with the form's values (not saved)."""
        person = self.transfer.retiree if self.transfer else self.record.person
        person = person or Retiree()
        for name, value in self.facts().items():
            setattr(person, name, value)
        return person

    def new_case(self, by: Any, batch: Any = None) -> Transfer:
        """An unsaved case for this person (see `workflow.start`)."""
        data = self.cleaned_data
        return Transfer(
            retiree=self.retiree(), enterprise=self.enterprise, filed_by=by, batch=batch,
            community=data["community"], archive_area=data.get("archive_area"),
            party_area=data["party_area"],
        )  # fmt: skip

    def changes(self, case: Transfer) -> list[str]:
        """Labels of what the form would change in an existing case (as it was read)."""
        return [change.label for change in self.differences(case)]

    def would_unsign(self, case: Transfer) -> bool:
        """Whether what the form would change stands on the printed form."""
        return any(change.printed for change in self.differences(case))

    def differences(self, case: Transfer) -> list[Difference]:
        """What the form would change in an existing case."""
        person, found = case.retiree, []
        for name, value in self.facts().items():
            if getattr(person, name) != value:
                old, new = shown_change(person, name, value)
                label, printed = label_of(Retiree, name), name in Retiree.PRINTED
                found.append(Difference(label, printed, old, new))
        for name in _receivers(case):
            area = self.cleaned_data.get(name)
            if getattr(case, f"{name}_id") != (area.pk if area else None):
                before = getattr(case, name)
                found.append(
                    Difference(
                        label_of(Transfer, name), name != "archive_area",
                        before.full_name if before else "", area.full_name if area else "",
                    )
                )  # fmt: skip
        return found

    def write(self, case: Transfer) -> list[str]:
        """Save the form over CASE (locked and read anew by the caller); labels of what changed."""
        differences = self.differences(case)
        if not differences:
            return []
        self.changes_print = any(change.printed for change in differences)
        self.transfer = case
        person = self.retiree()
        person.__dict__["_change_reason"] = "更改信息"
        person.save()
        for name in _receivers(case):
            setattr(case, name, self.cleaned_data.get(name))
        return [change.label for change in differences]


def _receivers(case: Transfer) -> tuple[str, ...]:
    """Those that the transferor may still change: after a re-handover only where the file goes."""
    return ("archive_area",) if case.was_moved else RECEIVERS


def shown_change(person: Retiree, name: str, value: Any) -> tuple[str, str]:
    """The old and the new value in words; private ones masked (第十一条)."""
    old, new = person.words(name), Retiree(**{name: value}).words(name)
    if kind := Retiree.Privacy.private.get(name):
        old, new = (privacy.mask(word, kind) if word else "" for word in (old, new))
        if old == new:
            new = f"{new}（已更改）"
    return old, new


# Columns of the person that the form fills.
_COLUMNS = tuple(
    field.name
    for field in Retiree._meta.fields
    if field.name in RetireeForm.base_fields or field.name == "birth_date"
)
