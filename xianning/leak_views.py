"""Pages of the leak drill: what was pasted leads to accounts; an account leads to people."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from xianning import audit, serials
from xianning import leaks as tracing
from xianning.access import user_of
from xianning.downloads import download
from xianning.models import User

if TYPE_CHECKING:
    from django.http import HttpRequest

SHOWN = 20  # accesses of one person on the page; the rest are counted


class Unshown(forms.Textarea):
    """What was pasted never comes back into the page."""

    def format_value(self, value: Any) -> str:
        return ""


class DrillForm(forms.Form):
    """A serial off a page, or leaked rows."""

    text = forms.CharField(
        label="编号或泄露的内容", max_length=tracing.LONGEST, min_length=2,
        widget=Unshown(attrs={"rows": 6}),
        help_text="粘贴页面上的编号，或含有身份证号、姓名、电话的一行或多行；内容不保存，也不再显示",
    )  # fmt: skip


class AccountForm(forms.Form):
    """An account and a time: whom could it have read."""

    username = forms.CharField(label="用户名", max_length=150)
    since = forms.DateTimeField(label="自", widget=forms.DateTimeInput(
        attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"))  # fmt: skip
    until = forms.DateTimeField(label="至", widget=forms.DateTimeInput(
        attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"))  # fmt: skip

    def clean_username(self) -> User:
        name = self.cleaned_data["username"].strip().casefold()
        account = User.objects.filter(username=name).first()
        if account is None:
            raise forms.ValidationError("没有这个用户名的账号。")
        return account

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        since, until = data.get("since"), data.get("until")
        if since and until and since >= until:
            self.add_error("until", "结束时间须晚于开始时间。")
        return data


@sensitive_post_parameters("text")
@require_http_methods(["GET", "POST"])
def leaks(request: HttpRequest) -> HttpResponse:
    """Ask; and what a paste led to, on the answer to the POST and nowhere else."""
    form = DrillForm(request.POST or None)
    if request.method != "POST":
        return _page(request, form)
    if not form.is_valid():
        return _page(request, form, status=422)
    user, text = user_of(request), form.cleaned_data["text"]
    drill = tracing.trace(text, user)
    audit.write(
        "leak_traced", user=user, request=request,
        facts={
            "digest": tracing.digest(text), "lines": drill.lines,
            "serials": [given.export.serial for given in drill.exports],
            "cases": [found.case.number for found in drill.found],
            "accounts": [suspect.user.username for suspect in drill.suspects],
        },
    )  # fmt: skip
    return _page(request, DrillForm(), drill=drill)


def _page(request: HttpRequest, form: Any, *, status: int = 200, **context: Any) -> HttpResponse:
    # The field knows minutes: the one that runs is to be counted.
    end = timezone.localtime().replace(second=0, microsecond=0) + timedelta(minutes=1)
    account = AccountForm(initial={"since": end - timedelta(days=1), "until": end})
    context = {
        "form": form, "account_form": account, "shown": SHOWN,
        "sees_names": tracing.sees_names(user_of(request)),
    } | context  # fmt: skip
    return render(request, "xianning/leaks.html", context, status=status)


@require_POST
def leak_people(request: HttpRequest) -> HttpResponse:
    """Everybody an account touched in a time, or a file held: counts, or the list of cases."""
    if "serial" in request.POST:
        return _people_of_file(request)
    user, form = user_of(request), AccountForm(request.POST)
    if not form.is_valid():
        return _page(request, DrillForm(), status=422, account_form=form)
    account, since, until = (form.cleaned_data[name] for name in ("username", "since", "until"))
    cases = tracing.cases_touched(account, since, until, user)
    asked = {
        "account": account.username, "since": since.isoformat(), "until": until.isoformat(),
        "people": len(cases),
    }  # fmt: skip
    if "list" in request.POST:
        return _list(request, cases, f"{account.username}-{since:%Y%m%d}", asked)
    audit.write("leak_traced", user=user, object=account, facts=asked, request=request)
    result = {
        "account": account, "since": since, "until": until, "total": len(cases),
        "kinds": tracing.touched(account, since, until, user),
    }  # fmt: skip
    return _page(request, DrillForm(), account_form=form, touched=result)


def _people_of_file(request: HttpRequest) -> HttpResponse:
    user = user_of(request)
    given = tracing.exports_named(serials.find(request.POST["serial"]), user)
    if not given:
        return _page(request, DrillForm(), status=404)
    export = given[0].export
    cases = tracing.cases_in(export, user)
    return _list(request, cases, export.serial, {"serial": export.serial, "people": len(cases)})


def _list(request: HttpRequest, cases: set[Any], name: str, asked: dict[str, Any]) -> HttpResponse:
    """Case numbers, one a line; that they were taken is on record first."""
    with transaction.atomic():
        audit.write("leak_traced", facts={**asked, "list": True}, request=request)
        lines = ["案卷编号", *tracing.numbers_of(cases)]
    data = "\ufeff" + "\r\n".join(lines) + "\r\n"
    return download(data.encode(), f"受影响案卷-{name}.csv", "text/csv; charset=utf-8")
