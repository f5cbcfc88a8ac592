"""What people type at the community's desk, and about divisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from communities.models import Area, Reception
from transfers.forms import StepForm, not_in_future
from xianning import standards
from xianning.fields import AreaField, DayField
from xianning.models import Office

if TYPE_CHECKING:
    from datetime import date


class CheckInForm(StepForm):
    """第六条第5项: the person checks in, the form is taken, the card issued, the ledger written."""

    button = "接收并发联系卡"
    advice = "请核对本人身份，收下《基本信息表》社区联，再办理接收。"
    identity_checked = forms.BooleanField(label="已核对本人身份证")
    form_received = forms.BooleanField(label="已收《基本信息表》街道社区联")
    checked_in_on = DayField(label="报到日期", initial=timezone.localdate)
    officer = forms.CharField(label="专管员", max_length=50)
    officer_phone = forms.CharField(label="专管员电话", max_length=40)
    remarks = forms.CharField(label="备注", max_length=200, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        last = (
            Reception.objects.filter(community_id=self.transfer.community_id)
            .order_by("-id")
            .first()
        )
        office = Office.objects.filter(role="community", area=self.transfer.community).first()
        self.fields["officer"].initial = last.officer if last else office and office.contact
        self.fields["officer_phone"].initial = (
            last.officer_phone if last else office and office.phone
        )

    def clean_checked_in_on(self) -> date | None:
        return not_in_future(self.cleaned_data["checked_in_on"], "报到日期")

    def clean_officer_phone(self) -> str:
        try:
            return standards.parse_phone(self.cleaned_data["officer_phone"])
        except standards.NotValid as reason:
            raise ValidationError(str(reason)) from None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        data.pop("identity_checked", None)
        return data

    def answers(self) -> list[tuple[str, str]]:
        return [("已核对本人身份证", "是"), *super().answers()[1:]]


class AreaForm(forms.ModelForm):
    """Rename a division, mark it as receiving, close it or merge it into its successor."""

    successor = AreaField(label="并入", required=False, help_text="撤销后由哪个区划接续")
    closed_on = DayField(label="撤销日期", required=False)

    class Meta:
        model = Area
        fields = ("name", "receives", "closed_on", "successor")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        successor = data.get("successor")
        if successor and not data.get("closed_on"):
            self.add_error("closed_on", "填写了并入的区划，须同时填写撤销日期。")
        if successor and successor.pk == self.instance.pk:
            self.add_error("successor", "不能并入自己。")
        elif successor and successor.closed_on:
            self.add_error("successor", f"{successor.full_name}已撤销，不能作为接续区划。")
        elif successor and successor.level != self.instance.level:
            self.add_error("successor", "接续的区划须与原区划同级。")
        return data
