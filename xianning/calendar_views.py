"""The working calendar: the days of a year, and the import of its notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from xianning import calendar_import
from xianning.access import user_of
from xianning.models import CalendarDay
from xianning.sandbox import Rejected, SandboxError

if TYPE_CHECKING:
    from django.http import HttpRequest


def calendar(request: HttpRequest) -> HttpResponse:
    """The days of one year that differ from their week; POST brings a notice."""
    form = calendar_import.CalendarForm(request.POST or None, request.FILES or None)
    status = 200
    if request.method == "POST":
        if form.is_valid() and (year := _imported(request, form)):
            messages.success(request, f"{year} 年工作日历已按通知更新。")
            return redirect(f"{reverse('calendar')}?year={year}")
        status = 422
    year = _year(request)
    years = [each.year for each in CalendarDay.objects.dates("day", "year")]
    days = list(CalendarDay.objects.filter(day__year=year).select_related("set_by"))
    context = {
        "form": form, "year": year, "days": days, "known": any(day.notice for day in days),
        "source": next((day for day in days if day.notice), None),
        "years": [(str(each), f"{each} 年") for each in sorted({*years, year})],
    }  # fmt: skip
    return render(request, "xianning/calendar.html", context, status=status)


def _imported(request: HttpRequest, form: calendar_import.CalendarForm) -> int | None:
    """The year that was written; None when the workbook is refused, with its reason in the form."""
    file = form.cleaned_data["file"]
    try:
        days = calendar_import.read(file.read(), file.name)
    except (Rejected, SandboxError) as reason:
        form.add_error("file", str(reason))
        return None
    return calendar_import.write(days, notice=form.cleaned_data["notice"], by=user_of(request))


def _year(request: HttpRequest) -> int:
    text = request.GET.get("year") or str(timezone.localdate().year)
    if not (text.isdecimal() and len(text) == 4):
        raise Http404
    year = int(text)
    if not calendar_import.FIRST_YEAR <= year <= calendar_import.LAST_YEAR:
        raise Http404
    return year
