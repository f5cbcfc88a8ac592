"""Which kind an upload is: its content decides, its name must agree."""

from __future__ import annotations

import codecs
import re
from typing import Literal

from xianning.sandbox import Rejected
from xianning.uploads.containers import (
    BROKEN_WORKBOOK,
    LOCKED,
    MACROS,
    ONLY_WORKBOOK,
    check_directory,
    opened,
    scan_members,
)
from xianning.uploads.limits import WORKBOOK_BYTES, in_sandbox, limit_size

Kind = Literal["xlsx", "pdf", "jpg", "png"]

ONLY_KNOWN = "只接受 .xlsx 工作簿和 PDF、JPG、PNG 扫描件"
SAVE_AS = "请用 Excel 或 WPS 另存为“Excel 工作簿（.xlsx）”后再上传。"

EXTENSIONS: dict[str, Kind] = {
    ".xlsx": "xlsx",
    ".pdf": "pdf",
    ".jpg": "jpg",
    ".jpeg": "jpg",
    ".png": "png",
}
NAMES: dict[Kind, str] = {
    "xlsx": ".xlsx 工作簿",
    "pdf": "PDF 文件",
    "jpg": "JPEG 图片",
    "png": "PNG 图片",
}
CONTENT_TYPES: dict[Kind, str] = {
    "pdf": "application/pdf",
    "jpg": "image/jpeg",
    "png": "image/png",
}


def kind_of(data: bytes, name: str) -> Kind:
    """Which of the accepted kinds this upload is.

    ``name`` is the name the browser sent; its extension must agree with the content.
    Raises Rejected for every other kind, with the way to mend the usual ones.
    """
    kind = content_kind(data)
    extension = "." + name.rsplit(".", 1)[-1].strip().lower() if "." in name else ""
    named = EXTENSIONS.get(extension)
    if named == kind:
        return kind
    if named is None:
        shown = f"扩展名“{extension[:12]}”" if extension else "没有扩展名的文件名"
        raise Rejected(
            f"{ONLY_KNOWN}，不接受{shown}。这个文件的内容是 {NAMES[kind]}，"
            "请改正文件名后再上传，或上传别的文件。"
        )
    raise Rejected(
        f"文件名以 {extension} 结尾，内容却是 {NAMES[kind]}。请确认文件无误，改正扩展名后再上传。"
    )


def content_kind(data: bytes) -> Kind:
    """The kind by content alone; raises Rejected when it is none of the accepted ones."""
    if not data:
        raise Rejected("文件是空的（0 字节）。请确认文件已经保存，再重新上传。")
    if data.startswith(b"PK\x03\x04"):
        return _kind_of_zip(data)
    if data.startswith(b"%PDF-"):
        return "pdf"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    raise Rejected(_why_unknown(data))


def _kind_of_zip(data: bytes) -> Kind:
    with opened(data) as archive:
        names = {name.replace("\\", "/").lower() for name in archive.namelist()}
    if any(name.endswith("workbook.bin") for name in names):
        raise Rejected(f"{ONLY_WORKBOOK}；这个文件的内容是二进制工作簿 .xlsb，{SAVE_AS}")
    if any(name.endswith("vbaproject.bin") for name in names):
        raise Rejected(MACROS)
    if "[content_types].xml" in names and any(name.startswith("xl/") for name in names):
        return "xlsx"
    raise Rejected(_why_other_zip(names))


def _why_other_zip(names: set[str]) -> str:
    folders = {name.split("/", 1)[0] for name in names}
    if "mimetype" in names and "content.xml" in names:
        return f"{ONLY_WORKBOOK}；这个文件的内容是 OpenDocument（如 .ods），{SAVE_AS}"
    if "word" in folders:
        return f"{ONLY_KNOWN}；这个文件的内容是 Word 文档。扫描件请导出为 PDF 后再上传。"
    if "ppt" in folders:
        return f"{ONLY_KNOWN}；这个文件的内容是演示文稿。"
    if "ofd.xml" in names:
        return f"{ONLY_KNOWN}；这个文件的内容是 OFD 版式文件。请转换为 PDF 后再上传。"
    if "[content_types].xml" in names:
        return BROKEN_WORKBOOK
    return f"{ONLY_KNOWN}；这个文件的内容是压缩包。请解压后逐个上传其中的文件。"


def _why_unknown(data: bytes) -> str:
    if data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _why_ole(data)
    for magic, label, mend in OTHER_MAGICS:
        if re.match(magic, data, re.DOTALL):
            return f"{ONLY_KNOWN}；这个文件的内容是 {label}。{mend}"
    return _why_text(data)


def _why_ole(data: bytes) -> str:
    """Excel before 2007, WPS .et, Word, and encrypted workbooks share one container format."""
    if "EncryptedPackage".encode("utf-16-le") in data:
        return LOCKED
    if "WordDocument".encode("utf-16-le") in data:
        return f"{ONLY_KNOWN}；这个文件的内容是旧版 Word 文档 .doc。扫描件请导出为 PDF 后再上传。"
    return f"{ONLY_WORKBOOK}；这个文件的内容是旧版 .xls 或 WPS 表格 .et，请另存为 .xlsx 后再上传。"


PICTURE_MEND = "请另存为 JPG 或 PNG 后再上传。"
UNPACK = "请解压后逐个上传其中的文件。"
OTHER_MAGICS: tuple[tuple[bytes, str, str], ...] = (
    (rb"GIF8[79]a", "GIF 图片", PICTURE_MEND),
    (rb"BM.{4}\0{4}", "BMP 图片", PICTURE_MEND),
    (rb"II\*\0|MM\0\*", "TIFF 图片", PICTURE_MEND),
    (rb"RIFF.{4}WEBP", "WebP 图片", PICTURE_MEND),
    (rb".{4}ftyp(?:hei|hev|mif1|msf1|avif)", "HEIC 图片（苹果手机照片）", PICTURE_MEND),
    (rb"Rar!\x1a\x07", "RAR 压缩包", UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", "7z 压缩包", UNPACK),
    (rb"\x1f\x8b", "gzip 压缩包", UNPACK),
    (rb"MZ", "可执行程序", ""),
    (rb"\x7fELF", "可执行程序", ""),
)

TEXT_KINDS: tuple[tuple[str, str], ...] = (
    (r"mime-version:|content-type:", f"{ONLY_WORKBOOK}；这个文件的内容是网页存档 MHTML，{SAVE_AS}"),
    (
        r"(?s).*?(?:urn:schemas-microsoft-com:office:spreadsheet|mso-application)",
        f"{ONLY_WORKBOOK}；这个文件的内容是 XML 表格，{SAVE_AS}",
    ),
    (r"(?s).*?<svg\b", f"{ONLY_KNOWN}；这个文件的内容是 SVG 图形。{PICTURE_MEND}"),
    (
        r"(?s).*?<(?:!doctype html|html|head|body|table|script)\b",
        f"{ONLY_WORKBOOK}；这个文件的内容是网页 HTML，{SAVE_AS}",
    ),
    (r"<\?xml|<", f"{ONLY_WORKBOOK}；这个文件的内容是 XML，{SAVE_AS}"),
    (r"[^\n]*[,\t;]", f"{ONLY_WORKBOOK}；这个文件的内容是文本（如 .csv），{SAVE_AS}"),
)


def _why_text(data: bytes) -> str:
    beginning = _text(data[:4096])
    if beginning is None:
        return f"{ONLY_KNOWN}；这个文件的内容不是其中任何一种。"
    beginning = beginning.lstrip("\ufeff \t\r\n").lower()
    for pattern, why in TEXT_KINDS:
        if re.match(pattern, beginning):
            return why
    return f"{ONLY_KNOWN}；这个文件的内容是纯文本。"


def _text(beginning: bytes) -> str | None:
    """The beginning as text if it is any, in the encodings Chinese office programs write."""
    for encoding in ("utf-16", "utf-8", "gb18030"):
        if encoding == "utf-16" and not beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
            continue
        try:
            # Incremental: a character cut in two at the end is no error.
            text = codecs.getincrementaldecoder(encoding)().decode(beginning)
        except UnicodeDecodeError:
            continue
        if not re.search(r"[\x00-\x08\x0e-\x1f]", text):
            return text
    return None


# Workbooks


def check_workbook_zip(data: bytes) -> None:
    """Look at a workbook before any parser does; raises Rejected.

    At most WORKBOOK_BYTES; the container holds MAX_MEMBERS members of MAX_INFLATED bytes in all,
    none packed tighter than MAX_RATIO; no doubles, paths, links, passwords, macros, external
    links or DDE; no DOCTYPE, nothing but UTF-8; no cell with a value outside MAX_ROWS ×
    MAX_COLUMNS. The list of members is read here, their content by streaming in the sandbox.
    """
    check_container(data)
    in_sandbox(scan_members, data, BROKEN_WORKBOOK)


def check_container(data: bytes) -> None:
    """The part of ``check_workbook_zip`` that inflates nothing. Raises Rejected."""
    limit_size(len(data), WORKBOOK_BYTES)
    kind = content_kind(data)
    if kind != "xlsx":
        raise Rejected(f"{ONLY_WORKBOOK}；这个文件的内容是 {NAMES[kind]}。")
    with opened(data) as archive:
        check_directory(archive.infolist(), len(data))
