"""Rosters on the page and as files; who looked at personal data, for auditors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from xianning import access, exports
from xianning.access import user_of
from xianning.models import AccessLog
from xianning.pages import keyset

if TYPE_CHECKING:
    from django.http import HttpRequest

    from xianning.roster import Roster


class ExportForm(forms.Form):
    """As what file, masked or whole, and why."""

    format = forms.ChoiceField(label="格式", choices=list(exports.FORMATS.items()))
    clear = forms.ChoiceField(
        label="个人信息", choices=[("0", "脱敏（身份证号、电话、住址隐去）"), ("1", "完整")]
    )
    reason = forms.CharField(
        label="理由", max_length=200, required=False, help_text="导出完整个人信息时必填，并留痕"
    )


def _roster(request: HttpRequest, name: str) -> Roster:
    """The roster, 404 when there is none, 403 when my offices do not use it."""
    found = exports.ROSTERS.get(name)
    if found is None:
        raise Http404
    if found not in exports.open_to(user_of(request)):
        raise PermissionDenied(f"您的岗位不使用《{found.title}》。")
    return found


@require_GET
def rosters(request: HttpRequest) -> HttpResponse:
    """The rosters that my offices keep or receive."""
    user = user_of(request)
    cards = not access.REGISTRY["communities:card_paper"].refuses(user)
    context = {"rosters": exports.open_to(user), "prints_cards": cards}
    return render(request, "xianning/rosters.html", context)


@require_GET
def roster(request: HttpRequest, name: str) -> HttpResponse:
    """One roster, masked, a page at a time."""
    return _page(request, _roster(request, name), ExportForm())


def _page(request: HttpRequest, sheet: Roster, form: ExportForm, status: int = 200) -> HttpResponse:
    page = keyset(request, sheet.rows(user_of(request)), count=True)
    lines = [sheet.cells(n, row, clear=False) for n, row in enumerate(page.rows, start=1)]
    context = {"roster": sheet, "page": page, "lines": lines, "form": form}
    return render(request, "xianning/roster.html", context, status=status)


@require_POST
def roster_export(request: HttpRequest, name: str) -> HttpResponse:
    """Write the trace, then make the file in the background."""
    sheet, user = _roster(request, name), user_of(request)
    form = ExportForm(request.POST)
    if not form.is_valid():
        return _page(request, sheet, form, 422)
    clear, reason = form.cleaned_data["clear"] == "1", form.cleaned_data["reason"]
    if refusal := exports.why_not(user, sheet, clear=clear, reason=reason):
        form.add_error("reason" if "理由" in refusal else "clear", refusal)
        return _page(request, sheet, form, 422)
    log = exports.record(
        user, sheet, clear=clear, reason=reason, address=access.client_address(request)
    )
    return redirect(exports.submit(user, sheet, form.cleaned_data["format"], log, clear=clear))


@require_GET
def access_log(request: HttpRequest) -> HttpResponse:
    """Who saw whose private values, when and why (第十一条)."""
    rows = AccessLog.objects.visible_to(user_of(request)).select_related("user", "transfer")
    if kind := request.GET.get("kind"):
        if kind not in AccessLog.Kind.values:
            raise Http404
        rows = rows.filter(kind=kind)
    context = {"page": keyset(request, rows, count=True), "kinds": AccessLog.Kind.choices,
               "kind": kind}  # fmt: skip
    return render(request, "xianning/access_log.html", context)
