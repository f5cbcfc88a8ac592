"""The headings of an uploaded workbook: what each means, and choosing it by hand."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from django import forms
from django.contrib import messages
from django.db import transaction
from django.shortcuts import get_object_or_404, redirect, render
from openpyxl.utils import get_column_letter

from transfers.imports import choices, columns, matching, sessions
from transfers.models import ImportBatch
from transfers.workflow import Refused
from xianning.access import user_of

if TYPE_CHECKING:
    from uuid import UUID

    from django.forms.boundfield import BoundField
    from django.http import HttpRequest, HttpResponse

    from transfers.imports.choices import SheetColumn

SHOWN = 150  # headings that can be explained on one page
State = ImportBatch.State
NOT_NOW = "此次导入已经决定或正在处理，不能再核对表头。"
NOTHING = "此次导入没有读到表头。请按页面上的提示改正文件后重新上传。"
SAVED = "表头的含义已记住，以后贵单位的文件都按此读取。正在重新检查。"
_STATES = {
    "found": "已对上", "chosen": "已指明", "left out": "已指明不读取", "ignored": "不需要读取",
    "unknown": "没有对上", "doubled": "与另一列重复",
}  # fmt: skip


def _offered() -> list[tuple[str, Any]]:
    """不读取, and all columns by the section of the form."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for column in columns.COLUMNS:
        sections.setdefault(column.section, []).append(
            (column.field, matching.full_heading(column))
        )
    return [("", "不读取"), *sections.items()]


class Line(NamedTuple):
    """A heading on the page: where it stands, what is below it, and what it means or may mean."""

    places: str
    heading: str
    examples: str
    state: str
    needs_a_look: bool
    field: BoundField | None
    means: str


class ColumnsForm(forms.Form):
    """For each heading one choice; a heading that stands in several sheets is asked once.

    Without EVERYTHING only those are asked that are not plain: unknown, doubled, chosen by hand.
    A form that was sent asks all, so that two that contradict each other can both be changed; what
    was not on the sent page stays as it is.
    """

    def __init__(
        self, sent: Any = None, *, columns: list[SheetColumn], everything: bool = False
    ) -> None:
        now = {_name_of(column["key"]): column["field"] for column in reversed(columns)}
        super().__init__(None if sent is None else now | {name: sent[name] for name in sent})
        everything = everything or sent is not None
        self.columns = columns
        self.by_key: dict[str, list[SheetColumn]] = {}
        for column in columns:
            self.by_key.setdefault(column["key"], []).append(column)
        options = _offered()
        asked = sorted(self.by_key, key=self._is_plain)
        if not everything:
            asked = [key for key in asked if not self._is_plain(key)]
        self.names = {key: _name_of(key) for key in asked[:SHOWN]}
        self.left = len(asked) - len(self.names)
        for key, name in self.names.items():
            heading = self.by_key[key][0]["heading"]
            self.fields[name] = forms.ChoiceField(
                label=f"“{heading}”的内容", choices=options, required=False,
                initial=self.by_key[key][0]["field"],
                error_messages={"invalid_choice": "请从列表中选择。"},
            )  # fmt: skip

    def _is_plain(self, key: str) -> bool:
        """Whether nobody need look: found, or of no use, wherever it stands."""
        same = self.by_key[key]
        taken = {c["automatic"] for c in self.columns if c["how"] == "doubled"}
        return all(
            c["how"] == "ignored" or (c["how"] == "found" and c["field"] not in taken) for c in same
        )

    @property
    def chosen(self) -> dict[str, str]:
        """Key of a heading → field or nothing; what is of no use anyway needs no choice."""
        found = {key: self.cleaned_data[name] for key, name in self.names.items()}
        return {
            key: name
            for key, name in found.items()
            if name or any(c["how"] != "ignored" for c in self.by_key[key])
        }

    @property
    def lines(self) -> list[Line]:
        """All headings, those first that need a look."""
        found = [self._line(key) for key in self.by_key]
        return sorted(found, key=lambda line: not line.needs_a_look)

    def _line(self, key: str) -> Line:
        same = self.by_key[key]
        first = same[0]
        examples = list(dict.fromkeys(words for c in same for words in c["examples"]))
        how = next((c["how"] for c in same if c["how"] in ("unknown", "doubled")), first["how"])
        name = self.names.get(key)
        means = columns.BY_FIELD.get(first["field"])
        return Line(
            places="、".join(f"{c['sheet']} {get_column_letter(c['place'] + 1)}" for c in same[:4]),
            heading=first["heading"],
            examples="、".join(examples[: choices.EXAMPLES]),
            state=_STATES.get(how, how),
            needs_a_look=how in ("unknown", "doubled"),
            field=self[name] if name else None,
            means=matching.full_heading(means) if means else "不读取",
        )


def _name_of(key: str) -> str:
    """Name of the input: the report may have changed since the page was sent."""
    return f"column_{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def import_columns(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What each heading of the uploaded file means; a choice is kept for the enterprise."""
    rows = ImportBatch.objects.visible_to(user_of(request)).select_related("enterprise", "job")
    batch = get_object_or_404(rows, pk=pk)
    found = cast("list[SheetColumn]", sessions.report_of(batch).get("columns") or [])
    if reason := _why_not(batch, found):
        messages.error(request, reason)
        return redirect(batch)
    is_sent = request.method == "POST"
    everything = is_sent or "all" in request.GET
    form = ColumnsForm(request.POST if is_sent else None, columns=found, everything=everything)
    if is_sent and form.is_valid():
        try:
            _save(request, batch, form)
        except Refused as reason:
            form.add_error(None, str(reason))
        else:
            messages.success(request, SAVED)
            return redirect(batch)
    context = {"batch": batch, "form": form, "everything": everything, "shown": SHOWN}
    return render(request, "transfers/import_columns.html", context, status=422 if is_sent else 200)


def may_choose(batch: ImportBatch) -> bool:
    """Whether the headings of the file can be looked at and explained now."""
    return _why_not(batch, sessions.report_of(batch).get("columns") or []) is None


def may_help(batch: ImportBatch) -> bool:
    """Whether a heading that was not understood could be the column that is missed."""
    columns = sessions.report_of(batch).get("columns") or []
    return may_choose(batch) and any(column["how"] == "unknown" for column in columns)


def _why_not(batch: ImportBatch, found: list[SheetColumn]) -> str | None:
    """Why no headings can be chosen now, as a sentence; None when they can."""
    if batch.state not in (State.CHECKED, State.FAILED) or not batch.file:
        return NOT_NOW
    return None if found else NOTHING


@transaction.atomic
def _save(request: HttpRequest, batch: ImportBatch, form: ColumnsForm) -> None:
    """Keep the choice and check the file by it, both or neither. Raises workflow.Refused."""
    user = user_of(request)
    choices.save(batch.enterprise, form.chosen, user, form.columns)
    sessions.check_again(batch, by=user)
