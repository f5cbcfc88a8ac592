"""What may be uploaded: .xlsx workbooks, and signed papers as PDF, JPEG or PNG.

The content decides, never the name alone; both must agree. Every refusal is ``Rejected`` with a
sentence that says what is wrong and what to do. Parsers of pictures and PDF run in the sandbox.
"""

from __future__ import annotations

import codecs
import io
import re
import stat
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, Literal

from PIL import Image, ImageFile, ImageOps, MpoImagePlugin, TiffImagePlugin

from xianning import sandbox
from xianning.sandbox import MB, Rejected, SandboxError

# Pillow loads its formats late; in the child that could wait for another thread's import lock.
Image.preinit()
PRELOADED = (MpoImagePlugin, TiffImagePlugin)

Kind = Literal["xlsx", "pdf", "jpg", "png"]

WORKBOOK_BYTES = 20 * MB
SCAN_BYTES = 10 * MB

# Workbook: the zip container.
MAX_MEMBERS = 200
MAX_INFLATED = 200 * MB
MAX_RATIO = 100
RATIO_FLOOR = 8 * MB  # an almost empty sheet packs very well, and 8 MB hurt nobody

# Workbook: the grid. Only cells with a value count; styled empty ones are ignored.
MAX_ROWS = 100_000
MAX_COLUMNS = 100
SHEET_ROWS = 1_048_576
SHEET_COLUMNS = 16_384

# Pictures and PDF.
MAX_PIXELS = 40_000_000
MAX_PAGES = 300
MAX_PDF_INFLATED = 100 * MB
JPEG_QUALITY = 88

BROKEN_WORKBOOK = (
    "文件损坏或不是有效的 .xlsx 工作簿。请用 Excel 或 WPS 打开后另存为 .xlsx，再重新上传。"
)
BROKEN_PICTURE = "图片损坏，无法读取。请重新扫描或拍照后再上传。"
BROKEN_PDF = "PDF 文件损坏或不完整。请重新扫描或重新导出后再上传。"

ONLY_WORKBOOK = "只接受 .xlsx 文件"
ONLY_KNOWN = "只接受 .xlsx 工作簿和 PDF、JPG、PNG 扫描件"
SAVE_AS = "请用 Excel 或 WPS 另存为“Excel 工作簿（.xlsx）”后再上传。"
MACROS = f"{ONLY_WORKBOOK}；这个文件含有宏。请另存为不含宏的“Excel 工作簿（.xlsx）”后再上传。"
EXTERNAL = (
    "工作簿引用了外部文件或外部数据。请在“数据”菜单中断开链接（编辑链接 → 断开链接）并删除嵌入"
    "的对象，保存后再上传。"
)
LOCKED = (
    f"{ONLY_WORKBOOK}；这个文件已加密，无法读取。请在 Excel 或 WPS 中取消打开密码，保存后再上传。"
)

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

# Kind by content


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
    with _opened(data) as archive:
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


def in_sandbox(function: Callable[[bytes], Any], data: bytes, broken: str, **limits: int) -> Any:
    """``function(data)`` in the sandbox; a death there is the file's fault and is told as such.

    ``limits`` as for ``sandbox.run``. Raises Rejected: the function's own, ``broken`` after an
    exception or a crash (the log says which), or the sentence of the limit that was met.
    """
    try:
        return sandbox.run(function, data, **limits)
    except sandbox.Crashed:
        raise Rejected(broken) from None
    except SandboxError as error:
        raise Rejected(str(error)) from None


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
    _limit_size(data, WORKBOOK_BYTES)
    kind = content_kind(data)
    if kind != "xlsx":
        raise Rejected(f"{ONLY_WORKBOOK}；这个文件的内容是 {NAMES[kind]}。")
    with _opened(data) as archive:
        _check_directory(archive.infolist(), len(data))


def scan_members(data: bytes) -> None:
    """The part of ``check_workbook_zip`` that inflates, for use inside the sandbox only.

    Memory below 2 MB. Raises Rejected, or what zipfile raises on damage.
    """
    with _opened(data) as archive:
        budget = MAX_INFLATED
        for member in archive.infolist():
            budget -= _check_member(archive, member, budget)


def _limit_size(data: bytes, limit: int) -> None:
    if len(data) > limit:
        raise Rejected(
            f"文件大小为 {len(data) / MB:.1f} MB，超过上限 {limit // MB} MB。请拆分或压缩后再上传。"
        )


def _opened(data: bytes) -> zipfile.ZipFile:
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


def _check_directory(members: list[zipfile.ZipInfo], size: int) -> None:
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


# Anything that may lie outside 100,000 × 100 (column CV); numbers are compared afterwards.
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


# Scans


def clean_scan(data: bytes, name: str) -> tuple[bytes, str]:
    """The bytes to store for an uploaded paper, and their content type.

    A picture is encoded anew, so that neither metadata nor anything hidden in it stays;
    a PDF is kept as it is, once it is found to be without actions. Raises Rejected.
    """
    _limit_size(data, SCAN_BYTES)
    kind = kind_of(data, name)
    if kind == "xlsx":
        raise Rejected("扫描件只接受 PDF、JPG 或 PNG；这个文件的内容是 .xlsx 工作簿。")
    if kind == "pdf":
        check_pdf(data)
        return data, CONTENT_TYPES[kind]
    return check_picture(data), CONTENT_TYPES[kind]


def check_picture(data: bytes) -> bytes:
    """The picture encoded anew, upright and without metadata: JPEG or PNG as it came.

    Raises Rejected: not a JPEG or PNG, more than MAX_PIXELS, damaged.
    """
    _limit_size(data, SCAN_BYTES)
    if content_kind(data) not in ("jpg", "png"):
        raise Rejected(BROKEN_PICTURE)
    clean: bytes = in_sandbox(_encode_anew, data, BROKEN_PICTURE)
    return clean


def _encode_anew(data: bytes) -> bytes:
    # In the sandbox: these settings end with the child.
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    # The PDF library allows half a picture for the whole process; a signed scan must be whole.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG", "PNG"]) as picture:
            return _encoded(ImageOps.exif_transpose(picture), is_png=picture.format == "PNG")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Rejected(
            f"图片超过 {MAX_PIXELS // 10_000} 万像素。请降低扫描分辨率（300 dpi 即可）后再上传。"
        ) from None


def _encoded(picture: Image.Image, *, is_png: bool) -> bytes:
    if "transparency" in picture.info:
        picture = picture.convert("RGBA")
    elif picture.mode == "P" or (not is_png and picture.mode not in ("L", "RGB")):
        picture = picture.convert("RGB")
    picture.info = {}  # profiles, comments, dates and places
    out = io.BytesIO()
    if is_png:
        picture.save(out, "PNG", compress_level=3)
    else:
        picture.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


# What makes a PDF act by itself. Long names are looked for everywhere, also in packed pages; the
# short ones only outside of packed data, where three letters would turn up by chance.
ACTIVE_NAMES = re.compile(
    rb"/(?:JavaScript|Launch|EmbeddedFiles?|RichMedia|SubmitForm|ImportData|Rendition|GoToE)"
    rb"(?![A-Za-z0-9])|/XFA\s*[\[\d]"
)
SHORT_NAMES = re.compile(rb"/(?:JS|XFA|AA)(?![A-Za-z0-9])")
ENCRYPT = re.compile(rb"/Encrypt(?![A-Za-z0-9])")
# An array here is only the page to begin with: LibreOffice and scanners write it into each file.
OPEN_ACTION = re.compile(rb"/OpenAction(?![A-Za-z0-9]|\s*\[)")
HEX_NAME = re.compile(rb"#([0-9A-Fa-f]{2})")
STREAM = re.compile(rb"(?<!end)stream(?:\r\n|\n|\r)")
PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z0-9])")
OBJECT_STREAM = re.compile(rb"/ObjStm(?![A-Za-z0-9])|/First\s+\d+\b(?!\s+\d+\s+R)")
OBJECT_NUMBERS = re.compile(rb"(?:[\s\0]|%[^\r\n]*[\r\n])*\d+[\s\0]+\d+[\s\0]")


def check_pdf(data: bytes) -> None:
    """Refuse a PDF that is damaged, encrypted, too long or would act when it is opened.

    Reads the bytes, also those of packed object streams, in the sandbox and without a PDF
    parser. Raises Rejected: no header or end, more than MAX_PAGES pages, a password, scripts,
    actions, forms of XFA, attachments, media.
    """
    _limit_size(data, SCAN_BYTES)
    if not data.startswith(b"%PDF-") or b"%%EOF" not in data[-2048:]:
        raise Rejected(BROKEN_PDF)
    in_sandbox(_look_into_pdf, data, BROKEN_PDF)


ACTIVE_PDF = (
    "PDF 含有脚本、动作、表单或附件，不能接收。请用“打印为 PDF”重新生成，或直接上传扫描图片。"
)
LOCKED_PDF = "PDF 已加密，无法检查。请取消密码和权限限制，重新保存后再上传。"
ODD_PDF = "PDF 使用了少见的压缩方式，无法检查。请用“打印为 PDF”重新生成后再上传。"


def _look_into_pdf(data: bytes) -> None:
    pages = 0
    for text, is_plain in _pdf_texts(data):
        text = _spelled_out(text)
        if ENCRYPT.search(text):
            raise Rejected(LOCKED_PDF)
        if ACTIVE_NAMES.search(text) or OPEN_ACTION.search(text):
            raise Rejected(ACTIVE_PDF)
        if is_plain and SHORT_NAMES.search(text):
            raise Rejected(ACTIVE_PDF)
        pages += len(PAGE.findall(text)) if is_plain else 0
        if pages > MAX_PAGES:
            raise Rejected(f"PDF 超过 {MAX_PAGES} 页。请拆分后再上传。")


def _spelled_out(text: bytes) -> bytes:
    """Names with their hexadecimal escapes resolved: /J#53 is /JS."""
    return HEX_NAME.sub(lambda match: bytes.fromhex(match[1].decode()), text)


def _pdf_texts(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """(bytes, plain?) to look into: what lies between streams, what is packed in those that hold
    objects, and the bodies of all."""
    budget = MAX_PDF_INFLATED
    start = 0
    for match in STREAM.finditer(data):
        if match.start() < start:
            continue
        before = data[start : match.end()]
        yield before, True
        holds_objects = OBJECT_STREAM.search(_spelled_out(before)) is not None
        inflated = _inflated(data, match.end(), holds_objects, budget)
        budget -= len(inflated)
        yield inflated, holds_objects
        end = data.find(b"endstream", match.end())
        start = len(data) if end < 0 else end
        yield data[match.end() : start], False
    yield data[start:], True


def _inflated(data: bytes, start: int, holds_objects: bool, budget: int) -> bytes:
    """What a stream holds when it is packed and may be an object stream, else nothing.

    A reader may take any stream that begins with numbers for objects, whatever it is called.
    Raises Rejected when an object stream is packed in another way, or the budget is used up.
    """
    inflater = zlib.decompressobj()
    text = bytearray()
    try:
        while not inflater.eof and (piece := data[start : start + CHUNK // 16]):
            start += len(piece)
            text += inflater.decompress(piece, budget - len(text) + 1)
            if len(text) > budget:
                raise Rejected("PDF 展开后过大。请降低扫描分辨率或拆分后再上传。")
            if not holds_objects and not OBJECT_NUMBERS.match(text[:4096]):
                return b""
    except zlib.error:
        if holds_objects:
            raise Rejected(ODD_PDF) from None
    return bytes(text)
