"""What people type at the community's desk, and about divisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from communities.models import Area, Reception
from transfers.forms import StepForm, not_in_future
from xianning import standards
from xianning.fields import AreaField, DayField, StandardField
from xianning.models import Office

if TYPE_CHECKING:
    from datetime import date


class OfficerForm(forms.Form):
    """Who of the community looks after the person (专管员)."""

    officer = forms.CharField(label="专管员", max_length=50)
    officer_phone = forms.CharField(label="专管员电话", max_length=40)

    def suggest_officer(self, community: Area | None) -> None:
        """The one of the last entry of COMMUNITY, else the contact of its office."""
        last = Reception.objects.filter(community=community).order_by("-id").first()
        office = Office.objects.filter(role="community", area=community).first()
        self.fields["officer"].initial = last.officer if last else office and office.contact
        self.fields["officer_phone"].initial = (
            last.officer_phone if last else office and office.phone
        )

    def clean_officer_phone(self) -> str:
        try:
            return standards.parse_phone(self.cleaned_data["officer_phone"])
        except standards.NotValid as reason:
            raise ValidationError(str(reason)) from None


class CheckInForm(OfficerForm, StepForm):
    """第六条第5项: the person checks in, the form is taken, the card issued, the ledger written."""

    button = "接收并发联系卡"
    advice = "请核对本人身份，收下《基本信息表》社区联，再办理接收。"
    identity_checked = forms.BooleanField(label="已核对本人身份证")
    form_received = forms.BooleanField(label="已收《基本信息表》街道社区联")
    checked_in_on = DayField(label="报到日期", initial=timezone.localdate)
    remarks = forms.CharField(label="备注", max_length=200, required=False)
    field_order: tuple[str, ...] = (
        "identity_checked", "form_received", "checked_in_on", "officer", "officer_phone", "remarks",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.suggest_officer(self.transfer.community)

    def clean_checked_in_on(self) -> date | None:
        return not_in_future(self.cleaned_data["checked_in_on"], "报到日期")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        data.pop("identity_checked", None)
        return data

    def answers(self) -> list[tuple[str, str]]:
        return [("已核对本人身份证", "是"), *super().answers()[1:]]


class AreaForm(forms.ModelForm):
    """Rename a division, mark it as receiving, close it or merge it into its successor.

    Cases keep the division they were assigned to; `Area.today()` leads on to the successor.
    """

    name = StandardField(label="名称", max_length=60)
    successor = AreaField(
        label="并入", required=False,
        help_text="撤销后由哪个区划接续，填全称或代码；原有案卷的登记不变",
    )  # fmt: skip
    closed_on = DayField(label="撤销日期", required=False)
    reason = forms.CharField(
        label="变动依据", max_length=120, required=False, help_text="例如批复文号"
    )

    class Meta:
        model = Area
        fields = ("name", "receives", "closed_on", "successor")
        help_texts = {
            "receives": "街道（乡镇）社区接收退休人员（第五条）；开发区、农林场一般不接收"
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.level != Area.Level.COMMUNITY:
            del self.fields["receives"]

    def clean_closed_on(self) -> date | None:
        return not_in_future(self.cleaned_data["closed_on"], "撤销日期")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self._check_name(data.get("name"))
        self._check_closing(data)
        self._check_successor(data.get("successor"), data)
        return data

    def _check_name(self, name: str | None) -> None:
        twins = Area.objects.filter(parent_id=self.instance.parent_id, name=name, closed_on=None)
        if name and twins.exclude(pk=self.instance.pk).exists():
            self.add_error("name", "同一上级之下已有同名的区划。")

    def _check_closing(self, data: dict[str, Any]) -> None:
        below = self.instance.children.filter(closed_on=None).count()
        if data.get("closed_on") and below:
            self.add_error("closed_on", f"下面还有 {below} 个没有撤销的区划，请先逐个撤销或并入。")

    def _check_successor(self, successor: Area | None, data: dict[str, Any]) -> None:
        if successor is None:
            return
        if not data.get("closed_on") and "closed_on" not in self.errors:
            self.add_error("closed_on", "填写了并入的区划，须同时填写撤销日期。")
        if successor.pk == self.instance.pk:
            self.add_error("successor", "不能并入自己。")
        elif successor.closed_on:
            self.add_error("successor", f"{successor.full_name}已撤销，不能作为接续区划。")
        elif successor.level != self.instance.level:
            self.add_error("successor", "接续的区划须与原区划同级。")

    @transaction.atomic
    def save(self, commit: bool = True) -> Area:
        """Save with the reason in the history; a new name reaches all full names below."""
        area: Area = self.instance
        area._change_reason = self.cleaned_data["reason"] or "更改"  # type: ignore[attr-defined]
        area.save()
        if "name" in self.changed_data:
            below = Area.objects.below(area.pk).exclude(pk=area.pk).order_by("code")
            for each in below.select_related("parent__parent__parent__parent"):
                each._change_reason = f"上级更名为{area.name}"  # type: ignore[attr-defined]
                each.save()
        return area
