"""What is typed about an event: the report, its answer, its correction."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from communities.models import EventReceipt, LifeEvent
from transfers.forms import not_in_future
from transfers.models import Transfer
from xianning.fields import DayField

# What each kind may be answered with; the first is what usually follows.
DEEDS = {
    "moved": ("changed", "noted"), "sentenced": ("stopped", "noted"),
    "died": ("stopped", "allowance", "noted"), "missing": ("stopped", "noted"),
    "uncertified": ("stopped", "resumed", "noted"), "double": ("stopped", "recovering", "noted"),
}  # fmt: skip


class EventForm(forms.Form):
    """What happened to one person, and when."""

    kind = forms.ChoiceField(label="事项", choices=[("", "请选择"), *LifeEvent.Kind.choices])
    happened_on = DayField(label="发生日期")
    details = forms.CharField(
        label="情况说明", max_length=300, required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="写明来源，例如家属告知、上门走访；不写与此事无关的个人信息",
    )  # fmt: skip

    def __init__(self, *args: Any, case: Transfer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.case = case

    def clean_happened_on(self) -> date | None:
        day = not_in_future(self.cleaned_data["happened_on"], "发生日期")
        if day and day < self.case.retiree.birth_date:
            raise ValidationError("发生日期不能早于出生日期。")
        return day


class AnswerForm(forms.Form):
    """What the receiver did."""

    deed = forms.ChoiceField(label="处理结果")
    note = forms.CharField(
        label="处理说明", max_length=200, required=False, help_text="例如停发起始年月、文号"
    )

    def __init__(self, *args: Any, kinds: set[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        labels = dict(EventReceipt.Deed.choices)
        common = [code for code in labels if all(code in DEEDS[kind] for kind in kinds)]
        choice: Any = self.fields["deed"]
        choice.choices = [("", "请选择"), *((code, labels[code]) for code in common)]


class CorrectionForm(forms.Form):
    """Why the report was wrong."""

    why = forms.CharField(
        label="更正原因", max_length=200, widget=forms.Textarea(attrs={"rows": 2}),
        help_text="原报告保留在记录中；其影响随即恢复，人社、医保部门会收到通知",
    )  # fmt: skip
