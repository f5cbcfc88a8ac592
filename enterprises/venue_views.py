"""活动场所设施 (第九条): the register with its totals, one venue, what each side does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from communities.models import Area
from enterprises import venues
from enterprises.models import Enterprise, Refused, Venue
from xianning import access
from xianning.access import user_of
from xianning.fields import AreaField, StandardField
from xianning.pages import keyset

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest

    from xianning.models import User


class VenueForm(forms.Form):
    """What the enterprise says of one venue."""

    enterprise = forms.ModelChoiceField(Enterprise.objects.none(), label="企业", empty_label=None)
    name = StandardField(label="名称", max_length=60)
    kind = forms.ChoiceField(label="类别", choices=[("", "请选择"), *Venue.Kind.choices])
    address = StandardField(label="坐落地址", max_length=120)
    area = forms.DecimalField(
        label="面积（平方米）", min_value=0, max_digits=9, decimal_places=2, required=False
    )
    value = forms.DecimalField(
        label="账面价值（元）", min_value=0, max_digits=13, decimal_places=2, required=False
    )
    community = AreaField(
        label="接收社区（村）", level=Area.Level.COMMUNITY, receiving=True, suggest=True
    )
    way = forms.ChoiceField(
        label="移交方式", choices=Venue.Way.choices, widget=forms.RadioSelect,
        initial=Venue.Way.FREE,
    )  # fmt: skip
    exchanged_for = StandardField(
        label="调换何物", max_length=120, required=False, help_text="移交方式为调换时填写"
    )
    papers = StandardField(
        label="权属证明、批准文号", max_length=160, required=False,
        help_text="例如 不动产权证号、集团批复文号",
    )  # fmt: skip

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = Enterprise.objects.confirmed().filter(pk__in=access.scope(by).enterprises)
        choice: Any = self.fields["enterprise"]
        choice.queryset = mine.order_by("name")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("area") == 0:
            self.add_error("area", "面积须大于 0；没有面积的空着。")
        if data.get("way") == Venue.Way.EXCHANGE and not data.get("exchanged_for"):
            self.add_error("exchanged_for", "调换的，请写明调换何物（第九条）。")
        if data.get("way") == Venue.Way.FREE and data.get("exchanged_for"):
            self.add_error("way", "写了调换何物，移交方式请选调换。")
        return data


class NoteForm(forms.Form):
    """A sentence with an answer."""

    note = StandardField(
        label="说明", max_length=200, required=False, help_text="退回、撤回须写明原因"
    )


@require_GET
def register(request: HttpRequest) -> HttpResponse:
    """The venues that I may see, with what they add up to where I serve."""
    user = user_of(request)
    rows = Venue.objects.visible_to(user)
    state, code = request.GET.get("state", ""), request.GET.get("in", "")
    if state not in {"", *State.values}:
        raise Http404
    if code:
        rows = rows.filter(access.within("community_id", [get_object_or_404(Area, pk=code).pk]))
    totals = venues.totals(rows, _digits(user, code))
    if state:
        rows = rows.filter(state=state)
    counties = Area.objects.filter(level=Area.Level.COUNTY).order_by("code")
    context = {
        "page": keyset(request, rows.select_related("enterprise", "community"), count=True),
        "totals": totals, "states": State.choices, "counties": [(a.pk, a.name) for a in counties],
        "files": bool(access.scope(user).enterprises),
    }  # fmt: skip
    return render(request, "enterprises/venues.html", context)


State = Venue.State


def _digits(user: User, code: str) -> int:
    """Of the divisions that totals are for: counties for a city, streets for a county, else communities."""
    wide = {"sasac", "hr", "auditor"} & access.scope(user).roles
    if code and len(access.prefix(code)) >= 6:
        return 9 if len(access.prefix(code)) == 6 else 12
    return 6 if wide else 12


def _fetch(request: HttpRequest, pk: UUID) -> Venue:
    rows = Venue.objects.visible_to(user_of(request)).select_related(
        "enterprise", "community", "filed_by", "answered_by"
    )
    return get_object_or_404(rows, pk=pk)


@require_GET
def venue(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One venue: its facts, where it stands, what can be done."""
    return _page(request, _fetch(request, pk))


def _page(request: HttpRequest, found: Venue, status: int = 200, **typed: Any) -> HttpResponse:
    user = user_of(request)
    context = {
        "venue": found, "form": NoteForm(),
        "may_change": venues.why_not_change(found, user) is None,
        "may_answer": venues.why_not_answer(found, user) is None,
        "saves": found.history.select_related("history_user").order_by("-history_date")[:20],
    } | typed  # fmt: skip
    return render(request, "enterprises/venue.html", context, status=status)


def add(request: HttpRequest) -> HttpResponse:
    """File a venue of an enterprise of mine."""
    return _form(request, None)


def edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Change what I filed, also after it was returned."""
    found = _fetch(request, pk)
    if reason := venues.why_not_change(found, user_of(request)):
        messages.error(request, reason)
        return redirect(found)
    return _form(request, found)


_FACTS = ("name", "kind", "address", "area", "value", "community", "way", "exchanged_for", "papers")


def _form(request: HttpRequest, found: Venue | None) -> HttpResponse:
    user = user_of(request)
    initial = {"enterprise": found.enterprise_id if found else None} | (
        {name: getattr(found, name) for name in _FACTS} if found else {}
    )
    if found:
        initial["community"] = found.community.full_name
    form = VenueForm(request.POST or None, by=user, initial=initial)
    if found:
        del form.fields["enterprise"]
    if request.method == "POST" and form.is_valid():
        facts = dict(form.cleaned_data)
        entry = facts.pop("enterprise", None)
        try:
            if found:
                venues.change(found, facts, by=user)
            else:
                found = venues.file(entry, facts, by=user)
        except Refused as reason:
            form.add_error(None, str(reason))
        else:
            messages.success(request, f"已保存，等{found.community.full_name}接收。")
            return redirect(found)
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "venue": found}
    return render(request, "enterprises/venue_form.html", context, status=status)


@require_POST
def withdraw(request: HttpRequest, pk: UUID) -> HttpResponse:
    """It is not handed over after all."""
    return _act(request, _fetch(request, pk), "withdraw")


@require_POST
def answer(request: HttpRequest, pk: UUID) -> HttpResponse:
    """My community has it, or returns it."""
    found = _fetch(request, pk)
    return _act(request, found, "receive" if "receive" in request.POST else "return")


def _act(request: HttpRequest, found: Venue, deed: str) -> HttpResponse:
    user, form = user_of(request), NoteForm(request.POST)
    if not form.is_valid():
        return _page(request, found, 422, form=form)
    note = form.cleaned_data["note"]
    try:
        if deed == "withdraw":
            if not note:
                raise Refused("撤回须写明原因。")
            venues.withdraw(found, by=user, reason=note)
        else:
            venues.answer(found, by=user, received=deed == "receive", note=note)
    except Refused as reason:
        form.add_error("note", str(reason))
        return _page(request, _fetch(request, found.pk), 422, form=form)
    messages.success(request, f"“{found}”{_fetch(request, found.pk).get_state_display()}。")
    return redirect(found)
