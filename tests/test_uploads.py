"""Hostile and ordinary files: workbooks, scans, and the text we write ourselves."""

from __future__ import annotations

import io
import random
import resource
import struct
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable
from datetime import date, datetime
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.comments import Comment
from openpyxl.styles import Font
from PIL import Image

from xianning import uploads, workbook
from xianning.sandbox import MB, Rejected
from xianning.uploads import BROKEN_PDF, BROKEN_PICTURE, BROKEN_WORKBOOK, EXTERNAL, LOCKED, MACROS
from xianning.workbook import Cell

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
ENTITIES = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

Parts = dict[str, str | bytes]


# A small writer of workbooks, so that every part can be made wrong


def sheet_xml(data: str = "", after: str = "", before: str = "") -> str:
    return (
        f'{DECLARATION}<worksheet xmlns="{MAIN}" xmlns:r="{OFFICE}">{before}'
        f"<sheetData>{data}</sheetData>{after}</worksheet>"
    )


def text_cell(reference: str, text: str = "x") -> str:
    return f'<c r="{reference}" t="inlineStr"><is><t>{text}</t></is></c>'


def relationships(*rows: tuple[str, str, str]) -> str:
    listed = "".join(
        f'<Relationship Id="{i}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for i, kind, target in rows
    )
    return f'{DECLARATION}<Relationships xmlns="{PACKAGE}/relationships">{listed}</Relationships>'


def parts_of(
    data: str = "",
    *,
    sheet: str | None = None,
    strings: str = "",
    formats: str = "",
    styles: str = '<xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="49"/>',
    properties: str = "",
) -> Parts:
    sheets = '<sheet name="全民" sheetId="1" r:id="rId1"/>'
    return {
        "[Content_Types].xml": f'{DECLARATION}<Types xmlns="{PACKAGE}/content-types"/>',
        "_rels/.rels": relationships(("rId1", "officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": (
            f'{DECLARATION}<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">{properties}'
            f"<sheets>{sheets}</sheets></workbook>"
        ),
        "xl/_rels/workbook.xml.rels": relationships(
            ("rId1", "worksheet", "worksheets/sheet1.xml"),
            ("rId2", "sharedStrings", "/xl/sharedStrings.xml"),
            ("rId3", "styles", "styles.xml"),
        ),
        "xl/worksheets/sheet1.xml": sheet if sheet is not None else sheet_xml(data),
        "xl/sharedStrings.xml": f'{DECLARATION}<sst xmlns="{MAIN}">{strings}</sst>',
        "xl/styles.xml": (
            f'{DECLARATION}<styleSheet xmlns="{MAIN}"><numFmts>{formats}</numFmts>'
            f'<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs>{styles}</cellXfs>'
            "<cellStyles><cellStyle/></cellStyles></styleSheet>"
        ),
    }


def packed(parts: Parts) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def book(data: str = "", **changes: str) -> bytes:
    return packed(parts_of(data, **changes))


def with_part(name: str, content: str | bytes, data: str = "") -> bytes:
    return packed({**parts_of(data or row(1, text_cell("A1"))), name: content})


def row(number: int, cells: str, more: str = "") -> str:
    return f'<row r="{number}"{more}>{cells}</row>'


def first_row(data: bytes) -> list[Cell | None]:
    return workbook.read(data)[0].rows[0].cells()


def only_cell(cell: str, **changes: str) -> Cell | None:
    sheets = workbook.read(book(row(1, cell), **changes))
    return sheets[0].rows[0].cells()[0] if sheets[0].rows else None


def saved(made: Workbook) -> bytes:
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


# Hostile workbooks


@cache
def bomb() -> bytes:
    """1 GB of shared strings in about 1 MB, declared honestly."""
    return with_lie(bytes_inflated=1 << 30, declared=1 << 30)


def with_lie(bytes_inflated: int, declared: int) -> bytes:
    """A member that inflates to more than the directory says."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = b"<si><t>" + b"A" * (MB - 7)
    stream = b"".join(deflater.compress(block) for _ in range(bytes_inflated // MB))
    stream += deflater.flush()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts_of().items():
            if name != "xl/sharedStrings.xml":
                archive.writestr(name, content)
        start = archive.start_dir
        info = zipfile.ZipInfo("xl/sharedStrings.xml")
        info.compress_type, info.CRC = zipfile.ZIP_DEFLATED, 0
        info.compress_size, info.file_size, info.header_offset = len(stream), declared, start
        out.seek(start)
        out.write(info.FileHeader(False) + stream)
        archive.start_dir = out.tell()
        archive.filelist.append(info)
        archive.NameToInfo[info.filename] = info
    return out.getvalue()


def encrypted_ole() -> bytes:
    return OLE + bytes(512) + "EncryptedPackage".encode("utf-16-le") + bytes(512)


def many_members(count: int) -> bytes:
    return packed({**parts_of(), **{f"xl/worksheets/s{n}.xml": "<a/>" for n in range(count)}})


def twice(name: str) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
        warnings.simplefilter("ignore")
        for part, content in [*parts_of().items(), (name, "<other/>")]:
            archive.writestr(part, content)
    return out.getvalue()


def symbolic_link() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for part, content in parts_of().items():
            archive.writestr(part, content)
        link = zipfile.ZipInfo("xl/link.xml")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return out.getvalue()


def patched(data: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """``data`` with the field at ``offset`` of the first such record overwritten."""
    at = data.index(signature) + offset
    return data[:at] + value + data[at + len(value) :]


def sheets_of_one_part(count: int) -> bytes:
    parts = parts_of(row(1, text_cell("A1")))
    listed = "".join(
        f'<sheet name="{n}" sheetId="{n}" r:id="rId{n}"/>' for n in range(100, 100 + count)
    )
    parts["xl/workbook.xml"] = (
        f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{listed}</sheets></workbook>'
    )
    parts["xl/_rels/workbook.xml.rels"] = relationships(
        *((f"rId{n}", "worksheet", "worksheets/sheet1.xml") for n in range(100, 100 + count))
    )
    return packed(parts)


def external_relation(kind: str) -> bytes:
    relation = relationships(("rId1", kind, "file:///c:/other.xlsx")).replace(
        'xlsx"/>', 'xlsx" TargetMode="External"/>'
    )
    return with_part("xl/worksheets/_rels/sheet1.xml.rels", relation)


def merged(ranges: list[str]) -> bytes:
    cells = "".join(f'<mergeCell ref="{r}"/>' for r in ranges)
    return book(sheet=sheet_xml(row(1, text_cell("A1")), f"<mergeCells>{cells}</mergeCells>"))


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
GRID = r"超出了 100000 行 × 100 列的范围"
TOO_LARGE = "解压后超过 200 MB"
A1 = row(1, text_cell("A1"))
PLAIN = book(A1)

HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "E1 corner cells": (
        lambda: book(A1 + row(1048576, text_cell("XFD1048576"))),
        f"单元格 XFD1048576 有内容，{GRID}",
    ),
    "E2 wide": (
        lambda: book("".join(row(n, text_cell(f"A{n}") + text_cell(f"XFD{n}")) for n in (1, 2))),
        f"单元格 XFD1 有内容，{GRID}",
    ),
    "E3 row gap": (
        lambda: book(A1 + row(1048576, text_cell("A1048576"))),
        f"单元格 A1048576 有内容，{GRID}",
    ),
    "E3 without references": (
        lambda: book(A1 + '<row r="1048576"><c><v>1</v></c></row>'),
        f"工作表“全民”的单元格 A1048576 有内容，{GRID}",
    ),
    "column 101": (lambda: book(row(1, text_cell("CW1"))), f"单元格 CW1 有内容，{GRID}"),
    "row 100001": (
        lambda: book(row(100_001, text_cell("B100001"))),
        f"单元格 B100001 有内容，{GRID}",
    ),
    "E4 row 2e9": (
        lambda: book(A1 + row(2_000_000_000, text_cell("A2000000000"))),
        BROKEN_WORKBOOK,
    ),
    "E4 row with 2,000 digits": (lambda: book(A1 + f'<row r="{"9" * 2000}"/>'), BROKEN_WORKBOOK),
    "E6 row 0": (lambda: book(row(0, text_cell("A0"))), BROKEN_WORKBOOK),
    "E6 range as a cell": (lambda: book(row(1, text_cell("A0:B0"))), BROKEN_WORKBOOK),
    "E7 column ZZZZZZZ": (lambda: book(row(1, text_cell("ZZZZZZZ1"))), BROKEN_WORKBOOK),
    "cell in another row": (lambda: book(row(1, text_cell("A5"))), BROKEN_WORKBOOK),
    "the same cell twice": (
        lambda: book(row(1, text_cell("A1") + text_cell("A1", "y"))),
        BROKEN_WORKBOOK,
    ),
    "the same row twice": (lambda: book(A1 + A1), BROKEN_WORKBOOK),
    "E8 billion laughs in the strings": (
        lambda: with_part("xl/sharedStrings.xml", f"{ENTITIES}]><sst><si><t>&i;</t></si></sst>"),
        BROKEN_WORKBOOK,
    ),
    "E9 billion laughs in the sheet": (
        lambda: book(sheet=f"{ENTITIES}]>{sheet_xml(row(1, text_cell('A1', '&i;')))[56:]}"),
        BROKEN_WORKBOOK,
    ),
    "E10 quadratic entity": (
        lambda: book(sheet=f'<!DOCTYPE x [<!ENTITY a "{"a" * 99_999}">]><x>{"&a;" * 9_999}</x>'),
        BROKEN_WORKBOOK,
    ),
    "E11 external entity": (
        lambda: book(sheet='<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'),
        BROKEN_WORKBOOK,
    ),
    "E12 bomb of 1 GB": (bomb, TOO_LARGE),
    "E12 bomb that lies about its size": (lambda: with_lie(300 * MB, 1000), BROKEN_WORKBOOK),
    "E12 bomb below the sum, too tight": (lambda: with_lie(100 * MB, 100 * MB), TOO_LARGE),
    "E13 string index": (lambda: book(row(1, '<c r="A1" t="s"><v>7</v></c>')), BROKEN_WORKBOOK),
    "E13 negative string index": (
        lambda: book(row(1, '<c r="A1" t="s"><v>-1</v></c>'), strings="<si><t>a</t></si>"),
        BROKEN_WORKBOOK,
    ),
    "E18 encrypted": (encrypted_ole, LOCKED),
    "E18 encrypted members": (
        lambda: patched(
            patched(PLAIN, b"PK\x01\x02", 8, b"\x01\x00"), b"PK\x03\x04", 6, b"\x01\x00"
        ),
        LOCKED,
    ),
    "E19 vbaProject": (lambda: with_part("xl/vbaProject.bin", OLE), MACROS),
    "E19 macro sheet": (lambda: with_part("xl/macrosheets/sheet1.xml", "<a/>"), MACROS),
    "E19 macro content type": (
        lambda: with_part(
            "[Content_Types].xml",
            '<Types><Override ContentType="application/vnd.ms-excel.sheet.macroEnabled.main+xml"/>'
            "</Types>",
        ),
        MACROS,
    ),
    "E20 external link": (
        lambda: with_part("xl/externalLinks/externalLink1.xml", "<externalLink/>"),
        EXTERNAL,
    ),
    "E20 DDE formula": (
        lambda: book(row(1, "<c r=\"A1\"><f>cmd|'/c calc'!A0</f><v>1</v></c>")),
        EXTERNAL,
    ),
    "E20 DDE formula after a text": (
        lambda: book(row(1, '<c r="A1"><f>""&amp;MSEXCEL|&apos;x&apos;!A0</f><v>1</v></c>')),
        EXTERNAL,
    ),
    "E20 embedded object": (lambda: with_part("xl/embeddings/oleObject1.bin", OLE), EXTERNAL),
    "E20 data connection": (lambda: with_part("xl/connections.xml", "<connections/>"), EXTERNAL),
    "E20 external picture": (lambda: external_relation("image"), EXTERNAL),
    "E20 external workbook": (lambda: external_relation("externalLinkPath"), EXTERNAL),
    "doubled member": (lambda: twice("xl/worksheets/sheet1.xml"), BROKEN_WORKBOOK),
    "doubled in other letters": (lambda: twice("XL/worksheets/Sheet1.xml"), BROKEN_WORKBOOK),
    "parent folder": (lambda: with_part("xl/../../etc/passwd", "x"), BROKEN_WORKBOOK),
    "absolute path": (lambda: with_part("/etc/passwd", "x"), BROKEN_WORKBOOK),
    "drive letter": (lambda: with_part("c:/windows/x.xml", "x"), BROKEN_WORKBOOK),
    "backslash": (lambda: with_part("xl\\..\\x.xml", "x"), BROKEN_WORKBOOK),
    "symbolic link": (symbolic_link, BROKEN_WORKBOOK),
    "unknown packing": (
        lambda: patched(PLAIN, b"PK\x01\x02", 10, struct.pack("<H", 12)),
        BROKEN_WORKBOOK,
    ),
    "201 members": (lambda: many_members(201), "超过 200 个部件"),
    "10,000 members": (lambda: many_members(10_000), "超过 200 个部件"),
    "10,000 sheets of one part": (lambda: sheets_of_one_part(10_000), "超过 100 个工作表"),
    "two sheets of one part": (lambda: sheets_of_one_part(2), BROKEN_WORKBOOK),
    "65,000 merged ranges": (
        lambda: merged([f"A{n}:B{n}" for n in range(1, 65_001)]),
        "合并单元格超过 20000 处",
    ),
    "merged ranges over each other": (lambda: merged(["A1:XFD1048576"] * 2), BROKEN_WORKBOOK),
    "merged range backwards": (lambda: merged(["B2:A1"]), BROKEN_WORKBOOK),
    "deep XML that never ends": (lambda: book(sheet="<a>" * 200_000), BROKEN_WORKBOOK),
    "UTF-16 by mark": (
        lambda: (
            book(sheet="").replace(b"", b"", 0)
            and with_part("xl/worksheets/sheet1.xml", sheet_xml(A1).encode("utf-16"))
        ),
        BROKEN_WORKBOOK,
    ),
    "UTF-16 without mark": (
        lambda: with_part("xl/worksheets/sheet1.xml", sheet_xml(A1).encode("utf-16-le")),
        BROKEN_WORKBOOK,
    ),
    "UTF-7 declared": (
        lambda: book(sheet=sheet_xml(A1).replace("UTF-8", "UTF-7")),
        BROKEN_WORKBOOK,
    ),
    "GBK declared": (
        lambda: with_part(
            "xl/worksheets/sheet1.xml",
            sheet_xml(row(1, text_cell("A1", "张"))).replace("UTF-8", "GBK").encode("gbk"),
        ),
        BROKEN_WORKBOOK,
    ),
    "not UTF-8": (
        lambda: with_part(
            "xl/worksheets/sheet1.xml", sheet_xml(A1).encode().replace(b"x<", b"\xff<")
        ),
        BROKEN_WORKBOOK,
    ),
    "truncated": (lambda: PLAIN[: len(PLAIN) // 2], BROKEN_WORKBOOK),
    "without its directory": (lambda: PLAIN[:-22], BROKEN_WORKBOOK),
    "zip64 lies": (
        lambda: (
            PLAIN[:-22]
            + b"PK\x06\x07"
            + struct.pack("<LQL", 0, 1 << 60, 1)
            + patched(PLAIN[-22:], b"PK\x05\x06", 16, b"\xff\xff\xff\xff")
        ),
        BROKEN_WORKBOOK,
    ),
    "wrong checksum": (
        lambda: patched(PLAIN, b"PK\x01\x02", 16, b"\x00\x00\x00\x00"),
        BROKEN_WORKBOOK,
    ),
    "data descriptor trick": (
        lambda: patched(PLAIN, b"PK\x03\x04", 26, b"\x05\x00"),
        BROKEN_WORKBOOK,
    ),
    "members on top of each other": (
        lambda: patched(PLAIN, b"PK\x01\x02", 20, struct.pack("<L", len(PLAIN))),
        BROKEN_WORKBOOK,
    ),
    "a cell of 40,000 characters": (
        lambda: book(row(1, text_cell("A1", "长" * 40_000))),
        "超过 32767 个字",
    ),
    "no sheet at all": (lambda: sheets_of_one_part(0), "没有可以读取的工作表"),
    "no main part": (lambda: with_part("_rels/.rels", relationships()), BROKEN_WORKBOOK),
    "sheet part missing": (
        lambda: with_part(
            "xl/_rels/workbook.xml.rels",
            relationships(("rId1", "worksheet", "../../../etc/passwd")),
        ),
        BROKEN_WORKBOOK,
    ),
    "unknown type of cell": (lambda: book(row(1, '<c r="A1" t="q"><v>1</v></c>')), BROKEN_WORKBOOK),
    "larger than 20 MB": (lambda: PLAIN + bytes(20 * MB), "超过上限 20 MB"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_workbook_ends_in_one_clear_sentence(kind: str) -> None:
    make, sentence = HOSTILE[kind]
    data = make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    with pytest.raises(Rejected) as caught:
        workbook.read(data, "名单.xlsx")
    assert sentence in str(caught.value)
    assert str(caught.value).endswith("。")
    assert time.monotonic() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


@pytest.mark.parametrize(
    "kind",
    ["E1 corner cells", "E2 wide", "E3 row gap", "E4 row 2e9", "E7 column ZZZZZZZ", "column 101",
     "row 100001", "E8 billion laughs in the strings", "E12 bomb of 1 GB", "E20 DDE formula"],
)  # fmt: skip
def test_the_check_alone_finds_it_before_any_parser_does(kind: str) -> None:
    make, sentence = HOSTILE[kind]
    with pytest.raises(Rejected) as caught:
        uploads.check_workbook_zip(make())
    assert sentence in str(caught.value)


def test_the_strings_amplified_by_their_cells_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MAX_ANSWER", MB)
    rows = "".join(row(n, f'<c r="A{n}" t="s"><v>0</v></c>') for n in range(1, 101))
    with pytest.raises(Rejected, match="文字合计超过 1 MB"):
        workbook.read(book(rows, strings=f"<si><t>{'长' * 30_000}</t></si>"))


HARMLESS: dict[str, Callable[[], bytes]] = {
    "E5 false dimension": lambda: book(
        sheet=sheet_xml(A1, before='<dimension ref="A1:XFD1048576"/>')
    ),
    "E14 style index": lambda: book(row(1, text_cell("A1").replace("<c ", '<c s="999" '))),
    "E15 cell style without a name": lambda: book(A1),
    "deep XML after the cells": lambda: book(
        sheet=sheet_xml(A1, "<extLst>" + "<a>" * 50_000 + "</a>" * 50_000 + "</extLst>")
    ),
    "phantom rows to the last": lambda: book(
        A1 + "".join(row(n, f'<c r="A{n}" s="2"/>') for n in range(1_046_577, 1_048_577))
    ),
    "phantom columns to the last": lambda: book(
        row(1, text_cell("A1") + "".join(f'<c r="{workbook._letters(n)}1" s="2"/>'
                                         for n in range(2, 16_385)))
    ),
    "phantom cells with an empty value": lambda: book(
        row(1, text_cell("A1") + '<c r="XFC1" s="2"><v></v></c><c r="XFD1"><v/></c>')
    ),
    "prefixed names": lambda: book(
        sheet=f'<x:worksheet xmlns:x="{MAIN}"><x:sheetData><x:row r="1"><x:c r="A1" t="inlineStr">'
        "<x:is><x:t>x</x:t></x:is></x:c></x:row></x:sheetData></x:worksheet>"
    ),
    "100,000 comments": lambda: with_part(
        "xl/comments1.xml", "<comments>" + '<comment ref="A1"/>' * 100_000 + "</comments>"
    ),
    "picture bomb inside": lambda: with_part("xl/media/image1.png", bytes(7 * MB)),
    "drawing with DOCTYPE among the pictures": lambda: with_part(
        "xl/media/image1.svg", '<!DOCTYPE svg PUBLIC "a" "b"><svg/>'
    ),
    "link to a web page": lambda: external_relation("hyperlink"),
    "form controls": lambda: with_part("xl/ctrlProps/ctrlProp1.xml", "<formControlPr/>"),
    "very long formula": lambda: book(
        row(1, text_cell("A1") + f'<c r="B1"><f>{"1+" * 500_000}1</f></c>')
    ),
    "byte order mark": lambda: with_part(
        "xl/worksheets/sheet1.xml", b"\xef\xbb\xbf" + sheet_xml(A1).encode()
    ),
    "no declaration, no references": lambda: book(
        sheet='<worksheet><sheetData><row><c t="inlineStr"><is><t>x</t></is></c></row>'
        "</sheetData></worksheet>"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HARMLESS)
def test_an_odd_but_harmless_workbook_is_read(kind: str) -> None:
    data = HARMLESS[kind]()
    uploads.check_workbook_zip(data)
    [sheet] = workbook.read(data, "名单.XLSX")
    assert [r.number for r in sheet.rows] == [1]
    assert sheet.rows[0].cells()[0] == Cell("text", "x")


# Values


def value(text: str, kind: str = "n", style: int = 0) -> str:
    return f'<c r="A1" s="{style}" t="{kind}"><v>{text}</v></c>'


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (value("19650301"), Cell("number", "19650301")),
        (value("4.2129919650301E+17"), Cell("number", "421299196503010000")),
        (value("421299196503010013"), Cell("number", "421299196503010013")),
        (value("36.600000000000001"), Cell("number", "36.6")),
        (value("1965.3"), Cell("number", "1965.3")),
        (value("1.50"), Cell("number", "1.5")),
        (value("-0.5"), Cell("number", "-0.5")),
        (value("1E-3"), Cell("number", "0.001")),
        (value("-0.0"), Cell("number", "0")),
        (value("007"), Cell("number", "7")),
        (value("1e300"), Cell("number", "1e+300")),
        (value("NaN"), Cell("error", "NaN")),
        (value("INF"), Cell("error", "INF")),
        (value("1e999"), Cell("error", "1e999")),
        (value("1_000"), Cell("error", "1_000")),
        (value("１２"), Cell("error", "１２")),
        (value("1", "b"), Cell("bool", "TRUE")),
        (value("0", "b"), Cell("bool", "FALSE")),
        (value("#N/A", "e"), Cell("error", "#N/A")),
        (value("61", style=1), Cell("date", "1900-03-01")),
        (value("23802", style=1), Cell("date", "1965-03-01")),
        (value("23802.5", style=1), Cell("date", "1965-03-01T12:00:00")),
        (value("23801.999999999", style=1), Cell("date", "1965-03-01")),
        (value("73415", style=1), Cell("date", "2100-12-31")),
        (value("73415.75", style=1), Cell("date", "2100-12-31T18:00:00")),
        (value("60", style=1), Cell("error", "60")),
        (value("73416", style=1), Cell("error", "73416")),
        (value("-5", style=1), Cell("error", "-5")),
        (value("2995000", style=1), Cell("error", "2995000")),
        (value("NaN", style=1), Cell("error", "NaN")),
        (value("INF", style=1), Cell("error", "INF")),
        (value("1e300", style=1), Cell("error", "1e+300")),
        (value("1965-03-01", "d"), Cell("date", "1965-03-01")),
        (value("1965-03-01T08:30:00Z", "d"), Cell("date", "1965-03-01T08:30:00")),
        (value("1065-03-01", "d"), Cell("error", "1065-03-01")),
        (value("谁知道", "d"), Cell("error", "谁知道")),
        (value("007", "str"), Cell("text", "007")),
        (text_cell("A1", " 张三 "), Cell("text", " 张三 ")),
        (text_cell("A1", "a_x000D_&#10;b_x005F_x0041_"), Cell("text", "a\r\nb_x0041_")),
        (text_cell("A1", "_x0000__xD800_"), Cell("text", "_x0000__xD800_")),
        (text_cell("A1", "<![CDATA[<b>]]>&lt;&#x20164;"), Cell("text", "<b><𠅤")),
        (text_cell("A1", "　 \n"), None),
        ('<c r="A1" s="1"/>', None),
        (value("", "str"), None),
        ('<c r="A1"><f>1+1</f><v>2</v></c>', Cell("number", "2", True)),
        ('<c r="A1" s="1"><f>TODAY()</f><v>23802</v></c>', Cell("date", "1965-03-01", True)),
        ('<c r="A1" t="str"><f>B1&amp;""</f><v>张三</v></c>', Cell("text", "张三", True)),
        ('<c r="A1" t="str"><f>IF(1,"")</f><v></v></c>', None),
        ('<c r="A1" t="e"><f>1/0</f><v>#DIV/0!</v></c>', Cell("error", "#DIV/0!", True)),
        ('<c r="A1"><f>1+1</f></c>', Cell("formula-without-value", "=1+1", True)),
        ('<c r="A1"><f>1+1</f><v/></c>', Cell("formula-without-value", "=1+1", True)),
        (
            '<c r="A1" t="inlineStr"><is><r><t>张</t></r><r><rPr/><t>三</t></r>'
            '<rPh sb="0" eb="1"><t>zhang</t></rPh></is></c>',
            Cell("text", "张三"),
        ),
    ],
)
def test_a_cell_is_read_as_the_file_says_it(cell: str, expected: Cell | None) -> None:
    assert only_cell(cell) == expected


def test_shared_strings_are_read_without_their_pronunciation() -> None:
    strings = (
        "<si><t>退休</t></si><si><r><t>张</t></r><r><rPr><b/></rPr><t> 三</t></r>"
        "<rPh><t>ピン</t></rPh></si><si><t/></si>"
    )
    cells = "".join(
        f'<c r="{c}1" t="s"><v>{n}</v></c>' for c, n in zip("ABC", (1, 0, 2), strict=True)
    )
    assert first_row(book(row(1, cells), strings=strings)) == [
        Cell("text", "张 三"),
        Cell("text", "退休"),
    ]


@pytest.mark.parametrize(
    ("code", "is_date"),
    [
        ("yyyy&quot;年&quot;m&quot;月&quot;", True),
        ("[$-804]yyyy/m/d;@", True),
        ("[DBNum1][$-804]yyyy&quot;年&quot;m&quot;月&quot;;@", True),
        ("[h]:mm:ss", True),
        ("yyyy\\-mm", True),
        ("G/通用格式", False),
        ("General", False),
        ("0.00&quot; m&quot;", False),
        ("0_ ;[Red]\\-0\\ ", False),
        ("#,##0.00\\d", False),
        ("[$USD-409]0.00", False),
        ("0.00E+00", False),
        ("@", False),
    ],
)
def test_only_a_date_format_makes_a_date(code: str, is_date: bool) -> None:
    found = only_cell(
        value("23802", style=1),
        formats=f'<numFmt numFmtId="176" formatCode="{code}"/>',
        styles='<xf numFmtId="0"/><xf numFmtId="176"/>',
    )
    assert found == (Cell("date", "1965-03-01") if is_date else Cell("number", "23802"))


@pytest.mark.parametrize("number", [14, 22, 27, 31, 36, 50, 57, 58])
def test_the_built_in_chinese_date_formats_are_known(number: int) -> None:
    styles = f'<xf numFmtId="0"/><xf numFmtId="{number}"/>'
    assert only_cell(value("23802", style=1), styles=styles) == Cell("date", "1965-03-01")


def test_the_calendar_of_1904_is_honoured() -> None:
    properties = '<workbookPr date1904="1"/>'
    assert only_cell(value("22340", style=1), properties=properties) == Cell("date", "1965-03-01")


# Workbooks as offices make them


def test_a_workbook_with_merged_headings_hidden_parts_and_phantom_cells_is_read() -> None:
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    sheet.title = "全民"
    sheet["A1"] = "退休人员信息汇总表"
    sheet.merge_cells("A1:D1")
    sheet["A3"] = "姓名"
    sheet.merge_cells("A3:A4")
    sheet["B3"] = "第一联系人"
    sheet.merge_cells("B3:C3")
    sheet["B4"], sheet["C4"] = "姓名", "联系电话"
    sheet.append([CellRichText("张", TextBlock(InlineFont(b=True), "㛃")), True, 13900000000, None])
    sheet.append(["=A5", date(1965, 3, 1), datetime(2020, 1, 2, 3, 4, 5), 36.6])
    sheet.row_dimensions[6].hidden = True
    sheet["A5"].comment = Comment("备注", "经办人")
    sheet["B5"].hyperlink = "https://example.invalid/"
    sheet["CZ7"].font = Font(bold=True)
    sheet["A200000"].font = Font(bold=True)
    made.create_sheet("大集体").sheet_state = "hidden"
    made.create_chartsheet("图")
    people, collective = workbook.read(saved(made), "名单.xlsx")

    assert (people.name, people.hidden) == ("全民", False)
    assert (collective.name, collective.hidden, collective.rows) == ("大集体", True, [])
    assert sorted(people.merged) == [(1, 1, 1, 4), (3, 1, 4, 1), (3, 2, 3, 3)]
    assert [(r.number, r.hidden) for r in people.rows] == [
        (1, False), (3, False), (4, False), (5, False), (6, True),
    ]  # fmt: skip
    cells = {r.number: r.cells() for r in people.rows}
    assert cells[1] == [Cell("text", "退休人员信息汇总表")]
    assert cells[3] == [Cell("text", "姓名"), Cell("text", "第一联系人")]
    assert cells[4] == [None, Cell("text", "姓名"), Cell("text", "联系电话")]
    assert cells[5] == [
        Cell("text", "张㛃"), Cell("bool", "TRUE"), Cell("number", "13900000000"),
    ]  # fmt: skip
    assert cells[6] == [
        Cell("formula-without-value", "=A5", True),
        Cell("date", "1965-03-01"),
        Cell("date", "2020-01-02T03:04:05"),
        Cell("number", "36.6"),
    ]


def test_a_merged_title_over_the_whole_row_is_cut_to_the_grid() -> None:
    [sheet] = workbook.read(merged(["A1:XFD1", "A200000:B200000"]))
    assert sheet.merged == [(1, 1, 1, uploads.MAX_COLUMNS)]


def test_a_full_sheet_is_read_within_seconds_and_stays_small() -> None:
    made = Workbook(write_only=True)
    sheet = made.create_sheet("全民")
    for number in range(2_000):
        sheet.append([f"第{number}人", *["常住地"] * 48, number])
    data = saved(made)
    started = time.monotonic()
    [read] = workbook.read(data)
    assert time.monotonic() - started < 10
    assert [r.number for r in read.rows] == list(range(1, 2_001))
    assert read.rows[-1].cells()[49] == Cell("number", "1999")
    assert sum(len(r.packed) for r in read.rows) < 2 * MB


# What we write comes back


@given(
    st.lists(
        st.text(st.characters(codec=None), max_size=40)
        | st.sampled_from(
            ["=1+1", "＝A1", "@x", "-1", "\t=1", "_x0041_", "\r\n", "#N/A", "007", "TRUE"]
        )
        | st.from_regex(r"_x[0-9A-F]{4}_", fullmatch=True),
        min_size=20,
        max_size=60,
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_text_written_is_text_read(texts: list[str]) -> None:
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    for number, text in enumerate(texts, 1):
        workbook.write_text(sheet.cell(number, 1), text)
    found = {r.number: r.cells() for r in workbook.read(saved(made))[0].rows}
    for number, text in enumerate(texts, 1):
        kept = workbook.safe_text(text)
        expected = [Cell("text", kept)] if kept and not kept.isspace() else None
        assert found.get(number) == expected


ALPHABETS = (
    "0123456789", "0123456789Xx", "０１２３４５６７８９", "甲乙丙丁㛃㻁𬭎𫖯𬀩𠅤𡋾𬱖𤧛䶮𫍽·", "□☑√",
    "a\u200b\u200d\u202e\u2066\ufeff", " \u3000\u00a0", "=+-@＝＋－＠", "\t\n\r", "<>&\"'",
    "_x0041D",
)  # fmt: skip


def test_ten_thousand_generated_values_come_back_equal() -> None:
    rnd = random.Random(6)
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    written: list[list[str]] = []
    for number in range(1, 201):
        texts = [
            "".join(rnd.choice(rnd.choice(ALPHABETS)) for _ in range(rnd.randrange(1, 20))) + "。"
            for _ in range(50)
        ]
        written.append(texts)
        for column, text in enumerate(texts, 1):
            workbook.write_text(sheet.cell(number, column), text)
    [read] = workbook.read(saved(made))
    assert [[c and c.text for c in r.cells()] for r in read.rows] == written
    assert {c.kind for r in read.rows for c in r.cells() if c} == {"text"}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"])
def test_text_that_looks_like_a_formula_is_kept_as_quoted_text(start: str) -> None:
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    workbook.write_text(sheet["A1"], start + "HYPERLINK(1)")
    workbook.write_text(sheet["A2"], "张三")
    again = load_workbook(io.BytesIO(saved(made))).active
    assert again is not None
    assert (again["A1"].data_type, again["A1"].quotePrefix) == ("s", True)
    assert (again["A2"].data_type, bool(again["A2"].quotePrefix)) == ("s", False)


def test_safe_text_drops_what_xml_cannot_hold_and_cuts_nothing() -> None:
    assert workbook.safe_text("a\x00\x0b\x1fb\ud800\ufffe\tc\n𬭎") == "ab\tc\n𬭎"
    assert len(workbook.safe_text("长" * 32_767)) == 32_767
    for too_long in ("长" * 32_768, "𬭎" * 16_384):
        with pytest.raises(ValueError, match="最多容纳 32767 个字"):
            workbook.safe_text(too_long)
    with pytest.raises(ValueError, match="最多容纳 32767 个字"):
        workbook.write_text(Workbook().create_sheet()["A1"], "\r" * 20_000)


# Names and contents


def picture(file_format: str, size: tuple[int, int] = (8, 6), **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, file_format, **options)
    return out.getvalue()


def pdf(objects: bytes = b"", end: bytes = b"%%EOF\n") -> bytes:
    return (
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
        b"2 0 obj\n<</Type/Pages/Count 1/Kids[3 0 R]>>\nendobj\n"
        b"3 0 obj\n<</Type/Page/Parent 2 0 R>>\nendobj\n" + objects
        + b"trailer\n<</Root 1 0 R/Size 4>>\nstartxref\n0\n" + end
    )  # fmt: skip


JPG, PNG, PDF = picture("JPEG"), picture("PNG"), pdf()
ODS = packed({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<a/>"})
XLSB = packed({"[Content_Types].xml": "<a/>", "xl/workbook.bin": "x"})
XLSM = packed({**parts_of(), "xl/vbaProject.bin": OLE})
DOCX = packed({"[Content_Types].xml": "<a/>", "word/document.xml": "<a/>"})
XLS = OLE + bytes(600) + "Workbook".encode("utf-16-le") + bytes(600)
MHTML = b"MIME-Version: 1.0\r\nContent-Type: multipart/related\r\n\r\n<html></html>"
XML2003 = b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><Workbook/>'

WRONG: list[tuple[str, bytes, str]] = [
    ("名单.xls", XLS, "旧版 .xls 或 WPS 表格 .et，请另存为 .xlsx 后再上传"),
    ("名单.xlsx", XLS, "旧版 .xls 或 WPS 表格 .et，请另存为 .xlsx 后再上传"),
    ("名单.et", XLS, "旧版 .xls 或 WPS 表格 .et"),
    ("名单.xlsx", encrypted_ole(), "已加密"),
    ("名单.xlsm", XLSM, "含有宏"),
    ("名单.xlsx", XLSM, "含有宏"),
    ("名单.xlsb", XLSB, ".xlsb"),
    ("名单.xlsx", XLSB, ".xlsb"),
    ("名单.ods", ODS, "OpenDocument"),
    ("名单.xlsx", ODS, "OpenDocument"),
    ("名单.csv", "姓名,性别\n张三,男\n".encode(), "文本（如 .csv）"),
    ("名单.xlsx", "姓名,性别\n张三,男\n".encode(), "文本（如 .csv）"),
    ("名单.xlsx", "姓名,性别\n张三,男\n".encode("gb18030"), "文本（如 .csv）"),
    ("名单.xlsx", "姓名\t性别\n张三\t男\n".encode("utf-16"), "文本（如 .csv）"),
    ("名单.txt", "张三".encode(), "纯文本"),
    ("名单.xlsx", b"<html><body><table></table></body></html>", "网页 HTML"),
    ("名单.xls", b"\xef\xbb\xbf\r\n<!DOCTYPE html><p>", "网页 HTML"),
    ("名单.xlsx", MHTML, "MHTML"),
    ("名单.xlsx", XML2003, "XML 表格"),
    ("名单.xlsx", b'<?xml version="1.0"?><a/>', "内容是 XML"),
    ("照片.jpg", b"<html><script>alert(1)</script>", "网页 HTML"),
    ("照片.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    ("照片.png", b'<?xml version="1.0"?><svg/>', "SVG"),
    ("照片.jpg", PNG, "文件名以 .jpg 结尾，内容却是 PNG 图片"),
    ("照片.png", JPG, "文件名以 .png 结尾，内容却是 JPEG 图片"),
    ("照片.jpg", PDF, "内容却是 PDF 文件"),
    ("扫描件.pdf", JPG, "内容却是 JPEG 图片"),
    ("扫描件.pdf", PLAIN, "内容却是 .xlsx 工作簿"),
    ("名单.xlsx", PDF, "内容却是 PDF 文件"),
    ("名单.xlsx.exe", PLAIN, "扩展名“.exe”"),
    ("名单.zip", PLAIN, "扩展名“.zip”"),
    ("名单", PLAIN, "没有扩展名"),
    ("照片.gif", b"GIF89a" + bytes(20), "GIF 图片"),
    ("照片.jpg", b"BM" + bytes(60), "BMP 图片"),
    ("照片.jpg", b"II*\0" + bytes(60), "TIFF 图片"),
    ("照片.jpg", b"RIFF\0\0\0\0WEBPVP8 ", "WebP 图片"),
    ("照片.jpg", b"\0\0\0\x18ftypheic" + bytes(20), "HEIC 图片"),
    ("资料.rar", b"Rar!\x1a\x07\x00", "RAR 压缩包"),
    ("资料.xlsx", b"7z\xbc\xaf\x27\x1c\x00", "7z 压缩包"),
    ("资料.xlsx", packed({"a.txt": "x"}), "压缩包"),
    ("资料.xlsx", packed({"[Content_Types].xml": "<a/>"}), BROKEN_WORKBOOK),
    ("资料.ofd", packed({"OFD.xml": "<a/>"}), "OFD"),
    ("说明.docx", DOCX, "Word 文档"),
    ("说明.doc", OLE + "WordDocument".encode("utf-16-le"), "旧版 Word"),
    ("程序.xlsx", b"MZ\x90\x00" + bytes(60), "可执行程序"),
    ("空.xlsx", b"", "文件是空的"),
    ("坏.xlsx", b"PK\x03\x04" + bytes(100), BROKEN_WORKBOOK),
    ("噪声.xlsx", bytes(range(256)) * 4, "不是其中任何一种"),
]


@pytest.mark.parametrize(("name", "data", "sentence"), WRONG)
def test_a_wrong_pair_of_name_and_content_is_refused_in_words(
    name: str, data: bytes, sentence: str
) -> None:
    with pytest.raises(Rejected) as caught:
        uploads.kind_of(data, name)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith("。")


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("名单.xlsx", PLAIN, "xlsx"),
        ("名单（最终版.2）.XLSX ", PLAIN, "xlsx"),
        ("扫描件.Pdf", PDF, "pdf"),
        ("照片.jpg", JPG, "jpg"),
        ("照片.JPEG", JPG, "jpg"),
        ("照片.png", PNG, "png"),
    ],
)
def test_a_right_pair_is_accepted(name: str, data: bytes, kind: str) -> None:
    assert uploads.kind_of(data, name) == kind


def test_a_page_that_wants_a_workbook_refuses_the_other_kinds() -> None:
    with pytest.raises(Rejected, match=r"^只接受 \.xlsx 文件；这个文件的内容是 PDF"):
        workbook.read(PDF, "扫描件.pdf")
    with pytest.raises(Rejected, match=r"扩展名“\.exe”"):
        workbook.read(PLAIN, "名单.xlsx.exe")
    with pytest.raises(Rejected, match=r"扫描件只接受 PDF、JPG 或 PNG"):
        uploads.clean_scan(PLAIN, "名单.xlsx")


# Pictures


def test_a_picture_is_encoded_anew_without_metadata_and_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010E] = "SECRET PLACE"
    polyglot = picture("JPEG", (8, 6), exif=exif, comment=b"SECRET") + PLAIN + b"<script>"
    clean, content_type = uploads.clean_scan(polyglot, "照片.jpg")
    assert content_type == "image/jpeg"
    again = Image.open(io.BytesIO(clean))
    assert (again.format, again.size) == ("JPEG", (6, 8))
    assert not again.getexif()
    assert not any(s in clean for s in (b"SECRET", b"PK\x03\x04", b"<script", b"Exif"))
    assert not zipfile.is_zipfile(io.BytesIO(clean))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_pictures_of_every_mode_pass(mode: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (5, 4)).save(out, "PNG")
    clean, content_type = uploads.clean_scan(out.getvalue(), "a.png")
    assert content_type == "image/png"
    assert Image.open(io.BytesIO(clean)).size == (5, 4)


def test_a_printed_colour_picture_becomes_an_ordinary_one() -> None:
    out = io.BytesIO()
    Image.new("CMYK", (5, 4)).save(out, "JPEG")
    assert Image.open(io.BytesIO(uploads.check_picture(out.getvalue()))).mode == "RGB"


def huge_png(side: int) -> bytes:
    """A blank black-and-white picture of side × side pixels in a few kilobytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))
        )

    lines = zlib.compress(bytes((side // 8 + 1) * side), 9)
    header = struct.pack(">LLBBBBB", side, side, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [6_400, 12_000, 60_000])
def test_a_picture_bomb_is_refused_at_once(side: int) -> None:
    data = huge_png(min(side, 12_000))
    if side == 60_000:
        size = struct.pack(">LL", side, side)
        body = b"IHDR" + size + data[24:29]
        data = data[:12] + body + struct.pack(">L", zlib.crc32(body)) + data[33:]
    started = time.monotonic()
    with pytest.raises(Rejected, match="超过 4000 万像素"):
        uploads.clean_scan(data, "a.png")
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("data", [JPG[:-40], JPG[:20], PNG[:-30], PNG[:20], b"\xff\xd8\xff" * 9])
def test_a_damaged_picture_is_refused(data: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        uploads.check_picture(data)
    assert str(caught.value) == BROKEN_PICTURE


# PDF


def stream(content: bytes, more: bytes = b"/Type/ObjStm/N 1/First 5", packs: bool = True) -> bytes:
    body = zlib.compress(content) if packs else content
    packing = b"/Filter/FlateDecode" if packs else b""
    return (
        b"9 0 obj\n<<" + more + packing + b"/Length %d>>\nstream\n" % len(body) + body
        + b"\nendstream\nendobj\n"
    )  # fmt: skip


JAVASCRIPT = b"<</S/JavaScript/JS(app.alert(1))>>"
ACTIVE = "含有脚本、动作、表单或附件"
BAD_PDF: dict[str, tuple[bytes, str]] = {
    "script": (pdf(b"4 0 obj\n" + JAVASCRIPT + b"\nendobj\n"), ACTIVE),
    "script, name in hexadecimal": (pdf(b"4 0 obj\n<</S/J#61vaScript>>\nendobj\n"), ACTIVE),
    "short name alone": (pdf(b"4 0 obj\n<</J#53 5 0 R>>\nendobj\n"), ACTIVE),
    "launch": (pdf(b"4 0 obj\n<</S/Launch/F(cmd.exe)>>\nendobj\n"), ACTIVE),
    "attachment": (pdf(b"4 0 obj\n<</Type/EmbeddedFile>>\nendobj\n"), ACTIVE),
    "attachments": (pdf(b"4 0 obj\n<</EmbeddedFiles 5 0 R>>\nendobj\n"), ACTIVE),
    "open action": (pdf(b"4 0 obj\n<</OpenAction 5 0 R>>\nendobj\n"), ACTIVE),
    "open action in place": (pdf(b"4 0 obj\n<</OpenAction<</S/URI>>>>\nendobj\n"), ACTIVE),
    "other actions": (pdf(b"4 0 obj\n<</AA 5 0 R>>\nendobj\n"), ACTIVE),
    "XFA": (pdf(b"4 0 obj\n<</XFA[5 0 R]>>\nendobj\n"), ACTIVE),
    "media": (pdf(b"4 0 obj\n<</Subtype/RichMedia>>\nendobj\n"), ACTIVE),
    "script in an object stream": (pdf(stream(b"4 0 " + JAVASCRIPT)), ACTIVE),
    "short name in an object stream": (pdf(stream(b"4 0 <</JS(x)>>")), ACTIVE),
    "object stream under another name": (
        pdf(stream(b"% x\n 4 0 " + JAVASCRIPT, b"/Subtype/Image")),
        ACTIVE,
    ),
    "object stream named in hexadecimal": (
        pdf(stream(b"4 0 <</JS(x)>>", b"/Type/Obj#53tm")),
        ACTIVE,
    ),
    "unpacked object stream": (pdf(stream(b"4 0 " + JAVASCRIPT, packs=False)), "无法检查"),
    "object stream packed in an unknown way": (
        pdf(stream(b"342030>", b"/Type/ObjStm/Filter/ASCIIHexDecode", packs=False)),
        "无法检查",
    ),
    "script behind a false stream": (pdf(b"% stream\n" + JAVASCRIPT), ACTIVE),
    "password": (
        pdf(b"4 0 obj\n<<>>\nendobj\n").replace(b"/Size", b"/Encrypt 5 0 R/Size"),
        "已加密",
    ),
    "password behind a false stream": (
        pdf(b"% stream\n").replace(b"/Size", b"/Encrypt 5 0 R/Size"),
        "已加密",
    ),
    "301 pages": (pdf(b"4 0 obj\n<</Type /Page>>\nendobj\n" * 300), "超过 300 页"),
    "bomb": (pdf(stream(b"4 0 " + bytes(101 * MB))), "展开后过大"),
    "no end": (pdf(end=b""), BROKEN_PDF),
    "end too early": (PDF + bytes(5000), BROKEN_PDF),
    "larger than 10 MB": (pdf(bytes(10 * MB)), "超过上限 10 MB"),
}


@pytest.mark.parametrize("kind", BAD_PDF)
def test_a_pdf_that_could_act_is_refused(kind: str) -> None:
    data, sentence = BAD_PDF[kind]
    with pytest.raises(Rejected) as caught:
        uploads.clean_scan(data, "扫描件.pdf")
    assert sentence in str(caught.value)


def scanned_pdf() -> bytes:
    out = io.BytesIO()
    pages = [Image.effect_noise((400, 300), 90) for _ in range(3)]
    pages[0].save(out, "PDF", save_all=True, append_images=pages[1:])
    return out.getvalue()


def test_an_ordinary_pdf_is_stored_as_it_is() -> None:
    from_office = pdf(
        b"4 0 obj\n<</OpenAction[3 0 R/XYZ null null 0]/AcroForm 6 0 R/Outlines<</First 5 0 R>>"
        b"/A<</S/URI/URI(https://example.invalid/)>>>>\nendobj\n"
        + stream(b"0.1 w 10 20 m /JS gs", b"")
        + stream(random.Random(1).randbytes(200_000), b"/Subtype/Image")
    )
    for data in (PDF, from_office, scanned_pdf()):
        assert uploads.clean_scan(data, "扫描件.pdf") == (data, "application/pdf")


def test_noise_in_packed_pictures_is_not_taken_for_scripts() -> None:
    noise = random.Random(2).randbytes(9 * MB)
    data = pdf(stream(b"/JS /AA " + noise, b"/Subtype/Image", packs=False))
    assert uploads.clean_scan(data, "a.pdf")[0] == data


# Damage at random


def outcome(function: Callable[[], object]) -> str:
    """ "ok" or "Rejected"; anything else is raised and fails the test."""
    try:
        function()
    except Rejected as refusal:
        return "Rejected" if str(refusal).endswith("。") else f"not a sentence: {refusal}"
    return "ok"


def mutated(data: bytes, rnd: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rnd.choice((1, 1, 3, 20))):
        at = rnd.randrange(len(changed))
        action = rnd.randrange(4)
        if action == 0:
            changed[at] ^= 1 << rnd.randrange(8)
        elif action == 1:
            changed[at : at + rnd.randrange(1, 30)] = b""
        elif action == 2:
            changed[at:at] = changed[rnd.randrange(len(changed)) :][: rnd.randrange(1, 60)]
        else:
            changed[at : at + 4] = rnd.choice((b"\xff" * 4, b"\0" * 4, b"9999", b"<c/>", b'"r="'))
        if not changed:
            return b""
    return bytes(changed)


def test_damaged_workbooks_are_read_or_refused_and_nothing_else() -> None:
    rnd = random.Random(20)
    cells = text_cell("A1") + '<c r="B1" s="1"><v>23802</v></c><c r="C1" t="s"><v>0</v></c>'
    parts = parts_of(
        row(1, cells) + row(3, '<c r="A3"><f>1+1</f><v>2</v></c>'), strings="<si><t>退</t></si>"
    )
    whole = packed(parts)
    seen = {outcome(lambda: workbook.read(mutated(whole, rnd))) for _ in range(150)}
    for _ in range(350):
        name = rnd.choice(list(parts))
        content = parts[name]
        raw = content.encode() if isinstance(content, str) else content
        broken = packed({**parts, name: mutated(raw, rnd)})
        seen.add(outcome(lambda broken=broken: workbook.read(broken)))  # type: ignore[misc]
    assert seen == {"ok", "Rejected"}


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.jpg", picture("JPEG", (64, 48))), ("a.png", PNG), ("a.pdf", pdf(stream(b"4 0 <<>>")))],
)
def test_damaged_scans_are_cleaned_or_refused_and_nothing_else(name: str, data: bytes) -> None:
    rnd = random.Random(21)
    seen = {outcome(lambda: uploads.clean_scan(mutated(data, rnd), name)) for _ in range(60)}
    assert seen == {"ok", "Rejected"}
