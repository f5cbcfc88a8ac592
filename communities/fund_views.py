"""经费测算: the figures of any day, the standard, and the sheets that were signed for."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from communities import funds
from communities.models import Area, FundSheet, FundStandard
from communities.models.funds import areas_of
from transfers.refusal import Refused
from transfers.waterfall_views import chosen_day
from xianning import access
from xianning.access import user_of
from xianning.downloads import XLSX, download
from xianning.fields import StandardField
from xianning.pages import keyset

if TYPE_CHECKING:
    from django.http import HttpRequest

    from xianning.models import User


class StandardForm(forms.Form):
    """One amount for a few years in a row, with where it is written."""

    amount = forms.DecimalField(
        label="人均标准（元/年）", min_value=Decimal("0.01"), max_digits=8, decimal_places=2
    )
    first = forms.IntegerField(label="自哪一年", min_value=funds.FIRST_YEAR, max_value=2100)
    last = forms.IntegerField(label="至哪一年", min_value=funds.FIRST_YEAR, max_value=2100)
    source = StandardField(
        label="依据", max_length=120, help_text="例如 咸财行〔2026〕8号；办法没有规定标准"
    )

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        first, last = found.get("first"), found.get("last")
        if first and last and not first <= last < first + 10:
            self.add_error("last", "不能早于起始年，一次最多设定 10 年。")
        return found


def _place(request: HttpRequest, user: User) -> Area:
    """The division that `?in=` names, inside mine; else the first of mine."""
    mine = areas_of(user)
    code = request.GET.get("in", "") or min(mine)
    place = get_object_or_404(Area, pk=code)
    if not access.inside(place.code, mine):
        raise Http404
    return place


def _sets_for(user: User, place: Area) -> bool:
    """Whether USER sets the standard of PLACE: its own SASAC does."""
    return place.pk in access.scope(user).areas.get("sasac", frozenset())


@require_GET
def figures(request: HttpRequest) -> HttpResponse:
    """People and money of the divisions below one of mine, on any day; the sheets made of them."""
    user, day = user_of(request), chosen_day(request) or timezone.localdate()
    return _page(request, _place(request, user), day)


def _page(
    request: HttpRequest, place: Area, day: date, status: int = 200, **typed: Any
) -> HttpResponse:
    user = user_of(request)
    lines = funds.lines_of(place, day)
    people, amount = funds.total(lines)
    mine = areas_of(user)
    above = [a for a in _above(place) if access.inside(a.code, mine)]
    sheets = FundSheet.objects.visible_to(user).filter(area=place).select_related("made_by")
    query = f"&on={day}" if day != timezone.localdate() else ""
    context = {
        "place": place, "chosen": place.name if request.GET.get("in") else "", "day": day,
        "lines": lines, "people": people, "amount": amount,
        "above": above, "query": query, "page": keyset(request, sheets),
        "standards": FundStandard.objects.filter(area=place).select_related("set_by")[:20],
        "form": StandardForm() if _sets_for(user, place) else None,
        "today": timezone.localdate(),
    } | typed  # fmt: skip
    return render(request, "communities/funds.html", context, status=status)


def _above(place: Area) -> list[Area]:
    found: list[Area] = []
    area = place.parent
    while area is not None:
        found.insert(0, area)
        area = area.parent
    return found


@require_POST
def standard(request: HttpRequest, pk: str) -> HttpResponse:
    """Set the standard of my division."""
    user, place = user_of(request), get_object_or_404(Area, pk=pk)
    if not access.inside(place.code, areas_of(user)):
        raise Http404
    if not _sets_for(user, place):
        raise PermissionDenied
    form = StandardForm(request.POST)
    if not form.is_valid():
        return _page(request, place, timezone.localdate(), 422, form=form)
    facts = form.cleaned_data
    years = range(facts["first"], facts["last"] + 1)
    funds.set_standard(place, by=user, years=years, amount=facts["amount"], source=facts["source"])
    messages.success(request, f"已设定 {len(years)} 个年度的人均标准。")
    return redirect(f"{reverse('communities:funds')}?in={place.pk}")


@require_POST
def fix(request: HttpRequest, pk: str) -> HttpResponse:
    """Keep the figures of a day under a number."""
    user, place = user_of(request), get_object_or_404(Area, pk=pk)
    if not access.inside(place.code, areas_of(user)):
        raise Http404
    try:
        day = date.fromisoformat(request.POST.get("day", ""))
        sheet = funds.fix(place, by=user, day=day)
    except (ValueError, Refused) as reason:
        messages.error(request, str(reason) if isinstance(reason, Refused) else "日期无法识别。")
        return redirect(f"{reverse('communities:funds')}?in={place.pk}")
    messages.success(request, f"已定稿：{sheet}。")
    return redirect("communities:fund_sheet", sheet.pk)


@require_GET
def sheet(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A sheet that was kept, as page, workbook or paper."""
    rows = FundSheet.objects.visible_to(user_of(request)).select_related("area", "made_by")
    found = get_object_or_404(rows, pk=pk)
    kind = request.GET.get("format", "")
    if kind == "xlsx":
        return download(funds.to_xlsx(found), f"{found}.xlsx", XLSX)
    if kind == "pdf":
        return download(funds.to_pdf(found), f"{found}.pdf", "application/pdf")
    context = {"sheet": found, "lines": funds.kept_lines(found)}
    return render(request, "communities/fund_sheet.html", context)
