"""Workbooks (.xlsx) as zip containers: looked through before any parser opens them."""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Iterator
from typing import IO

from xianning.sandbox import MB, Rejected

# The container.
MAX_MEMBERS = 200
MAX_INFLATED = 400 * MB
MAX_RATIO = 100
RATIO_FLOOR = 8 * MB  # an almost empty sheet packs very well, and 8 MB hurt nobody

# The grid. Only cells with a value count; styled empty ones are ignored.
MAX_ROWS = 101_000  # 100,000 people, headings and totals
MAX_COLUMNS = 100
SHEET_ROWS = 1_048_576
SHEET_COLUMNS = 16_384

BROKEN_WORKBOOK = (
    "文件损坏或不是有效的 .xlsx 工作簿。请用 Excel 或 WPS 打开后另存为 .xlsx，再重新上传。"
)
ONLY_WORKBOOK = "只接受 .xlsx 文件"
MACROS = f"{ONLY_WORKBOOK}；这个文件含有宏。请另存为不含宏的“Excel 工作簿（.xlsx）”后再上传。"
EXTERNAL = (
    "工作簿引用了外部文件或外部数据。请在“数据”菜单中断开链接（编辑链接 → 断开链接）并删除嵌入"
    "的对象，保存后再上传。"
)
LOCKED = (
    f"{ONLY_WORKBOOK}；这个文件已加密，无法读取。请在 Excel 或 WPS 中取消打开密码，保存后再上传。"
)


def scan_members(data: bytes) -> None:
    """The part of ``check_workbook_zip`` that inflates, for use inside the sandbox only.

    Memory below 2 MB. Raises Rejected, or what zipfile raises on damage.
    """
    with opened(data) as archive:
        budget = MAX_INFLATED
        for member in archive.infolist():
            budget -= _check_member(archive, member, budget)


def opened(data: bytes) -> zipfile.ZipFile:
    # Counted before the directory is read: a record of it costs zipfile ten times its size.
    if data.count(b"PK\x01\x02") > 2 * MAX_MEMBERS:
        raise Rejected(_too_many_members())
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except Exception:
        raise Rejected(BROKEN_WORKBOOK) from None


def _too_many_members() -> str:
    return (
        f"工作簿内部超过 {MAX_MEMBERS} 个部件，可能不是正常的表格。"
        "请只保留名单所在的工作表并删除图片，另存后再上传。"
    )


def check_directory(members: list[zipfile.ZipInfo], size: int) -> None:
    """What the list of members says, before anything is inflated."""
    if len(members) > MAX_MEMBERS:
        raise Rejected(_too_many_members())
    names = [member.orig_filename for member in members]
    if len({name.casefold() for name in names}) < len(names):
        raise Rejected(BROKEN_WORKBOOK)
    for member in members:
        _check_name(member)
    if sum(member.compress_size for member in members) > size:
        raise Rejected(BROKEN_WORKBOOK)  # members lie on top of each other
    if sum(member.file_size for member in members) > MAX_INFLATED:
        raise Rejected(_too_large())


def _too_large() -> str:
    return (
        f"工作簿解压后超过 {MAX_INFLATED // MB} MB，可能是压缩炸弹。"
        "请只保留名单所在的工作表，删除多余的空行和图片，另存后再上传。"
    )


FORBIDDEN_NAMES: tuple[tuple[str, str], ...] = (
    (r"vbaproject|vbadata|/macrosheets/|/dialogsheets/|intlmacrosheet", MACROS),
    (r"^xl/externallinks/|^xl/embeddings/|^xl/activex/|^xl/connections\.xml$", EXTERNAL),
    (r"^xl/querytables/", EXTERNAL),
    (r"^encryptedpackage$|^encryptioninfo$", LOCKED),
)


def _check_name(member: zipfile.ZipInfo) -> None:
    name = member.orig_filename
    unsafe = (
        name.startswith("/")
        or ".." in name.split("/")
        or re.search(r"[\\:\x00-\x1f]", name) is not None
        or stat.S_ISLNK(member.external_attr >> 16)
    )
    if unsafe or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Rejected(BROKEN_WORKBOOK)
    if member.flag_bits & 0x41:
        raise Rejected(LOCKED)
    for pattern, why in FORBIDDEN_NAMES:
        if re.search(pattern, name.lower()):
            raise Rejected(why)


CHUNK = 256 * 1024
OVERLAP = 4096


def _check_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: int) -> int:
    """Inflate one member piece by piece and look into it; returns its true size."""
    size = 0
    name = member.filename.lower()
    with archive.open(member) as stream:
        for window, fresh, is_last in _windows(stream):
            size += fresh
            _check_inflated(size, member.compress_size, budget)
            if not name.startswith(NEVER_READ):
                _check_window(name, window, is_last)
    return size


def _check_inflated(size: int, packed: int, budget: int) -> None:
    if size > budget or (size > RATIO_FLOOR and size > MAX_RATIO * max(packed, 1)):
        raise Rejected(_too_large())


def _windows(stream: IO[bytes]) -> Iterator[tuple[bytes, int, bool]]:
    """(window, new bytes in it, is it the last) of a member.

    Each window begins with the end of the one before, so that no pattern is cut in two.
    """
    tail = b""
    chunk = stream.read(CHUNK)
    while chunk:
        following = stream.read(CHUNK)
        window = tail + chunk
        yield window, len(chunk), not following
        tail, chunk = window[-OVERLAP:], following


# Parts that no reader of tables opens: only their size matters.
NEVER_READ = ("xl/media/", "customxml/", "docprops/")
XML_NAMES = (".xml", ".rels", ".vml")
OTHER_ENCODINGS = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<", b"+ADw")
ENCODING = re.compile(
    rb"""^(?:\xef\xbb\xbf)?\s*<\?xml[^>]*\bencoding\s*=\s*["'](?!(?i:utf-?8|us-ascii|ascii)["'])"""
)
DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
# Windows' dynamic data exchange: program|'topic'!item as a formula.
DDE = re.compile(rb"""<(?:\w+:)?f\b[^<>]*>[^<]*\|(?:'[^'<]*'|&apos;[^<&]*&apos;|[\w./ ]+)!""")
EXTERNAL_RELATION = re.compile(
    rb"""/(?:externalLink\w*|oleObject|package|control|connections|queryTable|attachedTemplate)["']"""
)
MACRO_RELATION = re.compile(rb"""/(?:vbaProject|xlMacrosheet|xlIntlMacrosheet|wordVbaData)["']""")


def _check_window(name: str, window: bytes, is_last: bool) -> None:
    if name.endswith(XML_NAMES) and (window.startswith(OTHER_ENCODINGS) or ENCODING.match(window)):
        raise Rejected(BROKEN_WORKBOOK)
    if DOCTYPE.search(window):
        raise Rejected(BROKEN_WORKBOOK)
    if name.endswith(".rels"):
        _check_relations(window)
    elif name == "[content_types].xml" and b"macroenabled" in window.lower():
        raise Rejected(MACROS)
    elif b"|" in window and DDE.search(window):
        raise Rejected(EXTERNAL)
    else:
        _check_grid(window, is_last)


def _check_relations(window: bytes) -> None:
    if MACRO_RELATION.search(window):
        raise Rejected(MACROS)
    if EXTERNAL_RELATION.search(window):
        raise Rejected(EXTERNAL)
    for relation in re.findall(rb"<[^<>]*TargetMode\s*=\s*[\"']External[^<>]*>", window):
        # A link that a person may click is not followed by us; Excel makes one of any address.
        if b"/hyperlink" not in relation:
            raise Rejected(EXTERNAL)


# Anything that may lie outside MAX_ROWS × 100 (column CV); numbers are compared afterwards.
FAR = re.compile(
    rb"""\br\s*=\s*["']\s*([A-Za-z]{3,}|[D-Zd-z][A-Za-z]|[Cc][W-Zw-z]|[A-Za-z]{0,2}(?=\d{6}))(\d+)"""
)
BLANK_REST = re.compile(rb"\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</")


def _check_grid(window: bytes, is_last: bool) -> None:
    """Refuse a cell with a value outside the grid; rows and cells with a style only may stay."""
    for match in FAR.finditer(window):
        end = window.find(b">", match.end(), match.end() + OVERLAP)
        if not is_last and (end < 0 or end > len(window) - 256):
            return  # comes again at the beginning of the next window
        if end < 0:
            raise Rejected(BROKEN_WORKBOOK)
        _check_far(match, window, end)


def _check_far(match: re.Match[bytes], window: bytes, end: int) -> None:
    start = window.rfind(b"<", max(0, match.start() - OVERLAP), match.start()) + 1
    tag = window[start : match.start()].split(None, 1)
    if not tag or tag[0].rpartition(b":")[2] not in (b"c", b"row"):
        return
    letters, row = match[1].decode().upper(), int(match[2][:12])
    column = column_number(letters)
    if row > SHEET_ROWS or column > SHEET_COLUMNS:
        raise Rejected(BROKEN_WORKBOOK)
    has_value = window[end - 1 : end] != b"/" and not BLANK_REST.match(window, end + 1)
    if letters and has_value and (row > MAX_ROWS or column > MAX_COLUMNS):
        raise Rejected(outside_grid(f"{letters}{row}"))


def outside_grid(cell: str, sheet: str = "") -> str:
    """The sentence for a value in a cell outside the grid that is read."""
    where = f"工作表“{sheet}”的" if sheet else ""
    return (
        f"{where}单元格 {cell} 有内容，超出了 {MAX_ROWS} 行 × {MAX_COLUMNS} 列的范围。"
        "请删除名单以外的内容，或拆分成几个文件后再上传。"
    )


def column_number(letters: str) -> int:
    """A → 1, Z → 26, AA → 27, nothing → 0; SHEET_COLUMNS + 1 for more than three letters."""
    if len(letters) > 3:
        return SHEET_COLUMNS + 1
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number
