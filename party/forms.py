"""What people type about Party relations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from party.models import VALID_DAYS_MOST, VALID_DAYS_USUAL, PartyMove
from transfers.forms import StepForm, not_in_future
from xianning.fields import DayField, MonthField
from xianning.models import Office

if TYPE_CHECKING:
    from datetime import date


class LetterForm(StepForm):
    """第六条第6项: the letter states the member's facts and until when dues are paid."""

    button = "开具介绍信"
    from_organization = forms.CharField(label="转出党组织", max_length=80)
    from_committee = forms.CharField(label="原所在基层党委", max_length=80)
    to_organization = forms.CharField(label="接收党组织（抬头）", max_length=80)
    means = forms.ChoiceField(label="转接方式", choices=PartyMove.Means.choices)
    issued_on = DayField(label="开具日期", initial=timezone.localdate)
    valid_days = forms.IntegerField(
        label="有效期（天）", min_value=1, max_value=VALID_DAYS_MOST, initial=VALID_DAYS_USUAL,
        help_text=f"一般 {VALID_DAYS_USUAL} 天，最长 {VALID_DAYS_MOST} 天",
    )  # fmt: skip
    dues_until = MonthField(label="党费已交至")
    dues_standard = forms.DecimalField(
        label="月党费标准（元）", required=False, min_value=0, max_digits=7, decimal_places=2
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        retiree = self.transfer.retiree
        receiver = Office.objects.at_desk(
            "party", area_id=self.transfer.party_area_id, enterprise_id=None
        ).first()
        place = self.transfer.party_area
        self.fields["from_organization"].initial = retiree.party_branch
        self.fields["from_committee"].initial = f"中共{self.transfer.enterprise}委员会"
        self.fields["to_organization"].initial = (
            receiver.name if receiver else f"中共{place.full_name}总支部委员会" if place else ""
        )
        self.fields["dues_until"].initial = retiree.party_dues_until

    def clean_issued_on(self) -> date | None:
        return not_in_future(self.cleaned_data["issued_on"], "开具日期")


class AcceptMemberForm(StepForm):
    """第六条第6项: the organisation of long-term residence takes the member in and sends the receipt."""

    button = "接收"
    advice = "不得无故拒收；接收后一个月内将回执寄回转出党组织。"
    accepted_on = DayField(label="接收日期", initial=timezone.localdate)
    accepted_by = forms.CharField(label="经办人", max_length=50)
    receipt_number = forms.CharField(label="回执编号", max_length=40)
    receipt_on = DayField(label="回执日期", initial=timezone.localdate)
    remarks = forms.CharField(label="备注", max_length=200, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.move = PartyMove.objects.filter(transfer=self.transfer, voided_at=None).first()
        self.fields["receipt_number"].initial = self.move.number if self.move else ""

    def clean_accepted_on(self) -> date | None:
        day = not_in_future(self.cleaned_data["accepted_on"], "接收日期")
        if day and self.move and day < self.move.issued_on:
            raise ValidationError("接收日期不能早于介绍信开具日期。")
        if day and self.move and day > self.move.expires_on:
            raise ValidationError(
                f"介绍信有效期至 {self.move.expires_on:%Y-%m-%d}，已过期；请退回移交单位重新开具。"
            )
        return day

    def clean_receipt_on(self) -> date | None:
        return not_in_future(self.cleaned_data["receipt_on"], "回执日期")
