"""A small writer of workbooks in which every part can be made wrong."""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from functools import cache

from openpyxl import Workbook

from xianning import workbook
from xianning.sandbox import MB
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
A1 = row(1, text_cell("A1"))
PLAIN = book(A1)
