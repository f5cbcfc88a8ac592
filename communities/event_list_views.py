"""The lists of the social-insurance agency (第十条): upload, look at what they would do, confirm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from communities import event_lists
from communities.models import LifeEvent
from xianning import audit
from xianning.access import user_of
from xianning.downloads import XLSX, download
from xianning.fields import WorkbookField
from xianning.sandbox import Rejected, SandboxError

if TYPE_CHECKING:
    from django.http import HttpRequest

OVER = "预览已超过一小时或不完整，没有写入任何内容，请重新上传。"


class ListForm(forms.Form):
    """One list: what it says of everybody on it, and the workbook."""

    kind = forms.ChoiceField(
        label="名单",
        choices=[("", "请选择"), *((k.value, LifeEvent.Kind(k).label) for k in event_lists.KINDS)],
        help_text="一份工作簿只报一种事项；“日期”列依次填写认证到期、重复领取起始或死亡日期",
    )
    file = WorkbookField(
        label="比对名单工作簿",
        help_text=f"只接受 .xlsx，最多 {event_lists.MOST_ROWS} 行；先比对，确认后才报告",
    )  # fmt: skip


def event_lists_page(request: HttpRequest) -> HttpResponse:
    """Upload a list and see whom it means here; nothing is saved."""
    form = ListForm(request.POST or None, request.FILES or None)
    if request.method != "POST" or not form.is_valid():
        return _upload(request, form, 422 if request.method == "POST" else 200)
    file, user = form.cleaned_data["file"], user_of(request)
    try:
        found = event_lists.read(file.read(), file.name, form.cleaned_data["kind"], user)
    except (Rejected, SandboxError) as reason:
        form.add_error("file", str(reason))
        return _upload(request, form, 422)
    facts = {"kind": found.kind, "rows": len(found.rows), "count": len(found.taken)}
    audit.write("event_list_match", user=user, facts=facts | {"article": "第十条"})
    context = {"found": found, "rows": event_lists.token(found, user),
               "meaning": event_lists.KINDS[LifeEvent.Kind(found.kind)]}  # fmt: skip
    return render(request, "communities/event_list_check.html", context)


def _upload(request: HttpRequest, form: ListForm, status: int) -> HttpResponse:
    context = {"form": form, "headings": event_lists.HEADINGS}
    return render(request, "communities/event_lists.html", context, status=status)


@require_POST
def event_list_confirm(request: HttpRequest) -> HttpResponse:
    """Report everybody of the preview, matched once more with the ledgers as they are now."""
    user = user_of(request)
    found = event_lists.again(request.POST.get("rows", ""), user)
    if found is None:
        messages.error(request, OVER)
        return redirect("communities:event_lists")
    count = event_lists.confirm(found, by=user)
    if count:
        messages.success(request, f"已报告 {count} 人，人社、医保部门和所在社区会收到通知。")
    else:
        messages.warning(request, "没有可报告的人：名单中的人已经报告过，或不在本辖区的台账中。")
    return redirect("communities:event_lists")


@require_POST
def event_list_rest(request: HttpRequest) -> HttpResponse:
    """The rows of the preview that make no report, as a workbook."""
    found = event_lists.again(request.POST.get("rows", ""), user_of(request))
    if found is None:
        messages.error(request, OVER)
        return redirect("communities:event_lists")
    return download(event_lists.given_back(found), f"{found.title}-未形成报告.xlsx", XLSX)


@require_GET
def event_list_template(request: HttpRequest) -> HttpResponse:
    """The empty workbook to fill in."""
    return download(event_lists.template(), "社保比对名单模板.xlsx", XLSX)
