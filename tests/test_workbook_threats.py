"""Hostile and odd workbooks: one clear sentence, before any parser opens them."""

from __future__ import annotations

import resource
import struct
import time
from collections.abc import Callable

import pytest

from tests.xlsx_parts import (
    A1,
    ENTITIES,
    MAIN,
    OLE,
    PLAIN,
    bomb,
    book,
    encrypted_ole,
    external_relation,
    many_members,
    merged,
    patched,
    relationships,
    row,
    sheet_xml,
    sheets_of_one_part,
    symbolic_link,
    text_cell,
    twice,
    with_lie,
    with_part,
)
from xianning import uploads, workbook
from xianning.sandbox import MB, Rejected
from xianning.uploads import BROKEN_WORKBOOK, EXTERNAL, LOCKED, MACROS
from xianning.workbook import Cell

GRID = r"超出了 101000 行 × 100 列的范围"
TOO_LARGE = "解压后超过 400 MB"
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
    "row 101001": (
        lambda: book(row(101_001, text_cell("B101001"))),
        f"单元格 B101001 有内容，{GRID}",
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
    "larger than 40 MB": (lambda: PLAIN + bytes(40 * MB), "超过上限 40 MB"),
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
     "row 101001", "E8 billion laughs in the strings", "E12 bomb of 1 GB", "E20 DDE formula"],
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
