"""What is typed about the care for people: a visit, a promise kept, a group, the plan of a street."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from communities.care import FESTIVALS
from communities.models import CarePlan, Visit
from transfers.choices import ARTICLE_8_GROUPS, SpecialGroup
from transfers.forms import not_in_future
from xianning.fields import DayField, StandardField


def _text(label: str, length: int, *, required: bool = True, help_text: str = "") -> Any:
    return forms.CharField(
        label=label, max_length=length, required=required, help_text=help_text,
        widget=forms.Textarea(attrs={"rows": 3}),
    )  # fmt: skip


class VisitForm(forms.Form):
    """One visit, and what was promised with the day by which it is done."""

    on = DayField(label="走访日期")
    way = forms.ChoiceField(label="方式", choices=Visit.Way.choices)
    visitors = StandardField(label="走访人", max_length=80, help_text="两人以上用顿号分开")
    found = _text("了解到的情况", 500, help_text="身体、生活、困难；仅街道、社区可见（第十一条）")
    promised = _text("答应办理的事", 300, required=False)
    promise_due_on = DayField(label="何时办好", required=False)

    def clean_on(self) -> date | None:
        day = not_in_future(self.cleaned_data["on"], "走访日期")
        if day and day < date(2020, 1, 1):
            raise ValidationError("走访日期不能早于 2020 年。")
        return day

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        promised, due = data.get("promised"), data.get("promise_due_on")
        if promised and not due and "promise_due_on" not in self.errors:
            self.add_error("promise_due_on", "答应了事情，请写明何时办好。")
        if due and not promised:
            self.add_error("promised", "写了办理期限，请写明答应办理什么事。")
        if due and due < timezone.localdate():
            self.add_error("promise_due_on", "办理期限不能早于今天。")
        return data


class CloseForm(forms.Form):
    """What became of a promise."""

    outcome = _text("办理结果", 300)


class GroupForm(forms.Form):
    """Why somebody belongs to a group."""

    since = DayField(label="开始日期")
    reason = StandardField(label="认定原因", max_length=200)
    evidence = StandardField(
        label="证明材料",
        max_length=200,
        required=False,
        help_text="例如 残疾证号、低保证、诊断证明",
    )

    def clean_since(self) -> date | None:
        return not_in_future(self.cleaned_data["since"], "开始日期")


class PlanForm(forms.Form):
    """Visits a year and before which holidays, for each group."""

    basis = StandardField(
        label="设定依据", max_length=120, help_text="例如 街道办公会纪要；办法只要求“定期”走访"
    )

    def __init__(self, *args: Any, plans: Mapping[str, CarePlan], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for group in SpecialGroup:
            plan = plans.get(group)
            self.fields[f"times_{group}"] = forms.IntegerField(
                label="每年走访次数", min_value=0, max_value=12, required=False,
                initial=plan.times if plan else None,
                widget=forms.NumberInput(attrs={"inputmode": "numeric", "min": 0, "max": 12}),
            )  # fmt: skip
            self.fields[f"before_{group}"] = forms.MultipleChoiceField(
                label="节前走访", choices=[(name, name) for name in FESTIVALS], required=False,
                initial=plan.festivals if plan else [], widget=forms.CheckboxSelectMultiple,
            )  # fmt: skip

    @property
    def fieldsets(self) -> list[tuple[str, list[Any]]]:
        """The six groups of 第八条 first, then the others, then the basis."""
        groups = [
            (f"{group.label}（第八条）" if group in ARTICLE_8_GROUPS else str(group.label),
             [self[f"times_{group}"], self[f"before_{group}"]])
            for group in SpecialGroup
        ]  # fmt: skip
        return [*groups, ("依据", [self["basis"]])]

    def wanted(self) -> dict[str, tuple[int, list[str]]]:
        """Times and holidays by group, of a valid form."""
        data = self.cleaned_data
        return {
            str(group): (data[f"times_{group}"] or 0, data[f"before_{group}"])
            for group in SpecialGroup
        }
