"""What SASAC types about an enterprise; the page and the rows of a workbook use the same form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from communities.models import Area
from enterprises.models import Enterprise
from xianning import access, standards
from xianning.fields import DayField, StandardField, WordField, WorkbookField, body_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from enterprises.imports import Checked
    from xianning.models import User

Level, Holding, Status = Enterprise.Level, Enterprise.Holding, Enterprise.Status

MINORITY = "minority"
HOLDINGS = [*Holding.choices, (MINORITY, "国有参股")]
OUT_OF_SCOPE = "移交实施范围为国有及国有控股企业，参股企业不纳入（第二条）。"
LEVEL_WORDS = {
    "中央企业": Level.CENTRAL, "央": Level.CENTRAL, "中央": Level.CENTRAL,
    "省属企业": Level.PROVINCIAL, "省": Level.PROVINCIAL, "省属": Level.PROVINCIAL,
    "市属企业": Level.CITY, "市": Level.CITY, "市属": Level.CITY,
    "县企": Level.COUNTY, "区企": Level.COUNTY, "县": Level.COUNTY, "区": Level.COUNTY,
    "县属": Level.COUNTY, "区属": Level.COUNTY, "县属企业": Level.COUNTY,
    "区属企业": Level.COUNTY, "县(市、区)": Level.COUNTY, "县(市、区)企": Level.COUNTY, "县级": Level.COUNTY,
}  # fmt: skip
HOLDING_WORDS = {
    "独资": Holding.SOLE, "全资": Holding.SOLE, "国有全资": Holding.SOLE,
    "控股": Holding.CONTROLLED, "国有资本控股": Holding.CONTROLLED,
    "参股": MINORITY, "国有资本参股": MINORITY,
}  # fmt: skip
STATUS_WORDS = {
    "正常": Status.NORMAL, "在业": Status.NORMAL, "存续": Status.NORMAL,
    "停业": Status.STOPPED, "歇业": Status.STOPPED,
    "已破产": Status.BANKRUPT, "已改制": Status.RESTRUCTURED, "已注销": Status.DEREGISTERED,
}  # fmt: skip
# 名单 of each level is kept by the SASAC of that level; 当地国资部门 keeps the others (第四条).
LISTED_BY = {
    Level.CITY: (Area.Level.CITY,),
    Level.COUNTY: (Area.Level.COUNTY,),
    Level.CENTRAL: (Area.Level.CITY, Area.Level.COUNTY),
    Level.PROVINCIAL: (Area.Level.CITY, Area.Level.COUNTY),
}


class Places:
    """The areas an enterprise may name, read once for one page or one workbook."""

    def __init__(self, user: User) -> None:
        mine = access.scope(user).areas.get("sasac", frozenset())
        found = Area.objects.filter(level__in=(Area.Level.CITY, Area.Level.COUNTY))
        self.areas = {area.code: area for area in found.order_by("code")}
        self.authorities = [area for code, area in self.areas.items() if code in mine]
        self.counties = [
            area
            for area in self.areas.values()
            if area.level == Area.Level.COUNTY and area.closed_on is None
        ]


def _choices(areas: list[Area]) -> list[tuple[str, str]]:
    return [(area.code, area.full_name) for area in areas]


def _short_names(areas: list[Area]) -> dict[str, str]:
    """咸安 → code of 咸安区; 市本级 → code of the city."""
    words = {area.name[:-1]: area.code for area in areas}
    cities = [area.code for area in areas if area.level == Area.Level.CITY]
    return words | ({"市本级": cities[0], "市级": cities[0], "市": cities[0]} if cities else {})


def _text(name: str, **kwargs: Any) -> StandardField:
    longest = Enterprise._meta.get_field(name).max_length  # type: ignore[union-attr]
    usual: dict[str, Any] = {"required": False, "parse": body_name}
    return StandardField(label=Enterprise.label(name), max_length=longest, **usual | kwargs)


class EnterpriseForm(forms.Form):
    """One entry of the list. `places` are the areas of the user's SASAC offices."""

    name = _text("name", required=True)
    credit_code = StandardField(
        label="统一社会信用代码", max_length=30, required=False,
        help_text="已破产、改制、注销的老企业可填 15 位注册号或 9 位组织机构代码；"
        "已注销且查不到代码的可不填",
    )  # fmt: skip
    level = WordField(
        label="企业层级", choices=[("", "请选择"), *Level.choices], aliases=LEVEL_WORDS
    )
    authority = WordField(
        label="名单所属地区", help_text="提供名单的国资部门：市企由市级、县企由县级、央企和省企由当地国资部门",
        required=False,
    )  # fmt: skip
    holding = WordField(
        label="控股类型", choices=[("", "请选择"), *HOLDINGS], aliases=HOLDING_WORDS
    )
    investor = _text("investor")
    group = _text("group")
    parent_company = _text("parent_company")

    status = WordField(
        label="经营状态", choices=Status.choices, aliases=STATUS_WORDS, required=False,
        initial=Status.NORMAL,
    )  # fmt: skip
    department = _text(
        "department", help_text="破产、改制、注销企业必填，由其作为移交主体（第四条）"
    )
    registered_place = _text("registered_place")
    county = WordField(label="企业所在地", help_text="实际所在的县（市、区）")
    contact = _text("contact")
    phone = _text("phone", parse=lambda text: "、".join(standards.parse_phones(text)))
    retiree_count = forms.IntegerField(
        label="退休人员底数", min_value=0, max_value=999_999, required=False,
        help_text="企业自己统计的应移交人数",
    )  # fmt: skip
    agreement_number = _text("agreement_number")
    agreement_on = DayField(label="协议签订日期", required=False)
    listed_on = DayField(label="纳入日期", required=False, help_text="不填则为确认之日")

    GROUPS = (
        ("企业", ("name", "credit_code", "level", "authority", "holding", "investor", "group",
                "parent_company")),
        ("状态与移交主体", ("status", "department", "registered_place", "county", "contact", "phone",
                     "retiree_count")),
        ("移交协议与名单", ("agreement_number", "agreement_on", "listed_on", "removed_on", "reason")),
    )  # fmt: skip

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, places: Places,
        enterprise: Enterprise | None = None,
    ) -> None:  # fmt: skip
        self.places, self.enterprise = places, enterprise
        super().__init__(data, initial=self._initial())
        self._offer("authority", places.authorities)
        self._offer("county", places.counties)

    def _initial(self) -> dict[str, Any]:
        if self.enterprise is None:
            return {}
        names = (name for name in self.base_fields if hasattr(Enterprise, name))
        initial = {name: getattr(self.enterprise, name) for name in names}
        return initial | {
            "authority": self.enterprise.authority_id, "county": self.enterprise.county_id
        }  # fmt: skip

    def _offer(self, name: str, areas: list[Area]) -> None:
        field = self.fields[name]
        assert isinstance(field, WordField)
        field.choices = [*([("", "请选择")] if len(areas) > 1 else []), *_choices(areas)]
        field.aliases = _short_names(areas)

    @property
    def fieldsets(self) -> list[tuple[str, list[Any]]]:
        return [
            (legend, [self[name] for name in names if name in self.fields])
            for legend, names in self.GROUPS
        ]

    # --- single fields ---

    def clean_holding(self) -> str:
        if self.cleaned_data["holding"] == MINORITY:
            raise ValidationError(OUT_OF_SCOPE)
        return str(self.cleaned_data["holding"])

    def clean_status(self) -> str:
        return self.cleaned_data["status"] or Status.NORMAL

    def clean_authority(self) -> Area:
        """The list of my own SASAC office; empty when I have only one."""
        code = self.cleaned_data["authority"]
        if code:
            return self.places.areas[code]
        if len(self.places.authorities) != 1:
            raise ValidationError("您任职于多个国资部门，请写明名单所属地区。")
        return self.places.authorities[0]

    def clean_county(self) -> Area:
        return self.places.areas[self.cleaned_data["county"]]

    def clean_agreement_on(self) -> date | None:
        return self._not_in_future("agreement_on")

    def clean_listed_on(self) -> date | None:
        return self._not_in_future("listed_on")

    def _not_in_future(self, name: str) -> date | None:
        day: date | None = self.cleaned_data[name]
        if day and day > timezone.localdate():
            raise ValidationError(f"{self.fields[name].label}不能晚于今天。")
        return day

    # --- the whole ---

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self._check_code(data)
        self._check_authority(data)
        self._check_agreement(data)
        if data.get("status") in Enterprise.NEEDS_DEPARTMENT and not data.get("department"):
            self.add_error(
                "department", "破产、改制、注销企业须填写原主管部门，由其作为移交主体（第四条）。"
            )
        self._check_known(data)
        return data

    def _check_code(self, data: dict[str, Any]) -> None:
        """GB 32100; enterprises that are gone may have only an older number, or none."""
        code, status = data.get("credit_code"), data.get("status")
        if "credit_code" in self.errors or status is None:
            return
        if not code:
            if status != Status.DEREGISTERED:
                self.add_error("credit_code", "请填写统一社会信用代码；只有已注销企业可以不填。")
            return
        try:
            data["credit_code"] = self._read_code(code, status)
        except standards.NotValid as reason:
            self.add_error("credit_code", str(reason))

    @staticmethod
    def _read_code(code: str, status: str) -> str:
        if status in Enterprise.NEEDS_DEPARTMENT:
            try:
                return standards.old_registration_number(code)
            except standards.NotValid:
                if len("".join(code.split()).replace("-", "")) in (9, 15):
                    raise
        return standards.parse_credit_code(code)

    def _check_authority(self, data: dict[str, Any]) -> None:
        level, authority = data.get("level"), data.get("authority")
        if not level or not authority:
            return
        if authority.level not in LISTED_BY[Level(level)]:
            whose = "市级" if level == Level.CITY else "县（市、区）级"
            self.add_error(
                "authority" if len(self.places.authorities) > 1 else "level",
                f"{Level(level).label}列入{whose}国资部门的名单，{authority.name}国资部门"
                "不能列入（第六条第1项）。",
            )
        before = self.enterprise
        if before and before.confirmed_at and before.authority_id != authority.pk:
            self.add_error("authority", "已确认的企业不能改换名单所属地区。")

    def _check_agreement(self, data: dict[str, Any]) -> None:
        if data.get("agreement_on") and not data.get("agreement_number"):
            self.add_error("agreement_number", "填写了协议签订日期，请同时填写移交协议号。")

    def _check_known(self, data: dict[str, Any]) -> None:
        """An enterprise stands once on one list."""
        others = Enterprise.objects.select_related("authority")
        if self.enterprise is not None:
            others = others.exclude(pk=self.enterprise.pk)
        code, name, authority = (data.get(n) for n in ("credit_code", "name", "authority"))
        same = others.filter(credit_code=code).first() if code else None
        if same is not None:
            self.add_error("credit_code", f"此代码已在{same.desk('sasac')}的名单中。")
        elif name and authority and others.filter(name=name, authority=authority).exists():
            self.add_error("name", f"{authority.name}的名单中已有同名企业。")

    def answers(self) -> list[tuple[str, str]]:
        """(label, value in words) of all facts, to be checked before they are saved."""
        entry = Enterprise(**self.facts())
        return [(Enterprise.label(name), entry.words(name)) for name in self.facts()]

    def facts(self) -> dict[str, Any]:
        """The cleaned values that belong to the entry."""
        return {n: v for n, v in self.cleaned_data.items() if n in Enterprise.FACTS}

    def differences(self) -> list[tuple[str, str]]:
        """(label, 由…改为…) of what will change."""
        if self.enterprise is None:
            return []
        after = Enterprise(**self.facts())
        return [
            (
                Enterprise.label(name),
                f"由“{self.enterprise.words(name) or '未填'}”改为“{after.words(name) or '未填'}”",
            )
            for name, value in self.facts().items()
            if value != getattr(self.enterprise, name)
        ]


class ChangeForm(EnterpriseForm):
    """A change of an entry: with its date of removal, the reason, and the state it started from."""

    removed_on = DayField(
        label="移出日期", required=False,
        help_text="移出名单后不能再申报；清空此日期即重新列入",
    )  # fmt: skip
    reason = forms.CharField(
        label="变动原因", max_length=120, required=False,
        help_text="已确认的企业须写明，连同变动通报人社部门（第六条第1项）",
        error_messages={"required": "请写明变动原因。"},
    )  # fmt: skip
    version = forms.IntegerField(widget=forms.HiddenInput)

    def _initial(self) -> dict[str, Any]:
        assert self.enterprise is not None
        return super()._initial() | {"version": self.enterprise.version}

    def __init__(self, *args: Any, enterprise: Enterprise, **kwargs: Any) -> None:
        super().__init__(*args, enterprise=enterprise, **kwargs)
        self.fields["reason"].required = enterprise.confirmed_at is not None

    def clean_removed_on(self) -> date | None:
        return self._not_in_future("removed_on")


class UploadForm(forms.Form):
    """The 名单 as a workbook."""

    file = WorkbookField(
        label="名单工作簿", help_text="只接受 .xlsx，最多 5000 行；先检查，确认后才写入",
    )  # fmt: skip


class CommitForm(forms.Form):
    """What SASAC decides on seeing what a workbook would do."""

    reason = forms.CharField(
        label="变动原因", max_length=120, required=False,
        help_text="名单中有已确认的企业要更改，须写明原因，并通报人社部门（第六条第1项）",
        error_messages={"required": "请写明变动原因。"},
    )  # fmt: skip
    confirm = forms.BooleanField(
        label="同时确认以上企业，并通知同级人社部门签收", required=False,
        help_text="不勾选则作为待确认的企业列入，之后逐家确认",
    )  # fmt: skip

    def __init__(self, *args: Any, found: Checked, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = found.changes_confirmed
        if not found.changes_confirmed:
            self.fields["reason"].widget = forms.HiddenInput()
        if not found.has_unconfirmed:
            self.fields["confirm"].widget = forms.HiddenInput()
