"""Cases: the list, one case, its facts, its papers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from enterprises.models import Enterprise
from transfers import casefile, waterfall_views, workflow
from transfers.forms import OpenForm, RevealForm, SearchForm
from transfers.models import Retiree, Scan, Transfer, TransferStep
from transfers.papers import PAPERS, piled
from transfers.retiree_form import RetireeForm
from transfers.stages import STAGES
from transfers.workflow import STEPS
from xianning import access, accounts, audit, privacy, standards, vault, watch
from xianning.access import user_of
from xianning.downloads import download
from xianning.models import AccessLog
from xianning.pages import keyset
from xianning.sandbox import Rejected, SandboxError

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

log = logging.getLogger("xianning.transfers")

_WITH = (
    "retiree",
    "enterprise",
    "community",
    "archive_area",
    "party_area",
    "authority",
    "filed_by",
)


def _case(request: HttpRequest, pk: UUID) -> Transfer:
    """The case, or 404 outside my scope."""
    return get_object_or_404(
        Transfer.objects.visible_to(user_of(request)).select_related(*_WITH), pk=pk
    )


# --- the list -----------------------------------------------------------------------------------


@require_GET
def case_list(request: HttpRequest) -> HttpResponse:
    """Cases I may see, the newest first; or what waits for me at one step, the oldest first."""
    waiting = request.GET.get("waiting", "")
    if waiting and waiting not in STEPS:
        raise Http404
    words = _search_words(request)
    if waiting:
        rows: QuerySet[Any] = workflow.waiting(user_of(request), waiting)
        if _is_narrowed(request, words):
            rows = rows.filter(transfer__in=_narrow(request, Transfer.objects.all(), words))
        rows = _light(rows, "transfer__")
        page = keyset(request, rows, by_time="opened_at", key="transfer_id", count=True)
        cases = [row.transfer for row in page.rows]
    else:
        rows = _narrow(request, Transfer.objects.visible_to(user_of(request)), words)
        page = keyset(request, _light(rows), count=True)
        cases = page.rows
    return render(
        request,
        "transfers/list.html",
        {
            "page": page,
            "lines": casefile.lines(cases, page.rows if waiting else []),
            "waiting": STEPS.get(waiting),
            "can_tick": bool(waiting)
            and (STEPS[waiting].bulk or bool(piled(waiting)) or waiting == workflow.DELIVER),
            "piled": piled(waiting) if access.scope(user_of(request)).enterprises else [],
            "heading": f"待办：{STEPS[waiting].title}" if waiting else "案卷",
            "article": STEPS[waiting].article if waiting else "第六条",
            "shown_words": f"查找：{shown_words(words)}" if words else "",
            "may_add": bool(access.scope(user_of(request)).enterprises),
            "states": Transfer.State.choices,
            "steps": [s for s in STEPS.values() if s.key != workflow.ENTERPRISE],
            "enterprise": _chosen_enterprise(request),
            "missing": _missing(request),
        },
    )


# What a line of the list shows; the fifty private columns of a person stay where they are.
_SHOWN = (
    "number", "state", "authority", "retiree__name", "retiree__birth_date", "enterprise__name",
    "enterprise__status", "enterprise__department", "community__full_name",
)  # fmt: skip


def _light(rows: QuerySet[Any], through: str = "") -> QuerySet[Any]:
    """ROWS with what their lines show and nothing else; THROUGH leads to the case."""
    own = ("opened_at", "step", "state", "used", "returned", "transfer_id") if through else ()
    joined = [f"{through}{name}" for name in ("retiree", "enterprise", "community")]
    shown = [f"{through}{name}" for name in _SHOWN]
    return rows.select_related(*joined).only(*own, *shown).prefetch_related(f"{through}steps")


def _search_words(request: HttpRequest) -> str:
    """What was searched, carried sealed in the URL: names and numbers never stand in an address."""
    token = request.GET.get("q", "")
    if not token:
        return ""
    try:
        return privacy.unseal(token, "search")
    except privacy.NotReadable:
        raise Http404 from None


def shown_words(words: str) -> str:
    """What was searched, as the page repeats it: a number stays masked."""
    return privacy.mask(words, "id") if standards.is_whole_number(words) else words


def _is_narrowed(request: HttpRequest, words: str) -> bool:
    return bool(
        words or any(request.GET.get(k) for k in ("state", "enterprise", "at", "in", "missing"))
    )


def _missing(request: HttpRequest) -> str:
    """At which stage of the reconciliation the people of the list are missing, in words."""
    stage = STAGES.get(request.GET.get("missing", ""))
    day = request.GET.get("on", "")
    return f"{stage.missing}{f'（截至 {day}）' if day else ''}" if stage else ""


def _chosen_enterprise(request: HttpRequest) -> Enterprise | None:
    text = request.GET.get("enterprise")
    if not text:
        return None
    try:
        chosen = Enterprise.objects.filter(pk=UUID(text)).first()
    except ValueError:
        raise Http404 from None
    cases = Transfer.objects.visible_to(user_of(request)).filter(enterprise=chosen)
    return chosen if chosen and cases.exists() else None


def _narrow(request: HttpRequest, rows: QuerySet[Any], words: str) -> Any:
    state, at = request.GET.get("state", ""), request.GET.get("at", "")
    if state:
        if state not in Transfer.State.values:
            raise Http404
        rows = rows.filter(state=state)
    if at:
        if at not in STEPS:
            raise Http404
        open_here = TransferStep.objects.filter(
            transfer=OuterRef("pk"), step=at, state=TransferStep.State.OPEN
        )
        rows = rows.filter(Exists(open_here))
    if request.GET.get("enterprise"):
        rows = rows.filter(enterprise=_chosen_enterprise(request))
    rows = waterfall_views.narrowed(request, rows)
    if words:
        known = standards.is_whole_number(words)
        rows = rows.with_id_number(words) if known else rows.named(words)  # type: ignore[attr-defined]
    return rows


@require_POST
def search(request: HttpRequest) -> HttpResponse:
    """Take the words out of the form and into a sealed token."""
    form = SearchForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(map(str, form.errors["q"])))
        return redirect("transfers:list")
    words = form.cleaned_data["q"]
    query = f"?q={quote(privacy.seal(words, 'search'))}" if words else ""
    return redirect(reverse("transfers:list") + query)


# --- one case -----------------------------------------------------------------------------------


@require_GET
def detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The six steps, the facts (masked), the papers, and what happened."""
    return _detail(request, _case(request, pk))


def _detail(
    request: HttpRequest, case: Transfer, *, shown: str = "", form: Any = None, status: int = 200
) -> HttpResponse:
    user = user_of(request)
    rows = workflow.rows_of(case)
    may_reveal = "reveal_private" in access.scope(user).rights
    groups = Retiree.Privacy.groups
    return render(
        request,
        "transfers/detail.html",
        {
            "case": case,
            "steps": casefile.steps(case, rows, user),
            "facts": casefile.facts(case, shown),
            "lead": f"{case.number}　{case.enterprise.transferor}　{case.get_state_display()}",
            "paper_lines": casefile.papers(case, user),
            "scans": case.scans.select_related("uploaded_by"),
            "timeline": casefile.timeline(case),
            "reveal_groups": may_reveal,
            "reveal_form": form or RevealForm(groups=[(k, v[0]) for k, v in groups.items()]),
            "may_amend": workflow.why_not_amend(case, user) is None,
            "may_end": workflow.why_not_end(case, rows, user) is None,
            "valid_form": case.valid_form,
            "may_rights": may_reveal,
            "consents": case.consents.all(),
        },
        status=status,
    )


@require_POST
def reveal(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show one group of one person's private values, after the reason is on record."""
    case = _case(request, pk)
    groups = Retiree.Privacy.groups
    form = RevealForm(request.POST, groups=[(key, words) for key, (words, _) in groups.items()])
    if not form.is_valid():
        return _detail(request, case, form=form, status=422)
    group, user = form.cleaned_data["group"], user_of(request)
    with transaction.atomic():
        if stop := _stop_at_quota(request, case):
            return stop
        AccessLog.write(
            user, AccessLog.Kind.REVEAL, groups[group][0], transfer=case,
            reason=form.cleaned_data["reason"], address=access.client_address(request),
        )  # fmt: skip
    return _detail(request, case, shown=group)


def _stop_at_quota(request: HttpRequest, case: Transfer) -> HttpResponse | None:
    """Beyond the quota of people an hour: the page that asks who he is, unless just answered."""
    if not watch.over_quota(user_of(request), case):
        return None
    if stop := accounts.require_fresh(request):
        return stop
    audit.write("quota_passed", object=case, area=case.authority_id)
    return None


# --- facts --------------------------------------------------------------------------------------


def add(request: HttpRequest) -> HttpResponse:
    """File one person by hand."""
    mine = Enterprise.objects.filter(pk__in=access.scope(user_of(request)).enterprises)
    enterprise = _own_enterprise(request, mine)
    if enterprise is None:
        return render(request, "transfers/choose_enterprise.html", {"enterprises": mine})
    if reason := enterprise.why_not_open():
        messages.error(request, reason)
        return redirect("transfers:list")
    form = RetireeForm(request.POST or None, enterprise=enterprise)
    if request.method == "POST" and form.is_valid() and not _has_case(form):
        try:
            case = workflow.file(form, by=user_of(request))
        except workflow.Refused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, f"{case.retiree.name}已登记，案卷编号 {case.number}。")
            return redirect(case)
    return _edit_page(request, form, enterprise=enterprise)


def _own_enterprise(request: HttpRequest, mine: QuerySet[Enterprise]) -> Enterprise | None:
    """The enterprise named in the address (404 when not mine), or my only one."""
    if chosen := request.GET.get("enterprise"):
        try:
            return get_object_or_404(mine, pk=UUID(chosen))
        except ValueError:
            raise Http404 from None
    few = list(mine[:2])
    return few[0] if len(few) == 1 else None


def _has_case(form: RetireeForm) -> bool:
    known = Transfer.objects.with_id_number(form.cleaned_data["id_number"])
    case = known.exclude(state=Transfer.State.ENDED).first()
    if case is not None:
        form.add_error("id_number", f"此人已有案卷 {case.number}，请在该案卷中更改信息。")
    return case is not None


def edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Change the facts; a printed change asks for a new signature."""
    case = _case(request, pk)
    if reason := workflow.why_not_amend(case, user_of(request)):
        if not access.scope(user_of(request)).may_act("enterprise", enterprise=case.enterprise_id):
            raise PermissionDenied(reason)
        messages.error(request, reason)
        return redirect(case)
    if request.method != "POST" or "open" in request.POST:
        return _open_edit(request, case)
    form = RetireeForm(request.POST, enterprise=case.enterprise, transfer=case)
    if form.is_valid():
        try:
            changed = workflow.amend(case, form, by=user_of(request))
        except workflow.Refused as refusal:
            messages.error(request, str(refusal))
        else:
            what = f"已更改：{'、'.join(changed)}。" if changed else "没有更改。"
            messages.success(request, what)
        return redirect(case)
    return _edit_page(request, form, case=case, enterprise=case.enterprise)


def _open_edit(request: HttpRequest, case: Transfer) -> HttpResponse:
    """Ask why, put it on record, then show the form with everything that is known."""
    asked = OpenForm(request.POST or None)
    if request.method == "POST" and asked.is_valid():
        with transaction.atomic():
            if stop := _stop_at_quota(request, case):
                return stop
            AccessLog.write(
                user_of(request), AccessLog.Kind.REVEAL, "更改信息（全部登记内容）", transfer=case,
                reason=asked.cleaned_data["why"], address=access.client_address(request),
            )  # fmt: skip
        form = RetireeForm(enterprise=case.enterprise, transfer=case)
        return _edit_page(request, form, case=case, enterprise=case.enterprise)
    status = 422 if request.method == "POST" else 200
    return render(request, "transfers/edit_open.html", {"case": case, "form": asked}, status=status)


def _edit_page(request: HttpRequest, form: RetireeForm, **context: Any) -> HttpResponse:
    status = 422 if form.is_bound else 200
    case = context.get("case")
    context |= {
        "form": form,
        "heading": f"更改信息：{case.retiree.name}" if case else "登记退休人员",
        "cancel_url": case.get_absolute_url() if case else reverse("transfers:list"),
        "advice": "印在《基本信息表》上的内容更改后，原签字失效，须重新打印、签字、盖章（第六条第3项）。"
        if case
        else "填写接收社区后，保存即申报；没有填写的，可以以后补填再申报。",
    }
    return render(request, "transfers/edit.html", context, status=status)


# --- papers and scans ---------------------------------------------------------------------------


@require_POST
def paper(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """Print a paper of the case; who printed it is on record first."""
    case = _case(request, pk)
    sheet = PAPERS.get(name)
    if sheet is None:
        raise Http404
    if not sheet.concerns(case, user_of(request)):
        raise PermissionDenied(f"{sheet.title}由其他单位打印（{sheet.article}）。")
    if reason := sheet.refusal(case):
        messages.error(request, reason)
        return redirect(case)
    sheet.note(case, user_of(request), address=access.client_address(request))
    try:
        data = sheet.render(case, request)
    except (Rejected, SandboxError) as reason:
        messages.error(request, str(reason))
        return redirect(case)
    file_name = f"{sheet.title.strip('《》')}-{case.retiree.name}-{case.number}.pdf"
    return download(data, file_name, "application/pdf")


@require_POST
def scan(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Give out an uploaded scan; who looked is on record first."""
    stored = get_object_or_404(Scan.objects.visible_to(user_of(request)), pk=pk)
    if reason := stored.why_not_open():
        return _no_scan(request, stored, reason, status=410 if stored.destroyed_at else 423)
    try:
        data = vault.get(stored.file)
    except (FileNotFoundError, privacy.NotReadable):
        log.error("scan %s is missing or was altered", stored.pk)
        return _no_scan(request, stored, "保存的文件缺失或被改动，请联系系统管理员。", status=410)
    AccessLog.write(
        user_of(request), AccessLog.Kind.SCAN, stored.title, transfer=stored.transfer,
        address=access.client_address(request),
    )  # fmt: skip
    return download(data, stored.original_name, stored.content_type)


def _no_scan(request: HttpRequest, stored: Scan, reason: str, *, status: int) -> HttpResponse:
    """The page that says why a scan cannot be opened."""
    context = {"scan": stored, "case": stored.transfer, "reason": reason}
    return render(request, "transfers/scan_closed.html", context, status=status)
