"""The catalogue of a personnel file: typed line by line, or read from a workbook for many people.

While the file is with the enterprise it may be changed, afterwards nobody changes it: the agency
checks the file against it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction

from archives.models import CatalogueEntry
from transfers import workflow
from transfers.models import Transfer
from transfers.refusal import Refused
from xianning import access, standards, tables
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from xianning.models import User

Category = CatalogueEntry.Category
MOST_LINES = 300  # of one file
MOST_ROWS = 5000  # of one workbook


def why_not_change(case: Transfer, by: User) -> str | None:
    """Why BY cannot change the catalogue of CASE, as a sentence; None when he can."""
    row = workflow.rows_of(case)[workflow.DELIVER]
    if not workflow.is_mine(row, by):
        return f"档案目录由移交单位{case.enterprise.transferor}填写（第六条第4项）。"
    if row.state == "done":
        return "档案已移交，目录不能再更改；需要更改的，先撤回或请接收单位退回。"
    return None


class EntryForm(forms.Form):
    """One line, typed on the page or read from a row of a workbook."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, typed in self.fields.items():
            typed.widget.attrs["aria-label"] = typed.label
            if name in ("copies", "pages"):
                typed.widget.attrs["class"] = "form-control cell-number"

    category = forms.ChoiceField(label="类号", choices=[("", "请选择"), *Category.choices])
    title = forms.CharField(label="材料名称", max_length=120)
    made = forms.CharField(label="制成时间", max_length=10, required=False)
    copies = forms.IntegerField(label="份数", min_value=1, max_value=999, initial=1)
    pages = forms.IntegerField(label="页数", min_value=1, max_value=9999, initial=1)
    remarks = forms.CharField(label="备注", max_length=120, required=False)

    def clean_made(self) -> tuple[int | None, int | None, int | None]:
        text = standards.fold(self.cleaned_data["made"]).strip("年月日. -")
        if not text:
            return None, None, None
        for sign in "年月日./":
            text = text.replace(sign, "-")
        parts = [part for part in text.split("-") if part]
        if len(parts) == 1 and len(parts[0]) in (6, 8):  # 198103, 19810312
            parts = [parts[0][:4], parts[0][4:6], parts[0][6:]]
        try:
            numbers = [int(part) for part in parts if part][:3]
        except ValueError:
            numbers = []
        year, month, day = (*numbers, None, None, None)[:3]
        fits = year and 1900 <= year <= 2100 and (month or 1) in range(1, 13)
        if not fits or (day or 1) not in range(1, 32):
            raise ValidationError("请写成 1981、1981-03 或 1981-03-12；不详的不填。")
        return year, month, day

    def entry(self) -> CatalogueEntry:
        """The line of a valid form."""
        data = {name: self.cleaned_data[name] for name in EntryForm.base_fields}
        year, month, day = data.pop("made")
        return CatalogueEntry(year=year, month=month, day=day, **data)


class Lines(forms.BaseFormSet):
    """All lines of one file."""

    def entries(self) -> list[CatalogueEntry]:
        kept = (form for form in self.forms if form not in self.deleted_forms)
        return [form.entry() for form in kept if form.has_changed()]


LinesFormSet = forms.formset_factory(
    EntryForm, formset=Lines, extra=5, can_delete=True, max_num=MOST_LINES, absolute_max=MOST_LINES
)


def initial_of(case: Transfer) -> list[dict[str, Any]]:
    """The catalogue as the page types it."""
    names = ("category", "title", "copies", "pages", "remarks")
    rows = CatalogueEntry.objects.filter(transfer=case).in_order()
    return [{name: getattr(row, name) for name in names} | {"made": day_of(row)} for row in rows]


def day_of(row: CatalogueEntry) -> str:
    """1981-03, as far as it is known."""
    parts = [str(row.year or ""), *(f"{n:02d}" for n in (row.month, row.day) if n)]
    return "-".join(part for part in parts if part)


@transaction.atomic
def save(case: Transfer, lines: list[CatalogueEntry], *, by: User) -> None:
    """Write the whole catalogue of one file. Raises Refused."""
    case = Transfer.objects.select_for_update(of=("self",)).get(pk=case.pk)
    if refusal := why_not_change(case, by):
        raise Refused(refusal)
    CatalogueEntry.replace(case, lines)


# --- from a workbook ------------------------------------------------------------------------------

HEADINGS = ("公民身份号码", "类号", "材料名称", "制成时间", "份数", "页数", "备注")
FIELDS = dict(zip(HEADINGS[1:], EntryForm.base_fields, strict=True))
_ALIASES = {
    "身份证号": "公民身份号码",
    "身份证号码": "公民身份号码",
    "类别": "类号",
    "时间": "制成时间",
}
# A category by its code, its number in words, or its whole name.
_CODES = {
    standards.fold(word).replace(" ", ""): code
    for code, label in Category.choices
    for word in (code, label.partition("　")[0], label, label.partition("　")[2])
}


@dataclass
class Read:
    """What a workbook says: lines by case, and what is wrong in it by row."""

    lines: dict[Any, list[CatalogueEntry]] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)


def read(data: bytes, file_name: str, user: User) -> Read:
    """Every wrong row of the workbook, or the catalogues in it. Raises Rejected with a sentence."""
    found = Read()
    cases: dict[str, Transfer | None] = {}
    for number, texts in tables.rows_under(data, file_name, HEADINGS, needed=3, aliases=_ALIASES):
        _take(found, number, texts, cases, user)
        if sum(map(len, found.lines.values())) > MOST_ROWS:
            raise Rejected(f"一个工作簿最多 {MOST_ROWS} 行，请分开导入。")
    return found


def _take(
    found: Read, number: int, texts: dict[str, str], cases: dict[str, Transfer | None], user: User
) -> None:
    person = standards.fold(texts["公民身份号码"]).upper()
    if person not in cases:
        rows = Transfer.objects.filter(enterprise_id__in=access.scope(user).enterprises)
        mine = rows.with_id_number(person).filter(state=Transfer.State.OPEN)
        cases[person] = mine.select_related("enterprise", "retiree").first()
    case = cases[person]
    if case is None:
        found.problems.append((number, "此身份证号不在本单位办理中的案卷内。"))
        return
    if case.pk not in found.lines and (refusal := why_not_change(case, user)):
        found.problems.append((number, refusal))
        return
    values = {FIELDS[name]: text for name, text in texts.items() if name in FIELDS}
    code = standards.fold(values.get("category", "")).replace(" ", "")
    values["category"] = _CODES.get(code, code)
    for name in ("copies", "pages"):
        values[name] = values.get(name) or "1"
    form = EntryForm(values)
    if form.is_valid():
        found.lines.setdefault(case.pk, []).append(form.entry())
    for name, errors in form.errors.items():
        label = form.fields[name].label
        found.problems.extend((number, f"{label}：{error}") for error in errors or ())


@transaction.atomic
def write(found: Read, *, by: User) -> int:
    """Write the catalogues that were read; how many files have one now."""
    rows = Transfer.objects.select_related("enterprise").filter(pk__in=found.lines)
    for case in rows.order_by("pk"):
        save(case, found.lines[case.pk], by=by)
    return len(found.lines)


def template() -> bytes:
    """An empty workbook with the headings and the categories."""
    return tables.template("人事档案目录", HEADINGS, Category.choices)
