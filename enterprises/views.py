"""The list of state-owned enterprises: SASAC keeps it, HR acknowledges it (第四条, 第六条第1项)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from communities.models import Area
from enterprises import imports
from enterprises.forms import ChangeForm, CommitForm, EnterpriseForm, Places, UploadForm
from enterprises.history import timeline
from enterprises.models import Enterprise, EnterpriseQuerySet, Refused
from transfers.models import Transfer
from xianning import access
from xianning.access import user_of
from xianning.context import capped
from xianning.downloads import XLSX, download
from xianning.fields import body_name
from xianning.pages import keyset
from xianning.sandbox import Rejected, SandboxError

if TYPE_CHECKING:
    from django.http import HttpRequest

    from xianning.models import User

STATES = {
    "unconfirmed": "待国资部门确认",
    "confirmed": "已确认",
    "unread": "待人社部门签收",
    "removed": "已移出",
}


def _entry(request: HttpRequest, pk: UUID) -> Enterprise:
    """The enterprise, or 404 outside my scope."""
    rows = Enterprise.objects.visible_to(user_of(request))
    return get_object_or_404(rows.select_related("authority", "county", "confirmed_by"), pk=pk)


def _page(request: HttpRequest, template: str, status: int = 200, **context: Any) -> HttpResponse:
    return render(request, f"enterprises/{template}.html", context, status=status)


# --- looking ------------------------------------------------------------------------------------


@require_GET
def enterprise_list(request: HttpRequest) -> HttpResponse:
    """Enterprises I may see, the newest first."""
    user = user_of(request)
    rows = _narrow(request, Enterprise.objects.visible_to(user))
    return _page(
        request, "list",
        page=keyset(request, rows.select_related("authority", "county"), count=True),
        states=list(STATES.items()), levels=Enterprise.Level.choices,
        statuses=Enterprise.Status.choices, authorities=_authorities(user),
        may_add=bool(access.scope(user).areas.get("sasac")),
        may_see_editions=not access.REGISTRY["enterprises:editions"].refuses(user),
    )  # fmt: skip


def _narrow(request: HttpRequest, rows: EnterpriseQuerySet) -> EnterpriseQuerySet:
    """The rows that the filters name; 404 for a value that no filter offers."""
    wanted = {name: request.GET.get(name, "") for name in ("state", "level", "status")}
    for name, known in (
        ("state", STATES), ("level", Enterprise.Level.values), ("status", Enterprise.Status.values)
    ):  # fmt: skip
        if wanted[name] and wanted[name] not in known:
            raise Http404
    if wanted["state"]:
        rows = _in_state(user_of(request), rows, wanted["state"])
    for name in ("level", "status"):
        if wanted[name]:
            rows = rows.filter(**{name: wanted[name]})
    if authority := request.GET.get("authority", ""):
        rows = rows.filter(authority_id=authority)
    if words := body_name(request.GET.get("q", "")):
        rows = rows.filter(name__icontains=words[:80])
    return rows


def _in_state(user: User, rows: EnterpriseQuerySet, state: str) -> EnterpriseQuerySet:
    """Rows in a state; for the office whose turn it is, only those on its own list."""
    held = access.scope(user).areas
    if state == "unconfirmed":
        return rows.waiting_for_confirmation(user) if held.get("sasac") else rows.unconfirmed()
    if state == "unread":
        return rows.waiting_for_acknowledgement(user) if held.get("hr") else rows.unread()
    return rows.confirmed() if state == "confirmed" else rows.exclude(removed_on=None)


def _authorities(user: User) -> list[tuple[str, str]]:
    """Areas whose lists I may see."""
    held = access.scope(user).areas
    mine = [code for role in ("sasac", "hr", "auditor") for code in held.get(role, ())]
    areas = Area.objects.filter(
        access.within("code", mine), level__in=(Area.Level.CITY, Area.Level.COUNTY)
    )
    return [(area.code, area.full_name) for area in areas]


@require_GET
def detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One enterprise: facts, confirmation, cases by state, what changed, its offices."""
    entry, user = _entry(request, pk), user_of(request)
    cases = Transfer.objects.visible_to(user).filter(enterprise=entry)
    return _page(
        request, "detail", entry=entry, blocks=_blocks(entry), timeline=timeline(entry),
        may_confirm=entry.why_not_confirm(user) is None,
        may_acknowledge=entry.why_not_acknowledge(user) is None,
        may_amend=entry.why_not_amend(user) is None,
        counts=[
            {"state": state, "label": label, "count": capped(cases.filter(state=state))}
            for state, label in Transfer.State.choices
        ],
        offices=entry.offices.filter(closed_on=None),
        agreements=entry.agreements.select_related("county").order_by("-id")[:20],
    )  # fmt: skip


def _blocks(entry: Enterprise) -> list[dict[str, Any]]:
    """Facts of the entry by subject, each with the article it serves."""
    subjects = (
        ("企业", "第二条", ("name", "credit_code", "level", "holding", "investor", "group",
                       "parent_company", "registered_place", "county")),
        ("移交主体", "第四条", ("status", "department", "contact", "phone", "retiree_count",
                         "agreement_number", "agreement_on")),
    )  # fmt: skip
    blocks = [
        {"title": title, "article": article, "rows": [_fact(entry, name) for name in names]}
        for title, article, names in subjects
    ]
    whose = {"label": "移交主体", "value": f"{entry.transferor}（{entry.transferor_kind}）"}
    door = {"label": "纳入方式", "value": entry.door}
    blocks[1]["rows"] = [whose, door, *blocks[1]["rows"]]
    return blocks


def _fact(entry: Enterprise, name: str) -> dict[str, str]:
    return {"label": Enterprise.label(name), "value": entry.words(name)}


# --- writing ------------------------------------------------------------------------------------


def add(request: HttpRequest) -> HttpResponse:
    """Put an enterprise on my list as a draft."""
    form = EnterpriseForm(request.POST or None, places=Places(user_of(request)))
    if request.method != "POST":
        return _page(request, "edit", form=form, heading="列入国有企业名单")
    if not form.is_valid():
        return _page(request, "edit", 422, form=form, heading="列入国有企业名单")
    try:
        entry = Enterprise.enter(by=user_of(request), **form.facts())
    except Refused as reason:
        form.add_error(None, str(reason))
        return _page(request, "edit", 422, form=form, heading="列入国有企业名单")
    messages.success(request, f"{entry}已列入名单，确认后企业才能申报。")
    return redirect(entry)


def edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Change an entry: fill in, check before and after, then save and tell HR."""
    entry = _entry(request, pk)
    if reason := entry.why_not_amend(user_of(request)):
        raise PermissionDenied(reason)
    form = ChangeForm(request.POST or None, places=Places(user_of(request)), enterprise=entry)
    context: dict[str, Any] = {"entry": entry, "form": form, "heading": "更改名单"}
    if request.method != "POST":
        return _page(request, "edit", **context)
    if not form.is_valid():
        return _page(request, "edit", 422, **context)
    differences = form.differences()
    if "change" in request.POST:
        return _page(request, "edit", **context)
    if not differences:
        messages.info(request, "没有更改任何内容。")
        return redirect(entry)
    if "confirmed" not in request.POST:
        return _page(
            request, "edit_check", **context, answers=_answers(form), hidden=_hidden(form),
            warning=_warning(entry, form),
        )  # fmt: skip
    return _amended(request, entry, form, context)


def _answers(form: ChangeForm) -> list[tuple[str, str]]:
    reason = form.cleaned_data["reason"]
    return [*form.differences(), *([("变动原因", reason)] if reason else [])]


def _hidden(form: ChangeForm) -> list[tuple[str, Any]]:
    """What was typed, to be sent again with the final button."""
    return [(name, form.data[name]) for name in form.fields if name in form.data]


def _warning(entry: Enterprise, form: ChangeForm) -> str:
    """What the change means for others: cases it strands, HR to be told."""
    words = []
    if form.cleaned_data["removed_on"] and not entry.removed_on:
        stranded = entry.transfers.filter(state=Transfer.State.OPEN)
        if (count := capped(stranded)) != "0":
            words.append(
                f"该企业还有 {count} 件案卷正在办理，移出后这些案卷将失去移交单位的名单依据。"
            )
        words.append("移出后不能再申报。")
    if entry.confirmed_at:
        words.append(f"变动将通报{entry.desk('hr')}，由其重新签收（第六条第1项）。")
    return "".join(words)


def _amended(
    request: HttpRequest, entry: Enterprise, form: ChangeForm, context: dict[str, Any]
) -> HttpResponse:
    data = form.cleaned_data
    try:
        entry.amend(
            by=user_of(request), reason=data["reason"], version=data["version"], **form.facts()
        )
    except Refused as reason:
        return _page(request, "edit", 409, **context | {"form": _anew(form, entry, str(reason))})
    messages.success(request, f"{entry}的名单信息已更改。")
    return redirect(entry)


def _anew(form: ChangeForm, entry: Enterprise, reason: str) -> ChangeForm:
    """The same answers over the newest state, so that nothing typed is lost."""
    data = QueryDict(mutable=True)
    data.update({name: form.data[name] for name in form.fields if name in form.data})
    data["version"] = str(entry.version)
    fresh = ChangeForm(data, places=form.places, enterprise=entry)
    fresh.add_error(None, reason)
    return fresh


def confirm(request: HttpRequest, pk: UUID) -> HttpResponse:
    """第四条: confirm the enterprise after a look at what is confirmed."""
    entry = _entry(request, pk)
    if not entry.is_desk_of("sasac", user_of(request)):
        raise PermissionDenied(entry.why_not_confirm(user_of(request)))
    if reason := entry.why_not_confirm(user_of(request)):
        messages.error(request, reason)
        return redirect(entry)
    if request.method != "POST":
        return _page(request, "confirm", entry=entry, blocks=_blocks(entry))
    try:
        entry.confirm(by=user_of(request))
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"{entry}已确认，并已通知{entry.desk('hr')}签收。")
    return redirect(entry)


def acknowledge(request: HttpRequest, pk: UUID) -> HttpResponse:
    """第六条第1项: HR takes note of the entry and its changes; on request of all that wait."""
    entry, user = _entry(request, pk), user_of(request)
    if not entry.is_desk_of("hr", user):
        raise PermissionDenied(entry.why_not_acknowledge(user))
    if reason := entry.why_not_acknowledge(user):
        messages.error(request, reason)
        return redirect(entry)
    others = Enterprise.objects.waiting_for_acknowledgement(user).exclude(pk=entry.pk)
    if request.method != "POST":
        return _page(
            request, "acknowledge", entry=entry, blocks=_blocks(entry), others=capped(others),
            timeline=timeline(entry, since=_last_acknowledged(entry)),
        )  # fmt: skip
    wanted = [entry, *(others if "all" in request.POST else [])]
    done = sum(_acknowledged(request, each) for each in wanted)
    if done:
        messages.success(request, f"已签收 {done} 家企业的名单信息。")
    return redirect(entry if len(wanted) == 1 else "enterprises:list")


def _last_acknowledged(entry: Enterprise) -> Any:
    return (
        entry.history.filter(acknowledged_at__isnull=False)
        .order_by("-history_date")
        .values_list("acknowledged_at", flat=True)
        .first()
    )


def _acknowledged(request: HttpRequest, entry: Enterprise) -> bool:
    try:
        entry.acknowledge(by=user_of(request))
    except Refused as reason:
        messages.error(request, str(reason))
        return False
    return True


# --- the 名单 as a workbook -----------------------------------------------------------------------


@require_GET
def template(request: HttpRequest) -> HttpResponse:
    """The empty workbook to fill in."""
    return download(imports.template(), "国有企业名单模板.xlsx", XLSX)


def import_list(request: HttpRequest) -> HttpResponse:
    """Upload a workbook and see what it would do; nothing is saved."""
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method != "POST":
        return _page(request, "import", form=form, columns=imports.COLUMNS)
    if not form.is_valid():
        return _page(request, "import", 422, form=form, columns=imports.COLUMNS)
    file = form.cleaned_data["file"]
    try:
        found = imports.check(file.read(), file.name, user_of(request))
    except (Rejected, SandboxError) as reason:
        form.add_error("file", str(reason))
        return _page(request, "import", 422, form=form, columns=imports.COLUMNS)
    return _preview(request, found)


def _preview(
    request: HttpRequest, found: imports.Checked, form: CommitForm | None = None, status: int = 0
) -> HttpResponse:
    if found.problems:
        return _page(request, "import_errors", status or 422, found=found)
    form = form or CommitForm(found=found)
    sealed = [("rows", imports.token(found, user_of(request)))]
    return _page(request, "import_check", status or 200, found=found, form=form, hidden=sealed)


def import_confirm(request: HttpRequest) -> HttpResponse:
    """Write the rows of the preview, checked once more against the list as it is now."""
    if request.method != "POST":
        return redirect("enterprises:import")
    found = imports.again(request.POST.get("rows", ""), user_of(request))
    if found is None:
        messages.error(request, "预览已超过一小时或不完整，没有写入任何内容，请重新上传。")
        return redirect("enterprises:import")
    form = CommitForm(request.POST, found=found)
    if found.problems or not form.is_valid():
        return _preview(request, found, form, 422)
    try:
        written = imports.commit(found, by=user_of(request), **form.cleaned_data)
    except Refused as reason:
        form.add_error(None, str(reason))
        return _preview(request, found, form, 409)
    messages.success(
        request, f"名单已导入：新增或更改 {written} 家，不变 {found.count('不变')} 家。"
    )
    return redirect(f"{reverse('enterprises:list')}")
