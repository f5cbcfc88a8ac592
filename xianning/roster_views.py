"""Rosters on the page and as files; who looked at personal data, for auditors."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from enterprises.models import Enterprise
from xianning import access, accounts, exports
from xianning.access import user_of
from xianning.fields import DayField
from xianning.models import AccessLog
from xianning.pages import keyset

if TYPE_CHECKING:
    from django.http import HttpRequest

    from xianning.models import User
    from xianning.roster import Roster


class ExportForm(forms.Form):
    """As what file, of which days, masked or whole, and why."""

    format = forms.ChoiceField(label="格式", choices=list(exports.FORMATS.items()))
    clear = forms.ChoiceField(
        label="个人信息", choices=[("0", "脱敏（身份证号、电话、住址隐去）"), ("1", "完整")]
    )
    since = DayField(label="建案日期自", required=False)
    until = DayField(label="建案日期至", required=False)
    enterprise = forms.ModelChoiceField(
        Enterprise.objects.none(),
        label="移交单位",
        required=False,
        empty_label="请选择",
    )
    reason = forms.CharField(
        label="理由", max_length=200, required=False, help_text="导出完整个人信息时必填，并留痕"
    )
    query = forms.CharField(max_length=400, required=False, widget=forms.HiddenInput)
    # One press of the button is one export, however often the browser sends it.
    token = forms.CharField(max_length=32, required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, sheet: Roster, user: User, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {})["token"] = secrets.token_hex(8)
        super().__init__(*args, **kwargs)
        if not exports.is_dated(sheet):
            del self.fields["since"], self.fields["until"]
        if not sheet.narrow:
            del self.fields["query"]
        if not sheet.parts:
            del self.fields["enterprise"]
        else:
            firms = self.fields["enterprise"]
            assert isinstance(firms, forms.ModelChoiceField)
            firms.queryset = Enterprise.objects.visible_to(user).order_by("name")
            firms.required = True

    def wish(self, sheet: Roster) -> exports.Wish:
        """What a valid form asks for."""
        given, firm = self.cleaned_data, self.cleaned_data.get("enterprise")
        return exports.Wish(
            sheet, given["format"], given["clear"] == "1", given["reason"],
            given.get("since"), given.get("until"), firm.pk if firm else None,
            given.get("query", ""),
        )  # fmt: skip


class NarrowingForm(forms.Form):
    """Which cases a roster shows: filed from one day until another, of one enterprise."""

    since = DayField(required=False)
    until = DayField(required=False)
    enterprise = forms.UUIDField(required=False)
    query = forms.CharField(max_length=400, required=False)


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
    sheet = _roster(request, name)
    given = _narrowing(request, sheet)
    form = ExportForm(sheet=sheet, user=user_of(request), initial=dict(given))
    return _page(request, sheet, form, given)


def _narrowing(request: HttpRequest, sheet: Roster) -> dict[str, str]:
    """The days (as ISO dates) and the id in the address; 404 when they are none."""
    form = NarrowingForm(request.GET if exports.is_dated(sheet) else {})
    if not form.is_valid():
        raise Http404
    given = {name: str(value) for name, value in form.cleaned_data.items() if value}
    unknown = {"enterprise": not sheet.parts, "query": not sheet.narrow}
    return {name: value for name, value in given.items() if not unknown.get(name)}


def _page(
    request: HttpRequest, sheet: Roster, form: ExportForm, given: dict[str, str], status: int = 200
) -> HttpResponse:
    user = user_of(request)
    try:
        page = keyset(request, exports.rows_of(user, sheet, given), count=True)
    except exports.Refused:
        raise Http404 from None
    lines = [sheet.cells(n, row, clear=False) for n, row in enumerate(page.rows, start=1)]
    context = {
        "roster": sheet, "page": page, "lines": lines, "form": form,
        "dated": exports.is_dated(sheet),
        "advice": f"文件每页印有您的姓名、单位和编号，只能下载一次。完整的名册超过"
        f" {exports.alone_limit(clear=True)} 行、脱敏的超过 {exports.alone_limit(clear=False)} 行，"
        "须由安全管理员核准。",
    }  # fmt: skip
    return render(request, "xianning/roster.html", context, status=status)


@require_POST
def roster_export(request: HttpRequest, name: str) -> HttpResponse:
    """Write the export and its trace; its page shows how it goes on."""
    sheet, user = _roster(request, name), user_of(request)
    form = ExportForm(request.POST, sheet=sheet, user=user)
    if not form.is_valid():
        return _page(request, sheet, form, {}, 422)
    wish = form.wish(sheet)
    if refusal := exports.why_not(user, sheet, clear=wish.clear, reason=wish.reason):
        form.add_error("reason" if "理由" in refusal else "clear", refusal)
        return _page(request, sheet, form, {}, 422)
    if wish.clear and (stop := accounts.require_fresh(request)):
        return stop
    try:
        made = exports.ask(
            user, wish, token=form.cleaned_data["token"], address=access.client_address(request)
        )
    except exports.Refused as refused:
        form.add_error(None, str(refused))
        return _page(request, sheet, form, {}, 422)
    return redirect("export", made.pk)


@require_GET
def access_log(request: HttpRequest) -> HttpResponse:
    """Who saw whose private values, when and why (第十一条)."""
    rows = AccessLog.objects.visible_to(user_of(request)).select_related(
        "user", "transfer", "export"
    )
    if kind := request.GET.get("kind"):
        if kind not in AccessLog.Kind.values:
            raise Http404
        rows = rows.filter(kind=kind)
    page = keyset(request, rows, count=True)
    context = {
        "page": page, "lines": exports.with_exports(page.rows), "kinds": AccessLog.Kind.choices,
        "kind": kind,
    }  # fmt: skip
    return render(request, "xianning/access_log.html", context)
