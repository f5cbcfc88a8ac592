"""The 名单 as a workbook: one column list reads it and writes the template.

The rows go through the form of the page. Between preview and confirmation they travel in a signed
token, so that nothing lies about when nobody confirms.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.core import signing
from django.db import transaction
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

from enterprises.forms import EnterpriseForm, Places
from enterprises.models import Enterprise
from xianning import standards, workbook
from xianning.fields import body_name
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xianning.models import User
    from xianning.workbook import Cell, Row, Sheet

MAX_ROWS = 5000
HEADING_ROWS = 15  # the headings stand somewhere in the first rows, below titles
AN_HOUR = 3600


@dataclass(frozen=True)
class Column:
    """One column of the 名单: its heading, the field, other usual headings, what to write there."""

    heading: str
    name: str
    width: int
    hint: str
    aliases: tuple[str, ...] = ()
    text_only: bool = False  # a number cell may have lost digits
    choices: tuple[str, ...] = ()


COLUMNS = (
    Column("企业名称", "name", 30, "必填，按营业执照全称", ("单位名称", "移交单位")),
    Column("统一社会信用代码", "credit_code", 22, "18 位，设为文本格式；老企业可填注册号或组织机构代码",
           ("信用代码", "社会信用代码"), text_only=True),
    Column("企业层级", "level", 12, "必填", ("层级",), choices=tuple(map(str, Enterprise.Level.labels))),
    Column("出资人", "investor", 18, "履行出资人职责的机构", ("履行出资人职责机构",)),
    Column("一级集团公司", "group", 18, "没有可不填", ("集团公司", "集团公司(一级)")),
    Column("上级企业", "parent_company", 18, "没有可不填"),
    Column("控股类型", "holding", 12, "必填；参股企业不纳入（第二条）",
           choices=tuple(map(str, Enterprise.Holding.labels))),
    Column("注册地", "registered_place", 16, "营业执照上的住所"),
    Column("实际所在县市区", "county", 16, "必填，如 咸安区", ("企业所在地", "所在县市区", "所在地")),
    Column("经营状态", "status", 12, "不填为正常经营", ("状态",),
           choices=tuple(map(str, Enterprise.Status.labels))),
    Column("主管部门", "department", 22, "破产、改制、注销企业必填，由其作为移交主体（第四条）",
           ("原主管部门",)),
    Column("联系人", "contact", 10, "企业或原主管部门的经办人"),
    Column("联系人电话", "phone", 16, "设为文本格式", ("联系电话", "电话"), text_only=True),
    Column("退休人数底数", "retiree_count", 12, "整数", ("退休人员底数", "退休人数")),
    Column("协议号", "agreement_number", 16, "已签移交协议的填写", ("移交协议号",), text_only=True),
    Column("协议签订日期", "agreement_on", 14, "如 2020-10-14", ("协议日期",)),
    Column("纳入日期", "listed_on", 14, "不填为确认之日"),
    Column("名单所属地区", "authority", 14, "只任职于一个国资部门的可不填", ("名单地区",)),
)  # fmt: skip
BY_HEADING = {word: column for column in COLUMNS for word in (column.heading, *column.aliases)}
HEADING_OF = {column.name: column.heading for column in COLUMNS}
# Columns of our own roster that follow from the others.
DERIVED = {"序号", "移交主体", "确认日期", "人社签收日期", "通报人社日期", "备注"}


@dataclass(frozen=True)
class Problem:
    """A wrong cell by the user's own row and heading; no row: the whole sheet or file."""

    sheet: str
    row: int | None
    column: str
    message: str


@dataclass(frozen=True)
class Line:
    """A row as it will be saved: new, changed (with what), or the same as on the list."""

    number: int
    form: EnterpriseForm
    changes: list[tuple[str, str]]

    @property
    def entry(self) -> Enterprise | None:
        return self.form.enterprise

    @property
    def preview(self) -> Enterprise:
        """The enterprise as it will stand on the list."""
        return Enterprise(**self.form.facts())

    @property
    def state(self) -> str:
        if self.entry is None:
            return "新增"
        return "更改" if self.changes else "不变"


Cells = list[tuple[int, dict[str, str]]]  # row number, text by field


@dataclass
class Checked:
    """What a workbook would do: its lines, its wrong cells, the headings that mean nothing here."""

    sheet: str
    cells: Cells
    lines: list[Line] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def count(self, state: str) -> int:
        return sum(line.state == state for line in self.lines)

    @property
    def summary(self) -> str:
        """新增 3 家，更改 1 家，不变 12 家."""
        return "，".join(f"{word} {self.count(word)} 家" for word in ("新增", "更改", "不变"))

    @property
    def changes_confirmed(self) -> bool:
        """Whether an enterprise that is confirmed already would change."""
        return any(line.entry and line.entry.confirmed_at and line.changes for line in self.lines)

    @property
    def has_unconfirmed(self) -> bool:
        return any(line.entry is None or line.entry.confirmed_at is None for line in self.lines)


# --- reading ------------------------------------------------------------------------------------


def check(data: bytes, file_name: str, user: User) -> Checked:
    """Read the workbook and check every row; nothing is saved.

    Raises sandbox.Rejected or sandbox.SandboxError when the file cannot be read, with a sentence.
    """
    sheet, headings = _find(workbook.read(data, file_name))
    found = Checked(sheet.name, [])
    columns = _columns(headings, found)
    for row in sheet.rows:
        if row.number > headings.number:
            texts = _texts(row, columns, found)
            if texts:
                found.cells.append((row.number, texts))
    if not found.cells and not found.problems:
        raise Rejected("表头下面没有数据。请从表头的下一行起填写企业。")
    if len(found.cells) > MAX_ROWS:
        raise Rejected(f"名单超过 {MAX_ROWS} 行，请分成几个文件导入。")
    _check_rows(found, user)
    return found


def _find(sheets: Iterable[Sheet]) -> tuple[Sheet, Row]:
    """The first visible sheet with a row of headings, and that row."""
    for sheet in sheets:
        if sheet.hidden:
            continue
        for row in sheet.rows:
            words = {_heading(cell) for cell in row.cells()}
            if row.number <= HEADING_ROWS and len(words & BY_HEADING.keys()) >= 3:
                return sheet, row
    raise Rejected("找不到表头。第一行须有“企业名称”“企业层级”等列名，可先下载模板。")


def _heading(cell: Cell | None) -> str:
    return standards.fold(cell.text).replace(" ", "").rstrip("*") if cell else ""


def _columns(headings: Row, found: Checked) -> dict[int, Column]:
    """Columns by their place; double and missing ones become problems."""
    columns: dict[int, Column] = {}
    for place, cell in enumerate(headings.cells()):
        word = _heading(cell)
        column = BY_HEADING.get(word)
        if column is None:
            if word and word not in DERIVED:
                found.unknown.append(word)
        elif column in columns.values():
            _complain(found, headings.number, column.name, f"“{word}”与另一列重复，请只保留一列。")
        else:
            columns[place] = column
    for column in COLUMNS:
        if column.name in ("name", "level", "holding", "county") and column not in columns.values():
            _complain(found, headings.number, column.name, "缺少这一列。")
    return columns


def _texts(row: Row, columns: dict[int, Column], found: Checked) -> dict[str, str]:
    """Text by field of one row; cells that cannot be text become problems."""
    texts: dict[str, str] = {}
    for place, cell in enumerate(row.cells()):
        column = columns.get(place)
        if cell is None or column is None or not cell.text.strip():
            continue
        if cell.kind in ("error", "formula-without-value", "bool"):
            _complain(found, row.number, column.name, "单元格是公式错误或不是文字，请改填文字。")
        elif cell.kind == "number" and column.text_only:
            _complain(
                found, row.number, column.name,
                "单元格是数字格式，号码可能已失真；请设为文本格式后重新填写完整号码。",
            )  # fmt: skip
        texts[column.name] = cell.text.strip()
    return texts


def _complain(found: Checked, row: int | None, name: str, message: str) -> None:
    found.problems.append(Problem(found.sheet, row, HEADING_OF.get(name, ""), message))


# --- checking -----------------------------------------------------------------------------------


def _check_rows(found: Checked, user: User) -> None:
    """Each row through the form of the page, as a new entry or as a change of the known one."""
    places = Places(user)
    known = _Known(user)
    wrong = {(problem.row, problem.column) for problem in found.problems}
    seen: dict[tuple[str, str], int] = {}
    for number, texts in found.cells:
        entry = known.find(texts)
        form = EnterpriseForm(_overlay(entry, texts), places=places, enterprise=entry)
        if form.is_valid():
            found.lines.append(Line(number, form, form.differences()))
            _check_double(found, number, form, seen)
        for name, messages in form.errors.items():
            for message in messages:
                if (number, HEADING_OF.get(name, "")) not in wrong:
                    _complain(found, number, name, str(message))
        if entry is not None and entry.removed_on:
            _complain(found, number, "name", "此企业已移出名单；如需重新列入，请在该企业页面办理。")
    found.problems.sort(key=lambda problem: problem.row or 0)


class _Known:
    """The entries of my own lists by code and by name."""

    def __init__(self, user: User) -> None:
        mine = [e for e in Enterprise.objects.visible_to(user).select_related("authority", "county")
                if e.is_desk_of("sasac", user)]  # fmt: skip
        self.by_code = {e.credit_code: e for e in mine if e.credit_code}
        self.by_name: dict[str, list[Enterprise]] = {}
        for entry in mine:
            self.by_name.setdefault(entry.name, []).append(entry)

    def find(self, texts: dict[str, str]) -> Enterprise | None:
        """By code; without one, by a name that only one entry has."""
        code = (
            standards.fold(texts.get("credit_code", "")).replace(" ", "").replace("-", "").upper()
        )
        if code:
            return self.by_code.get(code)
        named = self.by_name.get(body_name(texts.get("name", "")), [])
        return named[0] if len(named) == 1 else None


def _overlay(entry: Enterprise | None, texts: dict[str, str]) -> dict[str, Any]:
    """Form data of a row; an empty cell leaves what the list has."""
    if entry is None:
        return dict(texts)
    kept = {name: getattr(entry, name) for name in HEADING_OF}
    return kept | {"authority": entry.authority_id, "county": entry.county_id} | texts


def _check_double(
    found: Checked, number: int, form: EnterpriseForm, seen: dict[tuple[str, str], int]
) -> None:
    facts = form.facts()
    keys = [("name", f"{facts['authority'].pk} {facts['name']}")]
    if facts["credit_code"]:
        keys.append(("credit_code", facts["credit_code"]))
    for name, value in keys:
        if first := seen.get((name, value)):
            _complain(found, number, name, f"与第 {first} 行重复。")
        seen.setdefault((name, value), number)


# --- confirming ---------------------------------------------------------------------------------


def token(found: Checked, user: User) -> str:
    """The rows of a checked workbook, signed for USER and one hour."""
    return signing.dumps([found.sheet, found.cells], salt=_salt(user), compress=True)


def again(sealed: str, user: User) -> Checked | None:
    """The rows of a token, checked against the list as it is now; None when it is not valid."""
    try:
        sheet, cells = signing.loads(sealed, salt=_salt(user), max_age=AN_HOUR)
    except signing.BadSignature:
        return None
    found = Checked(sheet, [(number, texts) for number, texts in cells])
    _check_rows(found, user)
    return found


def _salt(user: User) -> str:
    return f"enterprises.imports.{user.pk}"


@transaction.atomic
def commit(found: Checked, *, by: User, reason: str, confirm: bool) -> int:
    """Write the lines of a workbook without problems; all or nothing. Returns how many changed.

    With CONFIRM the drafts among them are confirmed at once, HR being told once for each list.
    Raises enterprises.models.Refused.
    """
    confirmed: list[Enterprise] = []
    written = 0
    for line in found.lines:
        facts = line.form.facts()
        if line.entry is None:
            entry = Enterprise.enter(by=by, reason="由名单工作簿列入", **facts)
        else:
            entry = line.entry
            entry.amend(by=by, reason=reason or "由名单工作簿更改", **facts)
        written += line.state != "不变"
        if confirm and entry.confirmed_at is None:
            entry.confirm(by=by, tell=False)
            confirmed.append(entry)
    Enterprise.tell_hr_of(confirmed)
    return written


# --- the template -------------------------------------------------------------------------------


def template() -> bytes:
    """An empty workbook with the headings, choices to pick from, and how to fill it in."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "国有企业名单"
    for place, column in enumerate(COLUMNS, start=1):
        letter = get_column_letter(place)
        workbook.write_text(sheet.cell(1, place), column.heading)
        sheet.cell(1, place).font = Font(bold=True)
        sheet.cell(1, place).alignment = Alignment(wrap_text=True, vertical="center")
        sheet.column_dimensions[letter].width = column.width
        for row in range(2, 302):
            sheet.cell(row, place).number_format = "@"
        if column.choices:
            choices = DataValidation(
                type="list", formula1=f'"{",".join(column.choices)}"', allow_blank=True
            )
            choices.add(f"{letter}2:{letter}{MAX_ROWS + 1}")
            sheet.add_data_validation(choices)
    sheet.freeze_panes = "B2"
    _explain(book.create_sheet("填写说明"))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _explain(sheet: Any) -> None:
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 20, 70
    lines = [("列名", "怎样填写"), *((column.heading, column.hint) for column in COLUMNS)]
    for number, words in enumerate(lines, start=1):
        for place, text in enumerate(words, start=1):
            cell = sheet.cell(number, place)
            workbook.write_text(cell, text)
            cell.font = Font(bold=number == 1)
