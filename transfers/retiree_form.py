"""One form for every door: page, workbook, command and demo data build a `RetireeForm`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from xianning import standards
from xianning.fields import AreaField, DayField, MonthField, StandardField, WordField, WordsField
from xianning.models import label_of

if TYPE_CHECKING:
    from datetime import date

    from enterprises.models import Enterprise

OUT_OF_SCOPE = "离休人员原则上保持现有管理方式不变，不纳入移交范围（第二条）。"
YES_NO = {"yes": "是", "no": "否"}


def _some(choices: type[Any] | dict[str, str]) -> list[tuple[str, str]]:
    pairs = choices.items() if isinstance(choices, dict) else choices.choices
    return [("", "未填"), *pairs]


def _phones(text: str) -> str:
    return "、".join(standards.parse_phones(text))


def _text(model_field: str, **kwargs: Any) -> forms.CharField:
    length = getattr(Retiree._meta.get_field(model_field), "max_length", None)
    return StandardField(
        label=label_of(Retiree, model_field), max_length=length, required=False, **kwargs
    )


class RetireeForm(forms.Form):
    """The facts of the 《基本信息表》 and the receivers of 第五条.

    `warnings` lists (field, sentence) that do not stop a clerk who knows what he does.
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
    personnel_kind = WordField(label="人员身份", choices=_some(PersonnelKind), required=False)
    employment_kind = WordField(
        label="用工身份", choices=_some(EmploymentKind), required=False,
        aliases={"全民所有制": "public", "集体": "collective"},
    )  # fmt: skip
    work_started = MonthField(label="参加工作时间", required=False)
    retired = MonthField(label="退休年月")
    retirement_kind = WordField(
        label="退休类别", choices=_some(RetirementKind), required=False,
        aliases={"正常": "normal", "退休": "normal", "工人正常退休": "normal", "干部退休": "normal",
                 "特殊工种退休": "special", "因病退休": "illness", "病退": "illness",
                 "因病": "illness", "退职": "quit", "破产提前": "policy", "提前退休": "early",
                 "军转干部退休": "military", "其它": "other"},
    )  # fmt: skip
    archive_place = _text("archive_place")

    special_groups = WordsField(
        label="特殊人员", choices=SpecialGroup.choices, required=False,
        aliases={"孤寡老人": "alone", "高龄": "aged", "80以上": "aged", "80岁以上": "aged",
                 "八十岁以上": "aged", "八十岁以上高龄": "aged", "高龄(80周岁以上)": "aged",
                 "残疾": "disabled", "工伤": "disabled", "建国前": "veteran",
                 "建国前参加革命工作": "veteran", "劳动模范": "model_worker", "空巢": "lives_alone"},
    )  # fmt: skip
    low_income = WordField(label="享受低保", choices=_some(YES_NO), required=False,
                           aliases={"有": "yes", "无": "no", "0": "no"})  # fmt: skip
    pension_place = _text("pension_place")
    medical_place = _text("medical_place")
    insurances = WordsField(
        label="参保情况", choices=Insurance.choices, required=False,
        aliases={"养老": "pension", "医疗": "medical", "工伤": "injury", "医保": "medical",
                 "社保": "pension", "城镇职工养老保险": "pension", "职工医保": "medical"},
    )  # fmt: skip
    injury_grade = WordField(
        label="工伤伤残等级", choices=_some(InjuryGrade), required=False, aliases={"无": ""}
    )
    injury_part = _text("injury_part")
    extra_benefits = _text("extra_benefits")
    pension_bank = _text("pension_bank")
    certified_on = DayField(label="最近一次资格认证日期", required=False)

    residence = WordField(
        label="居住情况", choices=_some(Residence), required=False,
        aliases={"本地": "local", "异地": "elsewhere", "出国（境）人员": "abroad",
                 "出国(境)人员": "abroad", "出国(境)居住": "abroad", "出国": "abroad"},
    )  # fmt: skip
    household_address = _text("household_address")
    household_phone = _text("household_phone", parse=_phones)
    home_address = _text("home_address")
    home_phone = _text("home_phone", parse=_phones)
    away_address = _text("away_address")
    away_phone = _text("away_phone", parse=_phones)

    spouse_name = _text("spouse_name")
    spouse_born = _text("spouse_born")
    spouse_phone = _text("spouse_phone", parse=_phones)
    spouse_employer = _text("spouse_employer")
    spouse_status = WordField(label="配偶目前状况", choices=_some(SpouseStatus), required=False)
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
                           aliases={"是": "home"})  # fmt: skip
    wish_away = WordField(label="异地移交意愿", choices=_some(WishAway), required=False)
    community = AreaField(
        label="接收社区", level="community", receiving=True, required=False,
        help_text="按移交意愿确定的社区（村）；可写名称的一部分",
    )  # fmt: skip
    archive_area = AreaField(
        label="档案接收地", level="county|city", required=False,
        help_text="社会保险经办机构所在县（市、区）；不填为接收社区所在县",
    )  # fmt: skip

    party_joined_on = MonthField(label="入党时间", required=False)
    party_full_on = MonthField(label="转正时间", required=False)
    party_branch = _text("party_branch")
    party_dues_until = MonthField(label="党费交至", required=False)
    party_area = AreaField(
        label="长期居住地（街道、社区）", level="community|township", receiving=True, required=False,
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
        **kwargs: Any,
    ) -> None:
        if transfer is not None:
            kwargs["initial"] = self._from(transfer) | kwargs.get("initial", {})
        super().__init__(*args, **kwargs)
        self.enterprise, self.transfer = enterprise, transfer
        self.directory = directory or Directory()
        self.warnings: list[tuple[str, str]] = []
        self.changes_print = False
        for name in ("community", "archive_area", "party_area"):
            self.fields[name].directory = self.directory  # type: ignore[attr-defined]

    @property
    def fieldsets(self) -> list[tuple[str, list[forms.BoundField]]]:
        return [(legend, [self[name] for name in names]) for legend, names in self.GROUPS]

    @staticmethod
    def _from(transfer: Transfer) -> dict[str, Any]:
        """What the form shows for an existing case."""
        retiree = transfer.retiree
        names = {f.name for f in Retiree._meta.fields} & RetireeForm.base_fields.keys()
        values = {name: getattr(retiree, name) for name in names}
        income = {True: "yes", False: "no", None: ""}[retiree.low_income]
        areas = {n: getattr(transfer, n) for n in ("community", "archive_area", "party_area")}
        return values | areas | {"low_income": income, "born": retiree.birth_date.replace(day=1)}

    # --- checks ---

    def clean_retirement_kind(self) -> str:
        return self.cleaned_data["retirement_kind"] or RetirementKind.NORMAL

    def clean_residence(self) -> str:
        return self.cleaned_data["residence"] or Residence.LOCAL

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
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
        known = Retiree.objects.with_id_number(id_number).first()
        if known is None or (self.transfer and known.pk == self.transfer.retiree_id):
            return
        others = known.transfers.exclude(state=Transfer.State.ENDED)
        if self.transfer is not None:
            self.add_error("id_number", "此身份证号已有案卷，不能重复登记。")
        elif others.exclude(enterprise=self.enterprise).exists():
            self.add_error("id_number", "此身份证号已由其他移交单位申报，请与国资部门核对。")

    def _check_dates(self, data: dict[str, Any]) -> None:
        birth: date = data["birth_date"]
        started, retired = data.get("work_started"), data.get("retired")
        if started and started.year - birth.year < 10:
            self.add_error("work_started", "参加工作时年龄不足 10 周岁，请核对。")
        if retired and started and retired < started:
            self.add_error("retired", "退休年月早于参加工作时间。")
        if not retired:
            return
        if standards.age_on(birth, retired) < 35:
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
            data["community"] = next((area for area in found if area), None)
            if data["community"] is None:
                self.warnings.append(
                    (
                        "community",
                        "没有填写接收社区，也不能从地址识别；导入后须补填才能申报（第五条）。",
                    )
                )
        community = data.get("community")
        if community and not data.get("archive_area") and "archive_area" not in self.errors:
            data["archive_area"] = self.directory.above(community, Area.Level.COUNTY)

    def _check_party(self, data: dict[str, Any]) -> None:
        if data.get("political_status") not in PARTY_MEMBER:
            data["party_area"] = None
            return
        joined = data.get("party_joined_on")
        if joined and data.get("birth_date") and standards.age_on(data["birth_date"], joined) < 15:
            self.add_error("party_joined_on", "入党时年龄不足 15 周岁，请核对。")
        if not data.get("party_area") and "party_area" not in self.errors:
            data["party_area"] = data.get("community")

    # --- writing ---

    def retiree(self) -> Retiree:
        """The person of this form, known or new, with the form's values (not saved)."""
        data = self.cleaned_data
        person = self.transfer.retiree if self.transfer else None
        person = person or Retiree.objects.with_id_number(data["id_number"]).first() or Retiree()
        names = {f.name for f in Retiree._meta.fields} & self.cleaned_data.keys()
        for name in names - {"low_income"}:
            setattr(person, name, data[name])
        person.low_income = {"yes": True, "no": False, "": None}[data["low_income"]]
        person.ethnicity = data["ethnicity"] or "01"
        person.political_status = data["political_status"] or "13"
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
        """Labels of what the form would change in an existing case."""
        return [label for label, _printed in self._differences(case)[0]]

    def _differences(self, case: Transfer) -> tuple[list[tuple[str, bool]], Retiree]:
        before = Retiree.objects.get(pk=case.retiree_id)
        self.transfer = case
        case.retiree = Retiree.objects.get(pk=case.retiree_id)
        person = self.retiree()
        found = [
            (str(field.verbose_name), field.name in Retiree.PRINTED)
            for field in Retiree._meta.fields
            if field.name not in {"id", "id_index"}
            and getattr(before, field.name) != getattr(person, field.name)
        ]
        for name in ("community", "archive_area", "party_area"):
            area = self.cleaned_data.get(name)
            if getattr(case, f"{name}_id") != (area.pk if area else None):
                found.append((label_of(Transfer, name), name != "archive_area"))
        return found, person

    def write(self, case: Transfer) -> list[str]:
        """Save the form over CASE (locked by the caller); labels of what changed."""
        differences, person = self._differences(case)
        if not differences:
            return []
        self.changes_print = any(printed for _label, printed in differences)
        person.__dict__["_change_reason"] = "更改信息"
        person.save()
        case.retiree = person
        for name in ("community", "archive_area", "party_area"):
            setattr(case, name, self.cleaned_data.get(name))
        return [label for label, _printed in differences]
