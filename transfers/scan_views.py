"""Piles of signed scans: upload, progress, and every page beside the name it goes to."""

from __future__ import annotations

import base64
import logging
import secrets
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from transfers import workflow
from transfers.forms import ConfirmForm, not_in_future
from transfers.models import SignedPage, SignedPile, Transfer
from transfers.scans import filing, work
from transfers.scans.filing import PAPERS, SLIPS, State
from xianning import access, privacy, vault
from xianning.access import user_of
from xianning.downloads import download
from xianning.models import AccessLog
from xianning.pages import Page, keyset
from xianning.sandbox import Rejected
from xianning.uploads import CONTENT_TYPES

if TYPE_CHECKING:
    from datetime import date

    from django.core.files.uploadedfile import UploadedFile
    from django.db.models import QuerySet
    from django.http import HttpRequest

log = logging.getLogger("xianning.scans")

SHOWN = 30  # pages of a pile at a time
AT_ONCE = 100  # pages filed by one press
CHOICES = 200  # people to choose from


class ManyFiles(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One or several files."""

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        given = data if isinstance(data, list | tuple) else [data] if data else []
        if not given:
            raise ValidationError(self.error_messages["required"], code="required")
        return [super(FilesField, self).clean(each, initial) for each in given]


class PileForm(forms.Form):
    """A pile as it comes from the copier or the telephone."""

    scans = FilesField(
        label="签字盖章后的扫描件",
        help_text="一个多页 PDF，或多张 JPG、PNG；合计不超过 40 MB、300 页",
        widget=ManyFiles(attrs={"accept": ".pdf,.jpg,.jpeg,.png"}),
        error_messages={"required": "请选择要上传的文件。", "empty": "文件是空的（0 字节）。"},
    )  # fmt: skip
    token = forms.CharField(max_length=32, widget=forms.HiddenInput)


class SittingForm(forms.Form):
    """What the clerk vouches for when a pile is filed: the answers of step 3, once for all."""

    signed_on, clerk, retiree_signed, sealed, copies, told, agreed = (
        ConfirmForm.base_fields[name]
        for name in ("signed_on", "clerk", "retiree_signed", "sealed", "copies", "told", "agreed")
    )

    def clean_signed_on(self) -> date | None:
        return not_in_future(self.cleaned_data["signed_on"], "签字日期")

    @property
    def answers(self) -> dict[str, Any]:
        """As ConfirmForm takes them; a box that is not ticked is not sent."""
        return {
            name: "on" if value is True else value
            for name, value in self.cleaned_data.items()
            if value
        }


class ClaimForm(forms.Form):
    """For whom an unread page is: by the number on it, or chosen from those who wait."""

    number = forms.CharField(
        label="案卷编号（印在左上角）", max_length=30, required=False,
        widget=forms.TextInput(attrs={"placeholder": "2026-421202-000001"}),
    )  # fmt: skip
    case = forms.ChoiceField(label="或从待签字的人中选择", required=False)
    paper = forms.ChoiceField(
        label="文书", choices=[(key, paper.title) for key, paper in PAPERS.items()]
    )
    version = forms.IntegerField(
        label="版本（《基本信息表》左上角）", min_value=1, max_value=9999, required=False
    )
    copy = forms.ChoiceField(
        label="联", choices=[(n, f"第{'一二三'[n - 1]}联（{SLIPS[n - 1]}）") for n in (1, 2, 3)]
    )

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["case"].choices = [("", "请选择"), *choices]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not data.get("number") and not data.get("case"):
            raise ValidationError({"number": "请填写案卷编号，或从下面选择。"})
        if data.get("number") and data.get("case"):
            raise ValidationError({"number": "编号和选择只用一种，请清空其中一项。"})
        return data


def _pile(request: HttpRequest, pk: UUID) -> SignedPile:
    rows = SignedPile.objects.visible_to(user_of(request)).select_related("job", "owner")
    return get_object_or_404(rows, pk=pk)


def _page(request: HttpRequest, pk: UUID) -> SignedPage:
    rows = SignedPage.objects.visible_to(user_of(request))
    return get_object_or_404(rows.select_related("pile", "transfer__retiree"), pk=pk)


def signed_piles(request: HttpRequest) -> HttpResponse:
    """Upload a pile; the earlier ones below."""
    user = user_of(request)
    form = PileForm(
        request.POST or None, request.FILES or None, initial={"token": secrets.token_hex(8)}
    )
    if request.method == "POST" and form.is_valid():
        try:
            pile = work.take_in(form.cleaned_data["scans"], user, form.cleaned_data["token"])
        except Rejected as reason:
            form.add_error("scans", str(reason))
        else:
            return redirect(pile)
    rows = SignedPile.objects.visible_to(user).select_related("job")
    context = {"form": form, "page": keyset(request, rows, count=True)}
    status = 422 if request.method == "POST" else 200
    return render(request, "transfers/signed_piles.html", context, status=status)


@require_GET
def signed_pile(request: HttpRequest, pk: UUID) -> HttpResponse:
    """How far it is read; each page with its picture, the name it goes to, and what to do."""
    return _shown(request, _pile(request, pk))


def _shown(
    request: HttpRequest, pile: SignedPile, *, sitting: SittingForm | None = None, status: int = 200
) -> HttpResponse:
    rows = SignedPage.objects.visible_to(user_of(request)).filter(pile=pile)
    counts = dict(rows.order_by().values_list("state").annotate(n=Count("pk")))
    show = request.GET.get("show", "")
    if show and show not in State.values:
        raise Http404
    wanted = rows.filter(state=show) if show else rows
    page = _by_place(request, wanted.select_related("transfer__retiree"))
    context = {
        "pile": pile, "page": page, "show": show, "lines": [_line(row) for row in page.rows],
        "counts": [(s.value, s.label, counts[s.value]) for s in State if s.value in counts],
        "found": counts.get("found", 0), "at_once": AT_ONCE,
        "read": sum(counts.values()), "stopped": work.is_stopped(pile),
        "sitting": sitting or SittingForm(initial={"clerk": str(user_of(request))}),
    }  # fmt: skip
    return render(request, "transfers/signed_pile.html", context, status=status)


def _by_place(request: HttpRequest, rows: QuerySet[SignedPage]) -> Page:
    """SHOWN pages of the pile in their own order, from `?from=` on (a pile is bounded)."""
    text = request.GET.get("from", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise Http404
    start = int(text)
    found = list(rows.filter(place__gte=start).order_by("place")[: SHOWN + 1])
    before = list(rows.filter(place__lt=start).order_by("-place")[:SHOWN])
    query = request.GET.copy()
    links = ["", ""]
    for number, row in enumerate((before[-1] if before else None, *found[SHOWN:])):
        if row is not None:
            query["from"] = str(row.place)
            links[number] = f"?{query.urlencode()}"
    return Page(found[:SHOWN], links[0], links[1])


def _line(row: SignedPage) -> dict[str, Any]:
    """A page as it is shown: the picture is so small that nothing but its look can be told."""
    return {
        "row": row, "picture": _picture(row),
        "title": PAPERS[row.paper].title if row.paper else "",
        "copy": filing.copy_name(row),
    }  # fmt: skip


def _picture(row: SignedPage) -> str:
    try:
        data = vault.get(row.picture) if row.picture else b""
    except (FileNotFoundError, privacy.NotReadable):
        log.error("the picture of page %s is missing or was altered", row.pk)
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}" if data else ""


@require_POST
def signed_go_on(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Read on behind the last page, after the work was ended."""
    pile = _pile(request, pk)
    if work.is_stopped(pile):
        work.go_on(pile)
    else:
        messages.info(request, "各页都已读完，或正在读取。")
    return redirect(pile)


@require_POST
def signed_confirm(request: HttpRequest, pk: UUID) -> HttpResponse:
    """File the pages that were looked at: one, the ticked ones, or all that were found."""
    pile, user = _pile(request, pk), user_of(request)
    rows = SignedPage.objects.visible_to(user).filter(pile=pile, state=State.FOUND)
    if "all" not in request.POST:
        rows = rows.filter(pk__in=_ids(request))
    pages = list(rows.select_related("pile", "transfer").order_by("copy", "place")[:AT_ONCE])
    if not pages:
        messages.error(request, "没有选中待确认的页，或所选的页已经处理。")
        return redirect(pile)
    form = SittingForm(request.POST)
    signs = any(page.transfer and filing.is_signature(page, page.transfer) for page in pages)
    if signs and not form.is_valid():
        return _shown(request, pile, sitting=form, status=422)
    answers, filed = form.answers if form.is_valid() else {}, 0
    for page in pages:
        try:
            filing.file(page, by=user, answers=answers)
            filed += 1
        except filing.NotFiled as reason:
            messages.error(request, f"{page}：{reason}")
    if filed:
        messages.success(request, f"已归入 {filed} 页。")
    return redirect(pile)


def _ids(request: HttpRequest) -> list[UUID]:
    try:
        return [UUID(text) for text in request.POST.getlist("page")[:AT_ONCE]]
    except ValueError:
        raise Http404 from None


@require_POST
def signed_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Give out one page as large as it came; who looked is on record first."""
    page = _page(request, pk)
    if page.scan_id and page.transfer:
        return redirect(page.transfer)  # it lies among the scans of the case now
    if page.quarantined:
        messages.error(request, "待查杀：上传时病毒查杀服务不可用，查杀通过后才能打开。")
        return redirect(page.pile)
    try:
        data = vault.get(page.file) if page.file else None
    except (FileNotFoundError, privacy.NotReadable):
        log.error("page %s is missing or was altered", page.pk)
        data = None
    if data is None:
        messages.error(request, f"{page}已不再保存。")
        return redirect(page.pile)
    AccessLog.write(
        user_of(request), AccessLog.Kind.SCAN, f"成批扫描件{page}", transfer=page.transfer,
        address=access.client_address(request),
    )  # fmt: skip
    end = "pdf" if page.content_type == CONTENT_TYPES["pdf"] else "jpg"
    return download(data, f"扫描页{page.place + 1}.{end}", page.content_type)


def signed_claim(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Say by hand for whom a page is, by the number on it or by choosing who waits."""
    page = _page(request, pk)
    if not page.is_open:
        messages.error(request, f"{page}{page.get_state_display()}，不能再认领。")
        return redirect(page.pile)
    form = ClaimForm(request.POST or None, choices=_waiting(request))
    if request.method == "POST" and form.is_valid():
        try:
            words = filing.claim(page, _claimed(request, form), by=user_of(request), **_sheet(form))
        except filing.NotFiled as reason:
            form.add_error(None, str(reason))
        else:
            messages.success(request, words)
            return redirect(page.pile)
    status = 422 if request.method == "POST" else 200
    context = {"page": page, "form": form, "picture": _picture(page)}
    return render(request, "transfers/signed_claim.html", context, status=status)


def _sheet(form: ClaimForm) -> dict[str, Any]:
    data = form.cleaned_data
    return {"paper": data["paper"], "version": data["version"], "copy": int(data["copy"])}


def _claimed(request: HttpRequest, form: ClaimForm) -> Transfer:
    """The case that was typed or chosen, one of my own. Raises NotFiled."""
    data, rows = form.cleaned_data, filing.own_cases(user_of(request)).select_related("retiree")
    found = rows.filter(pk=data["case"]) if data["case"] else rows.filter(number=data["number"])
    case = found.first()
    if case is None:
        raise filing.NotFiled("没有您经办的案卷使用此编号，请核对。")
    return case


def _waiting(request: HttpRequest) -> list[tuple[str, str]]:
    """Who waits for his signature at my desk."""
    rows = workflow.waiting(user_of(request), workflow.CONFIRM).select_related("transfer__retiree")
    few = rows.only("transfer__number", "transfer__retiree__name")[:CHOICES]
    return [(str(r.transfer_id), f"{r.transfer.retiree.name}（{r.transfer.number}）") for r in few]


@require_POST
def signed_drop(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Let a page go that belongs nowhere."""
    page = _page(request, pk)
    try:
        messages.success(request, filing.drop(page, by=user_of(request)))
    except filing.NotFiled as reason:
        messages.error(request, str(reason))
    return redirect(page.pile)
