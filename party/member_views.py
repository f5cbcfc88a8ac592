"""Members of my branches (第六条第6项): who is to be taken in, who is silent, and organisation life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from party import life
from party.models import PartyMeeting, PartyMember, PartyMove, PartyOrganization
from transfers.forms import not_in_future
from transfers.refusal import Refused
from xianning.access import user_of
from xianning.fields import DayField, MonthField, StandardField
from xianning.pages import keyset

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from django.http import HttpRequest

    from xianning.models import User

SHOWS = [
    ("waiting", "待纳入支部"),
    ("silent", "六个月未参加组织生活"),
    ("probation", "预备党员"),
    ("arrears", "党费未交至上月"),
]


class TakeForm(forms.Form):
    """Into which branch, since when."""

    branch = forms.ModelChoiceField(
        PartyOrganization.objects.none(), label="纳入的党组织", empty_label="请选择"
    )
    since = DayField(label="纳入日期")

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        branch: Any = self.fields["branch"]
        branch.queryset = _branches(by)

    def clean_since(self) -> date | None:
        return not_in_future(self.cleaned_data["since"], "纳入日期")


class MemberForm(forms.Form):
    """What the branch keeps of a member."""

    branch = forms.ModelChoiceField(
        PartyOrganization.objects.none(), label="所在党组织", empty_label=None
    )
    posts = StandardField(label="党内职务", max_length=60, required=False)
    full_on = DayField(label="转正日期", required=False, help_text="预备党员转正后填写")
    dues_standard = forms.DecimalField(
        label="月党费标准（元）", min_value=0, max_digits=7, decimal_places=2, required=False,
        help_text="空着并填写下一项的，按基数计算",
    )  # fmt: skip
    base = forms.DecimalField(
        label="基本养老金（元/月，只用于计算，不保存）", min_value=0, max_digits=9,
        decimal_places=2, required=False, help_text="5000 元以内按 0.5%，超过 5000 元按 1%",
    )  # fmt: skip
    dues_until = MonthField(label="党费交至", required=False)
    difficulty = StandardField(
        label="困难情况", max_length=200, required=False, widget=forms.Textarea(attrs={"rows": 2}),
        help_text="经批准少交、免交党费的，写明批准情况",
    )  # fmt: skip
    left_on = DayField(label="转出日期", required=False)
    left_why = StandardField(label="转出原因", max_length=120, required=False)

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        branch: Any = self.fields["branch"]
        branch.queryset = _branches(by)

    def clean_full_on(self) -> date | None:
        return not_in_future(self.cleaned_data["full_on"], "转正日期")

    def clean_left_on(self) -> date | None:
        return not_in_future(self.cleaned_data["left_on"], "转出日期")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        base = data.pop("base", None)
        if base is not None and data.get("dues_standard") is None:
            data["dues_standard"] = life.dues(base)
        if bool(data.get("left_on")) != bool(data.get("left_why")):
            self.add_error("left_why", "转出日期和转出原因须同时填写。")
        return data


class MeetingForm(forms.Form):
    """One occasion, and who of the branch came."""

    kind = forms.ChoiceField(label="类别", choices=[("", "请选择"), *PartyMeeting.Kind.choices])
    held_on = DayField(label="日期")
    topic = StandardField(label="主题", max_length=120)
    came = forms.ModelMultipleChoiceField(
        PartyMember.objects.none(), label="参加人", required=False,
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip

    def __init__(self, *args: Any, branch: PartyOrganization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        came: Any = self.fields["came"]
        rows = branch.members.current().select_related("transfer__retiree")
        came.queryset = rows.order_by("id")


def _branches(user: User) -> Any:
    rows = PartyOrganization.objects.visible_to(user).standing()
    return rows.filter(area__isnull=False).order_by("area_id", "id")


@require_GET
def members(request: HttpRequest) -> HttpResponse:
    """The members of my branches; or who waits, is silent, on probation, in arrears."""
    user, show = user_of(request), request.GET.get("show", "")
    if show not in {"", *dict(SHOWS)}:
        raise Http404
    context: dict[str, Any] = {"show": show, "shows": SHOWS}
    if show == "waiting":
        waiting = PartyMove.objects.visible_to(user).to_take_in()
        rows: Any = waiting.select_related("transfer__retiree", "receiver")
        return render(
            request, "party/members.html", context | {"page": keyset(request, rows, count=True)}
        )
    today, rows = timezone.localdate(), PartyMember.objects.visible_to(user)
    rows = {
        "": rows.current, "silent": lambda: rows.silent(today), "probation": rows.probationary,
        "arrears": lambda: rows.in_arrears(today),
    }[show]()  # fmt: skip
    context["page"] = keyset(
        request, rows.select_related("transfer__retiree", "branch"), count=True
    )
    return render(request, "party/members.html", context)


def member_take(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Take the member of one accepted letter into a branch."""
    user = user_of(request)
    rows = PartyMove.objects.visible_to(user).select_related("transfer__retiree", "receiver")
    move = get_object_or_404(rows, pk=pk)
    if reason := life.why_not_take(move, user):
        messages.error(request, reason)
        return redirect("party:members")
    form = TakeForm(request.POST or None, by=user, initial={"since": timezone.localdate()})
    if request.method == "POST" and form.is_valid():
        try:
            member = life.take(move, form.cleaned_data["branch"], by=user,
                               since=form.cleaned_data["since"])  # fmt: skip
        except Refused as reason:
            form.add_error(None, str(reason))
        else:
            messages.success(request, f"{member}已纳入{member.branch}。")
            return redirect("party:members")
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "move": move, "case": move.transfer}
    return render(request, "party/member_take.html", context, status=status)


def member(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What the branch keeps of one member, and what he took part in."""
    user = user_of(request)
    rows = PartyMember.objects.visible_to(user).select_related("transfer__retiree", "branch")
    found = get_object_or_404(rows, pk=pk)
    names = [name for name in MemberForm.base_fields if name != "base"]
    initial = {name: getattr(found, name) for name in names}
    form = MemberForm(request.POST or None, by=user, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            life.change(found, form.cleaned_data, by=user)
        except Refused as reason:
            form.add_error(None, str(reason))
        else:
            messages.success(request, f"{found}的情况已保存。")
            return redirect(found)
    attended = PartyMeeting.objects.visible_to(user).filter(attendances__member=found)
    context = {
        "member": found, "form": form, "meetings": attended.order_by("-held_on", "-id")[:24],
    }  # fmt: skip
    status = 422 if request.method == "POST" else 200
    return render(request, "party/member.html", context, status=status)


@require_GET
def meetings(request: HttpRequest) -> HttpResponse:
    """Organisation life of my branches, the newest record first."""
    user = user_of(request)
    rows = PartyMeeting.objects.visible_to(user).select_related("branch")
    context = {"page": keyset(request, rows, count=True), "branches": _branches(user)[:100]}
    return render(request, "party/meetings.html", context)


def meeting_add(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Record an occasion of one branch of mine."""
    branch = get_object_or_404(_branches(user_of(request)), pk=pk)
    return _form(request, PartyMeeting(branch=branch, held_on=timezone.localdate()))


def meeting(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One occasion: what it was, who came; wrong records are changed here."""
    rows = PartyMeeting.objects.visible_to(user_of(request)).select_related("branch")
    return _form(request, get_object_or_404(rows, pk=pk))


def _form(request: HttpRequest, found: PartyMeeting) -> HttpResponse:
    names = ("kind", "held_on", "topic")
    initial = {name: getattr(found, name) for name in names}
    if not found._state.adding:
        initial["came"] = list(found.attendances.values_list("member_id", flat=True))
    form = MeetingForm(request.POST or None, branch=found.branch, initial=initial)
    if request.method == "POST" and form.is_valid():
        for name in names:
            setattr(found, name, form.cleaned_data[name])
        try:
            life.record(found, form.cleaned_data["came"], by=user_of(request))
        except Refused as reason:
            form.add_error(None, str(reason))
        else:
            messages.success(
                request, f"“{found}”已登记，参加 {len(form.cleaned_data['came'])} 人。"
            )
            return redirect("party:meetings")
    status = 422 if request.method == "POST" else 200
    return render(request, "party/meeting.html", {"form": form, "meeting": found}, status=status)
