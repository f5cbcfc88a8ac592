"""The ledger 管理台账: its list, one entry, changes of one and of many, views of one's own."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from communities import ledger, ledger_filters
from communities.ledger_filters import LedgerFilter
from communities.ledger_forms import ChangeForm, EntryForm, ViewForm
from communities.models import Area, LifeEvent, Reception, SavedView
from communities.rosters import LEDGER
from enterprises.models import Enterprise
from transfers.act_views import hidden_answers
from transfers.choices import Residence
from transfers.forms import SearchForm
from transfers.refusal import Refused
from transfers.views import shown_words
from xianning import access, audit, privacy, standards
from xianning.access import user_of
from xianning.pages import keyset

if TYPE_CHECKING:
    from django.http import HttpRequest

    from xianning.roster import Column

AT_ONCE = 200
VIEWS_EACH = 30
CHOICES_SHOWN = 100
COLUMNS = {column.heading: column for column in LEDGER.columns}
# What a community looks at most; a user chooses others.
USUAL = (
    "台账号", "姓名", "性别", "年龄", "原单位", "本人电话", "居住状态", "特殊人员类别", "信息核实日期", "状态",
)  # fmt: skip


# --- the list -----------------------------------------------------------------------------------


def ledger_list(request: HttpRequest) -> HttpResponse:
    """The entries that I keep. A name comes as a POST and goes on sealed: no address holds it."""
    if request.method == "POST":
        return _search(request)
    user = user_of(request)
    wanted, words = LedgerFilter(request.GET), _words(request)
    if not wanted.is_valid():
        raise Http404
    rows = LEDGER.rows(user).kept_by(user)  # type: ignore[attr-defined]
    try:
        rows = ledger_filters.apply(rows, user, wanted.cleaned_data)
    except standards.NotValid as reason:
        messages.error(request, str(reason))
        rows = rows.none()
    if words:
        rows = rows.found_by(words)
    oldest_first = wanted.cleaned_data["sort"] == "verified"
    if oldest_first:
        rows = rows.exclude(verified_on=None)
    page = keyset(request, rows, count=True, by_time="verified_on" if oldest_first else "")
    columns = _columns(request.GET)
    context = {
        "page": page, "columns": columns, "lines": [_line(row, columns) for row in page.rows],
        "headings": list(COLUMNS), "chosen": [column.heading for column in columns],
        "sorted": dict(ledger_filters.SORTS).get(wanted.cleaned_data["sort"], ""),
        "words": f"查找：{shown_words(words)}" if words else "", "query": wanted.query, "view_form": ViewForm(),
        "views": SavedView.objects.visible_to(user)[:VIEWS_EACH],
        "kept": [(k, v) for k in request.GET for v in request.GET.getlist(k)
                 if k in wanted.fields or k == "q"],
        "export_url": f"{reverse('roster', args=[LEDGER.name])}?{urlencode({'query': wanted.query})}",
        **_choices(request),
    }  # fmt: skip
    return render(request, "communities/ledger.html", context)


def _search(request: HttpRequest) -> HttpResponse:
    form = SearchForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(map(str, form.errors["q"])))
        return redirect("communities:ledger")
    words = form.cleaned_data["q"]
    query = f"?q={quote(privacy.seal(words, 'search'))}" if words else ""
    return redirect(reverse("communities:ledger") + query)


def _words(request: HttpRequest) -> str:
    try:
        return ledger_filters.words_of(request.GET.get("q", ""))
    except privacy.NotReadable:
        raise Http404 from None


def _columns(given: QueryDict) -> list[Column]:
    """The columns that are asked for, in the order of the roster; 404 for one that is none."""
    names = given.getlist("col") or USUAL
    if not {*names} <= COLUMNS.keys():
        raise Http404
    return [column for heading, column in COLUMNS.items() if heading in names]


def _line(entry: Reception, columns: list[Column]) -> tuple[Reception, list[tuple[str, str]]]:
    cells = [(column.heading, column.text(entry, clear=False)) for column in columns]
    return entry, cells


def _choices(request: HttpRequest) -> dict[str, Any]:
    """What the filters offer: my communities when they are several, and where the people worked."""
    user = user_of(request)
    mine = access.scope(user).areas
    held = mine.get("community", frozenset()) | mine.get("street", frozenset())
    places = Area.objects.filter(
        access.within("code", held), level=Area.Level.COMMUNITY, receives=True
    ).order_by("code")[:CHOICES_SHOWN]
    firms = Enterprise.objects.filter(
        pk__in=Reception.objects.kept_by(user).values("transfer__enterprise")
    ).order_by("name")[:CHOICES_SHOWN]
    communities = [(area.pk, area.name) for area in places]
    return {
        "communities": communities if len(communities) > 1 else [],
        "enterprises": [(str(firm.pk), firm.name) for firm in firms],
        "states": ledger_filters.STATES, "groups": ledger_filters.GROUPS,
        "livings": Residence.choices, "members": ledger_filters.MEMBERS,
        "ages": ledger_filters.AGES, "certifies": ledger_filters.CERTIFY,
    }  # fmt: skip


# --- views of one's own -------------------------------------------------------------------------


@require_POST
def ledger_view_save(request: HttpRequest) -> HttpResponse:
    """Keep the filters and columns of the page under a name; the same name is written anew."""
    user, form = user_of(request), ViewForm(request.POST)
    given = QueryDict(request.POST.get("address", "")[:2000])
    wanted = LedgerFilter(given)
    if not form.is_valid() or not wanted.is_valid():
        messages.error(request, "请填写视图名称（30 字以内）。")
        return redirect("communities:ledger")
    chosen = [column.heading for column in _columns(given)] if "col" in given else []
    name = form.cleaned_data["name"]
    known = SavedView.objects.visible_to(user)
    if known.count() >= VIEWS_EACH and not known.filter(name=name).exists():
        messages.error(request, f"最多保存 {VIEWS_EACH} 个视图，请先删去不用的。")
        return redirect("communities:ledger")
    view = known.filter(name=name).first() or SavedView(user=user, name=name)
    view.query, view.columns = wanted.query, chosen
    try:
        with transaction.atomic():
            known_before = not view._state.adding
            view.save()
            audit.write("changed" if known_before else "created", object=view)
    except IntegrityError:  # pressed twice at the same moment
        view = known.get(name=name)
    messages.success(request, f"视图“{name}”已保存。")
    return redirect(view)


@require_POST
def ledger_view_drop(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Forget one of my views."""
    view = get_object_or_404(SavedView.objects.visible_to(user_of(request)), pk=pk)
    with transaction.atomic():
        audit.write("deleted", object=view)
        view.delete()
    messages.success(request, f"视图“{view.name}”已删去。")
    return redirect("communities:ledger")


# --- one entry ----------------------------------------------------------------------------------


def _entry(request: HttpRequest, pk: UUID) -> Reception:
    user = user_of(request)
    rows = Reception.objects.kept_by(user).select_related(
        "transfer__retiree", "transfer__enterprise", "transfer__personnel_file", "community",
        "verified_by",
    ).prefetch_related("cards", "transfer__party_moves")  # fmt: skip
    return get_object_or_404(rows, pk=pk)


@require_GET
def ledger_entry(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What the ledger says of one person, who verified it when, and who changed what."""
    user, entry = user_of(request), _entry(request, pk)
    context = {
        "entry": entry, "case": entry.transfer,
        "rows": [
            {"label": column.heading, "value": column.text(entry, clear=False)}
            for column in LEDGER.columns
        ],
        "events": LifeEvent.objects.visible_to(user).filter(transfer=entry.transfer_id)[:20],
        "timeline": ledger.timeline(entry), "why_not": ledger.why_not_change(entry, user),
    }  # fmt: skip
    return render(request, "communities/ledger_entry.html", context)


def ledger_change(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Change one entry: fill in, look at before and after, then write."""
    user, entry = user_of(request), _entry(request, pk)
    if reason := ledger.why_not_change(entry, user):
        messages.error(request, reason)
        return redirect(entry)
    form = EntryForm(request.POST or None, entry=entry, by=user)
    context: dict[str, Any] = {"entry": entry, "case": entry.transfer, "form": form}
    if request.method != "POST":
        return render(request, "communities/ledger_change.html", context)
    if not form.is_valid():
        return render(request, "communities/ledger_change.html", context, status=422)
    if "confirmed" not in request.POST:
        return _before_and_after(request, [entry], form, "communities/ledger_change.html", context)
    try:
        changed = ledger.change(entry, form.wish(), by=user, since=_since(request))
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        _tell(request, entry, [each.label for each in changed])
    return redirect(entry)


def _tell(request: HttpRequest, entry: Reception, changed: list[str]) -> None:
    words = f"已更改：{'、'.join(changed)}。" if changed else "没有更改。"
    messages.success(request, f"{entry.transfer.retiree.name}：{words}")


def _before_and_after(
    request: HttpRequest, entries: list[Reception], form: ChangeForm, back: str, context: Any
) -> HttpResponse:
    """What would become of each; nothing is written before the second button."""
    if "change" in request.POST:
        return render(request, back, context)
    wish, user = form.wish(), user_of(request)
    lines = [
        (entry, wish.differences(entry, user), ledger.why_not_change(entry, user))
        for entry in entries
    ]
    more = {
        "lines": lines, "hidden": hidden_answers(form), "as_of": timezone.now().isoformat(),
        "outdates": any(each.printed for _entry, found, reason in lines for each in found if not reason),
    }  # fmt: skip
    return render(request, "communities/ledger_check.html", context | more)


def _since(request: HttpRequest) -> datetime:
    """When the page with before and after was made; what was written later was not on it."""
    try:
        moment = datetime.fromisoformat(request.POST.get("as_of", ""))
    except ValueError:
        raise PermissionDenied("请先核对更改前后的内容。") from None
    if timezone.is_naive(moment):
        raise PermissionDenied("请先核对更改前后的内容。")
    return moment


# --- many ---------------------------------------------------------------------------------------


@require_POST
def ledger_bulk(request: HttpRequest) -> HttpResponse:
    """One set of answers for the ticked entries: ask, show before and after, then each by itself."""
    user = user_of(request)
    entries = list(
        Reception.objects.kept_by(user).filter(pk__in=_ticked(request))
        .select_related("transfer__retiree", "community", "verified_by").order_by("-pk")
    )  # fmt: skip
    if not entries:
        messages.error(request, "没有选中台账中的人。")
        return redirect("communities:ledger")
    form = ChangeForm(request.POST if "answered" in request.POST else None)
    context: dict[str, Any] = {"form": form, "entries": entries}
    if not form.is_valid():
        status = 422 if form.is_bound else 200
        return render(request, "communities/ledger_bulk.html", context, status=status)
    if "confirmed" not in request.POST:
        return _before_and_after(request, entries, form, "communities/ledger_bulk.html", context)
    done, refused = ledger.change_many(entries, form.wish(), by=user, since=_since(request))
    messages.success(request, f"已更改 {done} 人。")
    for sentence in refused[:20]:
        messages.error(request, sentence)
    return redirect("communities:ledger")


def _ticked(request: HttpRequest) -> list[UUID]:
    try:
        return [UUID(text) for text in request.POST.getlist("entry")][:AT_ONCE]
    except ValueError:
        return []
