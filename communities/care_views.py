"""走访慰问 (第八条): who is due, one person's groups and visits, the plan of a street."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from communities import care
from communities.care_forms import CloseForm, GroupForm, PlanForm, VisitForm
from communities.models import Area, CareGroup, CarePlan, Reception, Visit
from transfers.refusal import Refused
from xianning import access
from xianning.access import user_of
from xianning.context import capped
from xianning.pages import keyset

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from django.http import HttpRequest

    from xianning.models import User

ENTRIES = [("due", "30 天内应走访"), ("missed", "已过期未走访"), ("old", "90 天内满 80 周岁")]
PROMISES = ("promises", "答应未办的事")


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Who is to be visited, whose promise is open, who becomes 80; how my communities stand."""
    user, today = user_of(request), timezone.localdate()
    show = request.GET.get("show", "") or "due"
    known = dict([*ENTRIES, PROMISES])
    if show not in known:
        raise Http404
    lists = {**_entries(user), "promises": Visit.objects.visible_to(user).open()}
    rows = lists[show].select_related(*_WITH[show])
    by = {"old": "", "promises": "promise_due_on"}.get(show, "visit_due_on")
    street = bool(access.scope(user).areas.get("street"))
    context = {
        "show": show, "title": known[show], "today": today,
        "page": keyset(request, rows, by_time=by),
        "counts": [(word, capped(lists[key]), f"?show={key}") for key, word in known.items()],
        "communities": care.by_community(user, today) if street else [],
        "workers": [] if street else care.by_worker(user, today),
        "sets_plan": street, "has_plan": CarePlan.objects.exists(),
    }  # fmt: skip
    return render(request, "communities/care.html", context)


_PERSON = ("transfer__retiree", "community")
_WITH: dict[str, tuple[str, ...]] = {
    "due": _PERSON, "missed": _PERSON, "old": _PERSON,
    "promises": ("reception__transfer__retiree", "reception__community"),
}  # fmt: skip


def _entries(user: User) -> dict[str, QuerySet[Any]]:
    today = timezone.localdate()
    mine = Reception.objects.kept_by(user)
    return {
        "due": mine.to_visit(today + care.SOON).filter(visit_due_on__gte=today),
        "missed": mine.to_visit(today - timedelta(days=1)),
        "old": care.become_old(user, today),
    }


def _entry(request: HttpRequest, pk: UUID) -> Reception:
    rows = Reception.objects.kept_by(user_of(request)).select_related(*_PERSON)
    return get_object_or_404(rows, pk=pk)


@require_GET
def person(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One person: groups with their reasons, visits, promises, when the next visit is due."""
    return _page(request, _entry(request, pk))


def _page(request: HttpRequest, entry: Reception, status: int = 200, **typed: Any) -> HttpResponse:
    user, today = user_of(request), timezone.localdate()
    why_not = care.why_not(entry, user)
    groups = list(entry.care_groups.select_related("begun_by", "ended_by"))
    old = care.birthday(entry.transfer.retiree.birth_date, care.OLD)
    context = {
        "entry": entry, "case": entry.transfer, "why_not": why_not, "today": today,
        "groups": [(group, None if group.until or why_not else _form_of(group)) for group in groups],
        "old_since": old if old <= today else None,
        "visits": [(visit, None if care.why_not_close(visit, user) else CloseForm(prefix=str(visit.pk)))
                   for visit in entry.visits.select_related("by", "promise_done_by")[:50]],
        "form": VisitForm(initial={"on": today, "visitors": user.full_name}),
    } | typed  # fmt: skip
    return render(request, "communities/care_person.html", context, status=status)


def _form_of(group: CareGroup, data: Any = None) -> GroupForm:
    initial = {"since": group.since, "reason": group.reason, "evidence": group.evidence}
    return GroupForm(data, prefix=str(group.pk), initial=initial)


@require_POST
def visit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Record a visit to one person."""
    entry, form = _entry(request, pk), VisitForm(request.POST)
    if not form.is_valid():
        return _page(request, entry, 422, form=form)
    try:
        care.visit(entry, by=user_of(request), **form.cleaned_data)
    except Refused as reason:
        form.add_error(None, str(reason))
        return _page(request, entry, 422, form=form)
    entry.refresh_from_db()
    after = f"，下次走访期限 {entry.visit_due_on:%Y-%m-%d}" if entry.visit_due_on else ""
    messages.success(request, f"已登记对{entry.transfer.retiree.name}的走访{after}。")
    return redirect("communities:care_person", entry.pk)


@require_POST
def explain(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Reason, first day and evidence of one group of a person."""
    mine = Reception.objects.kept_by(user_of(request))
    group = get_object_or_404(
        CareGroup.objects.filter(reception__in=mine).select_related("reception"), pk=pk
    )
    form = _form_of(group, request.POST)
    if form.is_valid():
        try:
            care.explain(group, by=user_of(request), **form.cleaned_data)
        except Refused as reason:
            messages.error(request, str(reason))
        else:
            messages.success(request, f"已保存“{group}”的认定情况。")
        return redirect("communities:care_person", group.reception_id)
    entry = _entry(request, group.reception_id)
    messages.error(
        request, "；".join(f"{form[name].label}：{why[0]}" for name, why in form.errors.items())
    )
    return _page(request, entry, 422)


@require_POST
def close(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A promise is kept."""
    found = get_object_or_404(
        Visit.objects.visible_to(user_of(request)).select_related("reception__community"), pk=pk
    )
    form = CloseForm(request.POST, prefix=str(found.pk))
    if not form.is_valid():
        messages.error(request, "请写明办理结果。")
        return _page(request, _entry(request, found.reception_id), 422)
    try:
        care.close(found, by=user_of(request), outcome=form.cleaned_data["outcome"])
    except Refused as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, "已办结。")
    return redirect("communities:care_person", found.reception_id)


@require_GET
def plan(request: HttpRequest) -> HttpResponse:
    """How often and before which holidays: the street sets it, its communities read it."""
    return _plan(request)


@require_POST
def plan_set(request: HttpRequest) -> HttpResponse:
    """Set the plan of my street."""
    user = user_of(request)
    street = _street(access.scope(user).areas)
    form = PlanForm(request.POST, plans=_plans(street))
    if not form.is_valid():
        return _plan(request, 422, form=form)
    moved = care.set_plans(street, form.wanted(), by=user, basis=form.cleaned_data["basis"])
    messages.success(request, f"走访计划已保存，{moved} 人的走访期限随之改变。")
    return redirect("communities:care_plan")


def _plan(request: HttpRequest, status: int = 200, **typed: Any) -> HttpResponse:
    held = access.scope(user_of(request)).areas
    street = _street(held)
    plans = _plans(street)
    basis = next((each.basis for each in plans.values()), "")
    sets = street.pk in held.get("street", frozenset())
    context = {
        "street": street,
        "form": PlanForm(plans=plans, initial={"basis": basis}) if sets else None,
        "plans": sorted(plans.values(), key=lambda each: (-each.times, each.group)),
    } | typed  # fmt: skip
    return render(request, "communities/care_plan.html", context, status=status)


def _plans(street: Area) -> dict[str, CarePlan]:
    rows = CarePlan.objects.filter(street=street).select_related("set_by")
    return {each.group: each for each in rows}


def _street(held: dict[str, frozenset[str]]) -> Area:
    """The first street of mine, or that of my first community."""
    codes = held.get("street") or {f"{code[:9]}000" for code in held.get("community", frozenset())}
    return Area.objects.get(pk=min(codes))
