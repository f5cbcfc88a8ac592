"""Lists of people in workbooks that are odd in one point, and files that are no workbooks at all.

Each is made by hand, with what must come of it: a sentence (or a part of it) for the whole file, or
the wrong rows, or that it is taken.
"""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from functools import partial
from typing import TYPE_CHECKING

from openpyxl import Workbook, load_workbook

from tests.workbooks import saved, table
from tests.xlsx_parts import (
    MAIN,
    OFFICE,
    OLE,
    book,
    packed,
    parts_of,
    row,
    sheet_xml,
    text_cell,
    with_part,
)
from xianning import demo, standards
from xianning.sandbox import MB

if TYPE_CHECKING:
    from collections.abc import Callable

    # How it ends: a part of the sentence for the file, "wrong: …" for rows, or "ok".
    Kind = tuple[Callable[[], bytes], str]

WORDS = ("姓名", "身份证号", "退休年月")
BORN = standards.parse_date("1950-03-08")


def headed(*words: str) -> str:
    """Headings in the first row."""
    return row(1, "".join(text_cell(f"{'ABCDEF'[n]}1", word) for n, word in enumerate(words)))


HEADINGS = headed(*WORDS)


def number(n: int = 0) -> str:
    """The ID number of the Nth made-up person."""
    return standards.make_id_number(demo.REGION, BORN, 400 + n, "1")


def person(
    at: int = 2, name: str = "", id_number: str = "", retired: str = "", more: str = "", n: int = 0
) -> str:
    """A row with a person in the order of HEADINGS; each cell may be given as XML."""
    return row(
        at,
        (name or text_cell(f"A{at}", "演示人"))
        + (id_number or text_cell(f"B{at}", number(n)))
        + (retired or text_cell(f"C{at}", "2010-05"))
        + more,
    )


def listed(*rows: str, **changes: str) -> bytes:
    return book(HEADINGS + "".join(rows), **changes)


def raw(reference: str, value: str, kind: str = "n", style: int = 0) -> str:
    return f'<c r="{reference}" s="{style}" t="{kind}"><v>{value}</v></c>'


def changed(part: str, old: str, new: str) -> bytes:
    """A good list with OLD replaced in one of its parts."""
    parts = parts_of(HEADINGS + person())
    content = parts[part]
    assert isinstance(content, str)
    assert old in content
    return packed({**parts, part: content.replace(old, new)})


def sheets(*named: tuple[str, str]) -> bytes:
    """Sheets with a name and a state, the first with a list, the others empty."""
    made = Workbook()
    made.remove(made.active)
    for n, (title, state) in enumerate(named):
        sheet = made.create_sheet(title)
        sheet.sheet_state = state
        if not n:
            sheet.append(WORDS)
            sheet.append(("演示人", number(), "2010-05"))
    return saved(made)


def merged_names() -> bytes:
    """One name merged over two people: the second has none of his own."""
    made = load_workbook(
        io.BytesIO(table([*WORDS], ["甲", number(), "2010-05"], [None, number(1), "2010-05"]))
    )
    made.active.merge_cells("A2:A3")
    return saved(made)


def other_zip(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return out.getvalue()


def noise(size: int) -> bytes:
    return random.Random(9).randbytes(size)


def with_picture() -> bytes:
    return with_part("xl/media/image1.png", noise(39 * MB), HEADINGS + person())


def dated(value: str) -> bytes:
    return listed(person(retired=raw("C2", value, style=1)))


DATES = ("2995000", "-5", "60", "NaN", "inf", "1e300", "99999999999999999999", "0.5", "1e999")
ODD_LISTS: dict[str, Kind] = {
    "a good list": (lambda: listed(person()), "ok"),
    **{f"E16 date {d}": (partial(dated, d), "wrong: 退休年月") for d in DATES},
    "E16 retired as a number": (lambda: listed(person(retired=raw("C2", "2010.1"))), "wrong: 1 月还是 10 月"),
    "E17 ID as a number": (lambda: listed(person(id_number=raw("B2", number()[:17] + "0"))), "wrong: 数字格式"),
    "E17 ID as 4.21E+17": (lambda: listed(person(id_number=raw("B2", "4.21299E+17"))), "wrong: 数字格式"),
    "E17 ID damaged, text": (
        lambda: listed(person(id_number=text_cell("B2", "4.21299195003E+17"))),
        "wrong: 改成数字"),
    "ID ends in 000": (
        lambda: listed(person(id_number=text_cell("B2", "421299195003088000"))), "wrong: 末几位"),
    "ID as a boolean": (lambda: listed(person(id_number=raw("B2", "1", "b"))), "wrong: 逻辑值"),
    "ID as an error": (lambda: listed(person(id_number=raw("B2", "#N/A", "e"))), "wrong: 公式错误"),
    "ID as a formula without result": (
        lambda: listed(person(id_number='<c r="B2"><f>A9</f></c>')), "wrong: 没有计算结果"),
    "retired as an error": (lambda: listed(person(retired=raw("C2", "#REF!", "e"))), "wrong: 公式错误"),
    "calendar of 1904": (
        lambda: listed(person(retired=raw("C2", "38837", style=1)),
                       properties='<workbookPr date1904="1"/>'), "ok"),
    "only a hidden sheet": (lambda: sheets(("全民", "hidden"), ("说明", "visible")), "取消隐藏"),
    "only a very hidden sheet": (lambda: sheets(("全民", "veryHidden"), ("说明", "visible")), "取消隐藏"),
    "names of sheets that are markup": (lambda: sheets(("<script>&'\"", "visible")), "ok"),
    "very long formula": (lambda: listed(person(more=f'<c r="D2"><f>{"1+" * 400_000}1</f></c>')), "ok"),
    "very long name": (lambda: listed(person(name=text_cell("A2", "长" * 32_000))), "wrong: 姓名"),
    "very long heading": (
        lambda: book(headed(*WORDS, "列" * 32_000) + person()), "ok"),
    "name as a command": (
        lambda: listed(person(name=text_cell("A2", "=cmd|' /C calc'!A0"))), "wrong: 姓名"),
    "name of invisible characters": (
        lambda: listed(person(name=text_cell("A2", "\u200b\u2060\ufeff"))), "wrong: 请填写"),
    "name of controls": (lambda: listed(person(name=text_cell("A2", "_x0007_张_x0000_"))), "wrong: 姓名"),
    "name lost to question marks": (lambda: listed(person(name=text_cell("A2", "张??"))), "wrong: 生僻字"),
    "a person twice": (lambda: listed(person(), person(3)), "wrong: 重复"),
    "a cadre": (
        lambda: book(headed(*WORDS, "退休类别") + person(more=text_cell("D2", "离休"))),
        "wrong: 第二条"),
    "names merged over two people": (merged_names, "wrong: 请填写"),
    "headings twice": (
        lambda: book(headed(*WORDS, "证件号码") + person()), "与另一列重复"),
    "headings without people": (lambda: listed(), "没有退休人员"),
    "headings of page two": (lambda: listed(person(), HEADINGS.replace("1", "3"), person(4, n=1)), "ok"),
    "headings in row 39": (lambda: book(HEADINGS.replace('1"', '39"') + person(40)), "ok"),
    "headings in row 60": (lambda: book(HEADINGS.replace('1"', '60"') + person(61)), "没有找到“姓名”"),
    "no retired column": (lambda: table(["姓名", "身份证号"], ["演示人", number()]), "缺少“退休年月”列"),
    "no ID column": (lambda: table(["姓名", "性别", "民族"], ["演示人", "男", "汉"]), "没有“身份证号”列"),
    "unknown headings": (lambda: table(["甲", "乙", "丙"], ["演示人", number(), "2010-05"]), "核对表头"),
    "people without headings": (lambda: table(["演示人", number(), "2010-05"]), "没有找到“姓名”"),
    "an empty sheet": (lambda: book(), "没有找到“姓名”"),
    "totals only": (lambda: listed(row(2, text_cell("A2", "合计") + raw("B2", "0"))), "没有退休人员"),
    "a person in row 101,000": (lambda: listed(person(101_000)), "ok"),
    "50,000 empty rows between": (
        lambda: listed("".join(f'<row r="{n}"/>' for n in range(2, 50_000)), person(50_000)), "ok"),
    "1,048,000 styled rows below": (
        lambda: listed(person(), "".join(f'<row r="{n}" s="1"/>' for n in range(3, 1_048_000))), "ok"),
    "100,000 strings nobody uses": (
        lambda: listed(person(), strings="<si><t>x</t></si>" * 100_000), "ok"),
    "10,000 date formats": (
        lambda: listed(person(), styles='<xf numFmtId="0"/>' * 10_000), "ok"),
    "a number format of 100,000 characters": (
        lambda: listed(person(retired=raw("C2", "40299", style=1)), styles='<xf numFmtId="0"/>'
                       '<xf numFmtId="200"/>', formats='<numFmt numFmtId="200" formatCode="yyyy'
                       + "x" * 100_000 + '"/>'), "ok"),
    "strict namespaces": (
        lambda: changed("xl/worksheets/sheet1.xml", MAIN,
                        "http://purl.oclc.org/ooxml/spreadsheetml/main"), "ok"),
    "shared strings missing": (
        lambda: packed({name: content for name, content in parts_of(
            HEADINGS + person(name=raw("A2", "0", "s"))).items() if "Strings" not in name}), "损坏"),
    "string index with a fraction": (lambda: listed(person(name=raw("A2", "1.5", "s"))), "损坏"),
    "boolean that is none": (lambda: listed(person(name=raw("A2", "maybe", "b"))), "损坏"),
    "sheet that is a chart": (
        lambda: changed("xl/_rels/workbook.xml.rels", f"{OFFICE}/worksheet", f"{OFFICE}/chartsheet"),
        "没有可以读取的工作表"),
    "row numbers backwards": (lambda: book(person(3) + HEADINGS.replace("1", "2")), "损坏"),
    "unclosed sheet": (lambda: book(sheet=sheet_xml(HEADINGS + person())[:-40]), "损坏"),
    "something after the archive": (lambda: listed(person()) + b"<script>" * 9, "ok"),
    "39 MB of pictures": (with_picture, "ok"),
}  # fmt: skip

NO_WORKBOOKS: dict[str, Kind] = {
    "nothing": (lambda: b"", "0 字节"),
    "one byte": (lambda: b"P", "。"),
    "zeros": (lambda: bytes(5000), "。"),
    "noise": (lambda: noise(5000), "。"),
    "text": (lambda: "姓名,身份证号\n".encode(), "xlsx"),
    "text in GBK": (lambda: "姓名,身份证号\n".encode("gbk"), "xlsx"),
    "web page called a workbook": (lambda: b"<html><table><tr><td>1</td></tr></table></html>", "xlsx"),
    "XML spreadsheet of 2003": (lambda: b'<?xml version="1.0"?><Workbook/>', "xlsx"),
    "old workbook (.xls, .et)": (lambda: OLE + bytes(512) + "Workbook".encode("utf-16-le") + bytes(900), "xls"),
    "old document": (lambda: OLE + bytes(512) + "WordDocument".encode("utf-16-le") + bytes(900), "。"),
    "document (.docx)": (lambda: other_zip("[Content_Types].xml", "word/document.xml"), "。"),
    "open document (.ods)": (lambda: other_zip("mimetype", "content.xml", "META-INF/manifest.xml"), "。"),
    "binary workbook (.xlsb)": (lambda: other_zip("[Content_Types].xml", "xl/workbook.bin"), "。"),
    "archive with a workbook inside": (lambda: other_zip("名单.xlsx"), "。"),
    "empty archive": (lambda: b"PK\x05\x06" + bytes(18), "。"),
    "RAR": (lambda: b"Rar!\x1a\x07\x00" + bytes(900), "。"),
    "gzip": (lambda: gzip.compress(b"x" * 900), "。"),
    "PDF": (lambda: b"%PDF-1.7\n%%EOF", "PDF"),
    "picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(900), "PNG"),
    "photograph": (lambda: b"\xff\xd8\xff\xe0" + bytes(900), "JPEG"),
    "program": (lambda: b"MZ" + bytes(900), "。"),
    "half a list": (lambda: listed(person())[:700], "损坏"),
    "archive behind a web page": (lambda: b"<html>" + listed(person()), "。"),
}  # fmt: skip
