"""《交接整体协议》 (第四条, 第五条): the register, one agreement, what each party does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from communities.models import Area
from enterprises import agreements
from enterprises.models import Agreement, Enterprise, Refused
from enterprises.models.agreements import MOST_DAYS
from transfers import workflow
from transfers.forms import not_in_future
from xianning import access
from xianning.access import user_of
from xianning.fields import AreaField, DayField, StandardField
from xianning.pages import keyset

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from django.http import HttpRequest

    from xianning.models import User

State = Agreement.State
STEPS = [(key, step.title) for key, step in workflow.STEPS.items() if key != workflow.ENTERPRISE]


class AgreementForm(forms.Form):
    """What the transferor applies for; the same for a supplement."""

    enterprise = forms.ModelChoiceField(Enterprise.objects.none(), label="企业", empty_label=None)
    county = forms.ModelChoiceField(
        Area.objects.none(), label="接收县（市、区）", empty_label="请选择"
    )
    main = forms.ModelChoiceField(
        Agreement.objects.none(), label="补充的原协议", required=False, empty_label="（不是补充协议）",
        help_text="改变已签协议的人数或约定的，申请补充协议",
    )  # fmt: skip
    base_on = DayField(label="移交基准日")
    people = forms.IntegerField(label="移交人数", min_value=0, max_value=999999)
    members = forms.IntegerField(label="其中党员", min_value=0, max_value=999999)
    volumes = forms.IntegerField(label="人事档案（卷）", min_value=0, max_value=999999)
    special = StandardField(
        label="特殊事项", max_length=400, required=False,
        widget=forms.Textarea(attrs={"rows": 3}), help_text="以文字约定的其他事项（第五条）",
    )  # fmt: skip
    receiver = AreaField(
        label="约定的接收社区", level=Area.Level.COMMUNITY, receiving=True, suggest=True,
        required=False, help_text="未填接收社区的申报，接收社区一律为此社区",
    )  # fmt: skip
    archive_area = forms.ModelChoiceField(
        Area.objects.none(), label="约定的档案接收地", required=False,
        empty_label="（接收社区所在县市区）",
    )  # fmt: skip
    limit_step = forms.ChoiceField(
        label="约定期限的步骤", choices=[("", "（按本地规定）"), *STEPS], required=False
    )
    limit_days = forms.IntegerField(
        label="约定期限（工作日）", min_value=1, max_value=MOST_DAYS, required=False
    )
    clauses_until = DayField(
        label="特殊约定有效至",
        required=False,
        help_text="过此日恢复按办法和本地规定办理；不填为长期",
    )

    def __init__(
        self, *args: Any, by: User, entry: Enterprise | None = None, **kwargs: Any
    ) -> None:
        """ENTRY is the enterprise of an application that is changed: it stays."""
        super().__init__(*args, **kwargs)
        self.entry = entry
        mine = access.scope(by).enterprises
        enterprise: Any = self.fields["enterprise"]
        enterprise.queryset = Enterprise.objects.filter(pk__in=mine, removed_on=None).order_by(
            "name"
        )
        areas = Area.objects.filter(level__in=(Area.Level.COUNTY, Area.Level.CITY)).order_by("code")
        county: Any = self.fields["county"]
        county.queryset = areas.filter(level=Area.Level.COUNTY)
        archive: Any = self.fields["archive_area"]
        archive.queryset = areas
        if entry:
            del self.fields["enterprise"]
        main: Any = self.fields["main"]
        main.queryset = Agreement.objects.filter(
            enterprise__in=mine, state=State.SIGNED, main=None
        ).order_by("-id")

    @property
    def fieldsets(self) -> list[tuple[str, list[Any]]]:
        groups = (
            ("双方和基准日", ("enterprise", "county", "main", "base_on")),
            ("移交数量", ("people", "members", "volumes")),
            ("特殊事项（第五条，没有的不填）", ("special", "receiver", "archive_area", "limit_step",
                                    "limit_days", "clauses_until")),
        )  # fmt: skip
        return [
            (legend, [self[name] for name in names if name in self.fields])
            for legend, names in groups
        ]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        people = data.get("people")
        if people is not None and (data.get("members") or 0) > people:
            self.add_error("members", "党员人数不能多于移交人数。")
        if bool(data.get("limit_step")) != bool(data.get("limit_days")):
            name = "limit_days" if data.get("limit_step") else "limit_step"
            self.add_error(name, "步骤和工作日数须同时填写。")
        main, county, entry = (
            data.get("main"),
            data.get("county"),
            data.get("enterprise", self.entry),
        )
        reason = agreements.why_not_supplement(main, entry, county) if entry and county else None
        if reason:
            self.add_error("main", reason)
        until, base = data.get("clauses_until"), data.get("base_on")
        if until and base and until < base:
            self.add_error("clauses_until", "有效至的日期不能早于移交基准日。")
        return data

    def facts(self) -> dict[str, Any]:
        """What is kept of it, without the enterprise."""
        facts = {name: value for name, value in self.cleaned_data.items() if name != "enterprise"}
        return facts | {"party_b": f"{facts['county'].name}人民政府"}


class AnswerForm(forms.Form):
    """The number of the approval, or why the application goes back."""

    approval = StandardField(label="批复文号", max_length=60, required=False)
    note = StandardField(label="退回原因", max_length=200, required=False)


class SignForm(forms.Form):
    """That both have signed."""

    number = StandardField(label="协议号", max_length=60)
    signed_on = DayField(label="签订日期")

    def clean_signed_on(self) -> date | None:
        return not_in_future(self.cleaned_data["signed_on"], "签订日期")


class WithdrawForm(forms.Form):
    """Why it is not signed after all."""

    note = StandardField(label="撤回原因", max_length=200)


@require_GET
def register(request: HttpRequest) -> HttpResponse:
    """The agreements that I may see, the newest first."""
    user = user_of(request)
    rows = Agreement.objects.visible_to(user)
    state, code = request.GET.get("state", ""), request.GET.get("in", "")
    if state not in {"", *State.values}:
        raise Http404
    if code:
        rows = rows.filter(access.within("county_id", [get_object_or_404(Area, pk=code).pk]))
    if state:
        rows = rows.filter(state=state)
    counties = Area.objects.filter(level=Area.Level.COUNTY).order_by("code")
    context = {
        "page": keyset(request, rows.select_related("enterprise", "county"), count=True),
        "states": State.choices, "counties": [(a.pk, a.name) for a in counties],
        "files": bool(access.scope(user).enterprises),
    }  # fmt: skip
    return render(request, "enterprises/agreements.html", context)


def _fetch(request: HttpRequest, pk: UUID) -> Agreement:
    rows = Agreement.objects.visible_to(user_of(request)).select_related(
        "enterprise", "county", "main", "receiver", "archive_area", "applied_by", "answered_by"
    )
    return get_object_or_404(rows, pk=pk)


@require_GET
def agreement(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One agreement: parties, numbers, special matters, how it came about."""
    return _page(request, _fetch(request, pk))


def _page(request: HttpRequest, found: Agreement, status: int = 200, **typed: Any) -> HttpResponse:
    user = user_of(request)
    context: dict[str, Any] = {
        "agreement": found, "step": dict(STEPS).get(found.limit_step, ""),
        "holds": found.holds_on(timezone.localdate()),
        "supplements": found.supplements.order_by("id"),
        "may_change": agreements.why_not_change(found, user) is None,
        "saves": found.history.select_related("history_user").order_by("-history_date")[:20],
    }  # fmt: skip
    if agreements.why_not_answer(found, user) is None:
        context["answer_form"] = AnswerForm()
    if agreements.why_not_sign(found, user) is None:
        context["sign_form"] = SignForm()
    if agreements.why_not_withdraw(found, user) is None:
        context["withdraw_form"] = WithdrawForm()
    return render(request, "enterprises/agreement.html", context | typed, status=status)


def agreement_apply(request: HttpRequest) -> HttpResponse:
    """Apply for an agreement of an enterprise of mine."""
    return _form(request, None)


def agreement_edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Change what I applied for, also after it was returned."""
    found = _fetch(request, pk)
    if reason := agreements.why_not_change(found, user_of(request)):
        messages.error(request, reason)
        return redirect(found)
    return _form(request, found)


def _form(request: HttpRequest, found: Agreement | None) -> HttpResponse:
    user = user_of(request)
    initial = {name: getattr(found, name) for name in AgreementForm.base_fields} if found else {}
    form = AgreementForm(
        request.POST or None, by=user, entry=found.enterprise if found else None, initial=initial
    )
    if request.method == "POST" and form.is_valid():
        try:
            if found:
                agreements.change(found, form.facts(), by=user)
            else:
                entry = form.cleaned_data["enterprise"]
                found = agreements.apply(entry, form.facts(), by=user)
        except Refused as reason:
            form.add_error(None, str(reason))
        else:
            messages.success(request, f"已申请，等{found.county.name}国资部门批复。")
            return redirect(found)
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "agreement": found}
    return render(request, "enterprises/agreement_form.html", context, status=status)


@require_POST
def agreement_withdraw(request: HttpRequest, pk: UUID) -> HttpResponse:
    """It is not signed after all."""
    form = WithdrawForm(request.POST)
    return _act(request, _fetch(request, pk), form, "withdraw_form", agreements.withdraw)


@require_POST
def agreement_answer(request: HttpRequest, pk: UUID) -> HttpResponse:
    """My county approves it, or returns it."""
    found, form = _of_my_county(request, pk), AnswerForm(request.POST)
    return _act(request, found, form, "answer_form", agreements.answer)


@require_POST
def agreement_sign(request: HttpRequest, pk: UUID) -> HttpResponse:
    """It was signed."""
    found, form = _of_my_county(request, pk), SignForm(request.POST)
    return _act(request, found, form, "sign_form", agreements.sign)


def _of_my_county(request: HttpRequest, pk: UUID) -> Agreement:
    found = _fetch(request, pk)
    if not agreements.is_county(found, user_of(request)):
        raise PermissionDenied(f"由{found.county.name}国资部门办理（第四条）。")
    return found


def _act(
    request: HttpRequest, found: Agreement, form: forms.Form, name: str, deed: Any
) -> HttpResponse:
    typed = {name: form, "form": form}
    if not form.is_valid():
        return _page(request, found, 422, **typed)
    try:
        deed(found, by=user_of(request), **form.cleaned_data)
    except Refused as reason:
        form.add_error(None, str(reason))
        return _page(request, _fetch(request, found.pk), 422, **typed)
    now = _fetch(request, found.pk)
    messages.success(request, f"{now}：{now.get_state_display()}。")
    return redirect(now)
