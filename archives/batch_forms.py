"""What is typed on the page of a batch: a row of fields for each file, and what holds for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from archives import batches
from archives.forms import CountsForm
from archives.models import PersonnelFile
from transfers import handovers
from transfers.choices import ReturnReason
from transfers.forms import not_in_future
from transfers.models.handovers import Counts, Handover, HandoverItem
from transfers.refusal import Refused
from xianning.fields import DayField

if TYPE_CHECKING:
    from datetime import date

    from xianning.models import User

SMALL = "form-control cell-number"
RETURNS = ("missing", "wrong_facts", "wrong_place", "not_signed", "other")


class PackRow(CountsForm):
    """One file while the enterprise packs."""

    leave = forms.BooleanField(label="移出此批", required=False)

    def __init__(
        self, *args: Any, item: HandoverItem, listed: Counts | None = None, **kwargs: Any
    ) -> None:
        self.item = item
        missing = item.file.missing.replace("；", "\n")
        counts = item.counts if item.pieces or listed is None else listed
        start = {name: count or None for name, count in counts._asdict().items()}
        kwargs["initial"] = start | {"missing": missing, "duplicates": item.duplicates}
        kwargs["prefix"] = str(item.pk)
        super().__init__(*args, **kwargs)
        self.fields["pieces"].required = False  # not counted yet; it is asked for when it is sent
        for name, field in self.fields.items():
            field.widget.attrs["aria-label"] = f"{item.name}：{field.label}"
            if name in Counts._fields:
                field.widget.attrs["class"] = SMALL
        self.fields["missing"].widget.attrs |= {"class": "form-control", "rows": 1}

    def save(self, by: User) -> None:
        if self.cleaned_data["leave"]:
            batches.take_out(self.item, by=by)
        elif self.has_changed() or self.counts != self.item.counts:
            missing = self.cleaned_data["missing"]
            batches.recount(self.item, by=by, counts=self.counts, missing=missing)


class CheckRow(forms.Form):
    """One file while the agency checks: what it decides, what arrived, its own number and shelf."""

    decision = forms.ChoiceField(
        label="结果", required=False,
        choices=[("", "待查"), ("accept", "接收"),
                 *((code, f"退回：{ReturnReason(code).label}") for code in RETURNS)],
    )  # fmt: skip
    volumes = forms.IntegerField(label="实收正本", min_value=0, max_value=99)
    duplicates = forms.IntegerField(label="实收副本", min_value=0, max_value=99)
    pieces = forms.IntegerField(label="实收材料", min_value=0, max_value=9999)
    pages = forms.IntegerField(label="实收页数", min_value=0, max_value=99999)
    number = forms.CharField(label="档案编号", max_length=40, required=False)
    location = forms.CharField(label="库/柜/层", max_length=60, required=False)
    words = forms.CharField(label="附注、差异或退回说明", max_length=200, required=False)

    def __init__(self, *args: Any, item: HandoverItem, **kwargs: Any) -> None:
        self.item = item
        kwargs["initial"] = item.counts._asdict()
        kwargs["prefix"] = str(item.pk)
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            kind = "form-select" if name == "decision" else "form-control"
            small = " cell-number" if name in Counts._fields else ""
            field.widget.attrs |= {
                "aria-label": f"{item.name}：{field.label}", "class": kind + small,
            }  # fmt: skip
            if not small and name != "decision":
                field.widget.attrs["placeholder"] = field.label

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        chosen, words = data.get("decision", ""), data.get("words", "").strip()
        if self.errors or not chosen:
            return data
        if chosen != "accept":
            if not words:
                self.add_error("words", "请写明要补什么、改什么。")
            return data
        if (differs := handovers.differences(self.item, self.got)) and not words:
            self.add_error("words", f"{'；'.join(differs)}：请说明差异，或选择退回。")
        return data

    @property
    def got(self) -> Counts:
        return Counts(**{name: self.cleaned_data[name] for name in Counts._fields})

    def decided(self, number: str = "", location: str = "") -> batches.Decision:
        """The decision of a valid row; NUMBER and LOCATION hold where the row names none."""
        data = self.cleaned_data
        words = data["words"].strip()
        if data["decision"] != "accept":
            return batches.Decision(self.item, code=data["decision"], words=words)
        return batches.Decision(
            self.item, words=words, got=self.got, number=data["number"].strip() or number,
            location=data["location"].strip() or location,
        )  # fmt: skip


class CheckHead(forms.Form):
    """What holds for every file that is accepted on this page."""

    accepted_on = DayField(label="接收日期", initial=timezone.localdate)
    accepted_by = forms.CharField(label="接收人", max_length=50)
    first_number = forms.CharField(
        label="档案编号从此号起依次编排", max_length=40, required=False,
        help_text="以数字结尾，例如 2026-0001；行内另写编号的，以行内为准",
    )  # fmt: skip
    shelf = forms.CharField(
        label="存放位置（库/柜/层）", max_length=60, required=False, help_text="例如 2库/15柜/3层"
    )
    rest = forms.BooleanField(label="其余待查的全部接收（数量与转递单一致）", required=False)

    def clean_accepted_on(self) -> date | None:
        return not_in_future(self.cleaned_data["accepted_on"], "接收日期")

    def clean_first_number(self) -> str:
        first: str = self.cleaned_data["first_number"].strip()
        if first:
            try:
                next(batches.numbers_from(first))
            except Refused as reason:
                raise ValidationError(str(reason)) from None
        return first


class CheckPage:
    """The head and the rows together: valid or not, and what they decide."""

    def __init__(self, handover: Handover, data: Mapping[str, Any] | None = None) -> None:
        waiting = handover.items.filter(state=HandoverItem.State.WAITING)
        items = list(waiting.select_related("transfer__retiree", "file"))
        self.handover = handover
        self.head = CheckHead(data)
        self.rows = [CheckRow(data, item=item) for item in items]

    def is_valid(self) -> bool:
        """Whether everything can be done; says beside the field what cannot."""
        answers = [self.head.is_valid(), *(row.is_valid() for row in self.rows)]
        if not all(answers):
            return False
        taken = set(
            PersonnelFile.objects.filter(
                area=self.handover.to_area, archive_number__in=self._numbers_typed()
            ).values_list("archive_number", flat=True)
        )
        for row in self._accepted():
            number = row.cleaned_data["number"].strip()
            if number in taken:
                row.add_error("number", "此档案编号已使用，请换一个。")
            elif not number and not self.head.cleaned_data["first_number"]:
                row.add_error("number", "请填写档案编号，或在上方填写起始编号。")
        return not any(row.errors for row in self.rows)

    def _numbers_typed(self) -> list[str]:
        return [n for row in self.rows if (n := row.cleaned_data["number"].strip())]

    def _accepted(self) -> list[CheckRow]:
        if self.head.cleaned_data["rest"]:
            for row in self.rows:
                row.cleaned_data["decision"] = row.cleaned_data["decision"] or "accept"
        return [row for row in self.rows if row.cleaned_data["decision"] == "accept"]

    def decisions(self) -> list[batches.Decision]:
        """What a valid page decides, each acceptance with its number."""
        head = self.head.cleaned_data
        free = self._free_numbers(head["first_number"])
        made = []
        for row in self.rows:
            data = row.cleaned_data
            if data["decision"]:
                runs = data["decision"] == "accept" and not data["number"].strip()
                made.append(row.decided(next(free) if runs else "", head["shelf"].strip()))
        return made

    def _free_numbers(self, first: str) -> Iterator[str]:
        """The numbers from FIRST on that nobody has and no row names."""
        typed = set(self._numbers_typed())
        files = PersonnelFile.objects.filter(area=self.handover.to_area)
        for number in batches.numbers_from(first) if first else ():
            if number not in typed and not files.filter(archive_number=number).exists():
                yield number
