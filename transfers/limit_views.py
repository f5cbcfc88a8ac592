"""办理期限: the day counts that a SASAC office sets for its level, labelled 本地规定."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from communities.models import Area
from transfers import workflow
from transfers.deadlines import Clock
from transfers.models import StepLimit
from transfers.models.limits import MOST_DAYS
from transfers.workflow import STEPS
from xianning import access
from xianning.access import user_of
from xianning.fields import StandardField
from xianning.roles import ROLES

if TYPE_CHECKING:
    from django.http import HttpRequest

    from xianning.models import User

# The list of step 1 is confirmed before there is a case: no stay, no limit.
LIMITED = [key for key in STEPS if key != workflow.ENTERPRISE]


class LimitsForm(forms.Form):
    """A day count a step; an empty one is no limit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for key in LIMITED:
            step = STEPS[key]
            self.fields[key] = forms.IntegerField(
                label=f"{step.title}（{ROLES[step.role].name}）", required=False, min_value=1,
                max_value=MOST_DAYS, help_text=step.article,
                widget=forms.NumberInput(attrs={"inputmode": "numeric", "min": 1, "max": MOST_DAYS}),
            )  # fmt: skip
        self.fields["warn"] = forms.IntegerField(
            label="提前几个工作日提醒", min_value=0, max_value=30, initial=2
        )
        self.fields["basis"] = StandardField(
            label="设定依据",
            max_length=120,
            help_text="例如 咸国资发〔2026〕3号；办法本身只要求“及时”",
        )

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        warn = found.get("warn")
        for key in LIMITED:
            days = found.get(key)
            if warn is not None and days and days <= warn:
                self.add_error(key, f"期限须长于提前提醒的 {warn} 个工作日。")
        return found


@transaction.atomic
def write(authority: Area, facts: dict[str, Any], *, by: User) -> int:
    """Set the limits of AUTHORITY; returns how many rows changed. Each leaves its history."""
    old = {
        limit.step: limit
        for limit in StepLimit.objects.select_for_update().filter(authority=authority)
    }
    changed = 0
    for key in LIMITED:
        limit, days = old.get(key), facts.get(key)
        if not days:
            if limit:
                limit.delete()
                changed += 1
            continue
        wanted = (days, facts["warn"], facts["basis"])
        if limit and (limit.days, limit.warn, limit.basis) == wanted:
            continue
        limit = limit or StepLimit(authority=authority, step=key)
        limit.days, limit.warn, limit.basis = wanted
        limit.set_by, limit.set_at = by, timezone.now()
        limit.save()
        changed += 1
    return changed


def limits(request: HttpRequest) -> HttpResponse:
    """The limits of the first SASAC office of mine, and what else holds there."""
    user = user_of(request)
    authority = Area.objects.get(pk=min(access.scope(user).areas["sasac"]))
    own = list(StepLimit.objects.filter(authority=authority))
    initial: dict[str, Any] = {limit.step: limit.days for limit in own}
    if own:
        initial |= {"warn": own[0].warn, "basis": own[0].basis}
    form = LimitsForm(request.POST or None, initial=initial)
    status = 200
    if request.method == "POST":
        if form.is_valid():
            changed = write(authority, form.cleaned_data, by=user)
            messages.success(request, f"办理期限已保存，更改 {changed} 项。")
            return redirect("transfers:limits")
        status = 422
    clock = Clock()
    rows = [(STEPS[key], clock.limit(authority.pk, key)) for key in LIMITED]
    context = {"form": form, "rows": rows, "authority": authority}
    return render(request, "transfers/limits.html", context, status=status)
