"""What people type about Party relations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from party.models import VALID_DAYS_MOST, VALID_DAYS_USUAL, PartyMove
from party.organizations import PartyOrganization
from transfers.forms import StepForm, not_in_future
from xianning.fields import DayField, MonthField

if TYPE_CHECKING:
    from datetime import date

    from django.db.models import QuerySet


def _offer(field: Any, rows: QuerySet[PartyOrganization]) -> None:
    """ROWS to choose from; the first that may transfer is chosen already."""
    field.queryset = rows.select_related("parent")
    field.initial = next((each.pk for each in field.queryset if each.may_transfer), None)


def _able(chosen: PartyOrganization, deed: str) -> PartyOrganization:
    if reason := chosen.why_not_transfer(deed):
        raise ValidationError(reason)
    return chosen


class LetterForm(StepForm):
    """第六条第6项: the letter states the member's facts and until when dues are paid."""

    button = "开具介绍信"
    from_organization = forms.CharField(label="转出党支部", max_length=80)
    issuer = forms.ModelChoiceField(
        PartyOrganization.objects.none(), label="开具介绍信的基层党委",
        help_text="须有审批预备党员的权限；没有可选的，请先在“党组织”中登记",
    )  # fmt: skip
    receiver = forms.ModelChoiceField(
        PartyOrganization.objects.none(), label="接收党组织（长期居住地）", required=False,
        empty_label="（长期居住在咸宁市外）",
    )  # fmt: skip
    to_organization = forms.CharField(
        label="咸宁市外的接收党组织（抬头）", max_length=80, required=False,
        help_text="长期居住在咸宁市外的才填写",
    )  # fmt: skip
    means = forms.ChoiceField(label="转接方式", choices=PartyMove.Means.choices)
    outside_number = forms.CharField(
        label="省系统、全国系统中的编号", max_length=40, required=False,
        help_text="用省系统或全国系统转接的必须填写",
    )  # fmt: skip
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
        senders = PartyOrganization.objects.of_sender(self.transfer)
        receivers = PartyOrganization.objects.of_residence(self.transfer)
        _offer(self.fields["issuer"], senders)
        # The nearest first: a community's code is above that of its street.
        _offer(self.fields["receiver"], receivers.order_by("-area_id", "name"))
        self.fields["from_organization"].initial = retiree.party_branch
        self.fields["dues_until"].initial = retiree.party_dues_until

    def clean_issued_on(self) -> date | None:
        return not_in_future(self.cleaned_data["issued_on"], "开具日期")

    def clean_issuer(self) -> PartyOrganization:
        return _able(self.cleaned_data["issuer"], "开具")

    def clean_receiver(self) -> PartyOrganization | None:
        chosen = self.cleaned_data["receiver"]
        return _able(chosen, "接收") if chosen else None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        outside = data.get("to_organization")
        if "receiver" in data and bool(data["receiver"]) == bool(outside):
            self.add_error(
                "to_organization",
                "已选择本地的接收党组织，此项请留空。"
                if outside
                else "请选择接收党组织；长期居住在咸宁市外的，请填写此项。",
            )
        elsewhere = data.get("means") in (PartyMove.Means.PROVINCE, PartyMove.Means.NATION)
        if elsewhere and not data.get("outside_number"):
            self.add_error("outside_number", "请填写省系统或全国系统中的编号。")
        return data


class AcceptMemberForm(StepForm):
    """第六条第6项: the organisation of long-term residence takes the member in and sends the receipt."""

    button = "接收"
    advice = "不得无故拒收；接收后一个月内将回执寄回转出党组织。"
    accepted_on = DayField(label="接收日期", initial=timezone.localdate)
    accepted_by = forms.CharField(label="经办人", max_length=50)
    receipt_number = forms.CharField(
        label="回执编号", max_length=40, required=False,
        help_text="回执以后再寄回的，编号和日期留空，寄回时在“介绍信”中登记",
    )  # fmt: skip
    receipt_on = DayField(label="回执日期", required=False, initial=timezone.localdate)
    remarks = forms.CharField(label="备注", max_length=200, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.move = PartyMove.objects.filter(transfer=self.transfer, voided_at=None).first()
        self.fields["receipt_number"].initial = self.move.number if self.move else ""

    def clean_accepted_on(self) -> date | None:
        day = not_in_future(self.cleaned_data["accepted_on"], "接收日期")
        if day and self.move and (reason := self.move.why_not_accept(day)):
            raise ValidationError(reason)
        return day

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if bool(data.get("receipt_number")) != bool(data.get("receipt_on")):
            name = "receipt_on" if data.get("receipt_number") else "receipt_number"
            if name in data:
                self.add_error(name, "回执编号和回执日期须一起填写，或都留空。")
        return data

    def clean_receipt_on(self) -> date | None:
        return not_in_future(self.cleaned_data["receipt_on"], "回执日期")


class ReceiptForm(forms.Form):
    """The receipt slip that came back; from outside Xianning it says who took the member in."""

    accepted_on = DayField(label="接收日期", initial=timezone.localdate)
    accepted_by = forms.CharField(label="接收党组织的经办人", max_length=50)
    receipt_number = forms.CharField(label="回执编号", max_length=40)
    receipt_on = DayField(label="回执日期", initial=timezone.localdate)

    def __init__(self, *args: Any, letter: PartyMove, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.letter = letter
        self.fields["receipt_number"].initial = letter.number
        if letter.accepted_on:
            for name in ("accepted_on", "accepted_by"):
                del self.fields[name]

    def clean_accepted_on(self) -> date | None:
        day = not_in_future(self.cleaned_data["accepted_on"], "接收日期")
        if day and (reason := self.letter.why_not_accept(day, elsewhere=True)):
            raise ValidationError(reason)
        return day

    def clean_receipt_on(self) -> date | None:
        return not_in_future(self.cleaned_data["receipt_on"], "回执日期")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        taken, day = data.get("accepted_on") or self.letter.accepted_on, data.get("receipt_on")
        if taken and day and day < taken:
            self.add_error("receipt_on", "回执日期不能早于接收日期。")
        return data

    @property
    def facts(self) -> dict[str, Any]:
        """What `letters.receipt` takes; what was known already is taken from the letter."""
        known = {name: getattr(self.letter, name) for name in ("accepted_on", "accepted_by")}
        return known | self.cleaned_data


class ReissueForm(forms.Form):
    """What may differ in the letter that takes the place of an expired one."""

    valid_days = forms.IntegerField(
        label="有效期（天）", min_value=1, max_value=VALID_DAYS_MOST, initial=VALID_DAYS_USUAL,
        help_text=f"一般 {VALID_DAYS_USUAL} 天，最长 {VALID_DAYS_MOST} 天",
    )  # fmt: skip
    dues_until = MonthField(label="党费已交至")


class CodeForm(forms.Form):
    """The code from the paper."""

    code = forms.CharField(
        label="回执码", max_length=40, help_text="印在回执联上的 13 个数字和字母，不分大小写",
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
        error_messages={"required": "请填写回执联上的回执码。"},
    )  # fmt: skip


class OutsideReceiptForm(forms.Form):
    """What the receiving body outside Xianning says on the one-time page."""

    accepted_on = DayField(label="接收日期", initial=timezone.localdate)
    accepted_by = forms.CharField(label="经办人", max_length=50)
    receipt_number = forms.CharField(
        label="回执编号（没有的可不填）", max_length=40, required=False
    )

    def __init__(self, *args: Any, letter: PartyMove, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.letter = letter

    def clean_accepted_on(self) -> date | None:
        day = not_in_future(self.cleaned_data["accepted_on"], "接收日期")
        if day and (reason := self.letter.why_not_accept(day, elsewhere=True)):
            raise ValidationError(reason)
        return day
