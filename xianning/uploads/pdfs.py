"""PDF of signed papers: written anew from their pages, so that nothing in them can act.

What stays is an allow-list: the pages with what they draw. Stamps and filled-in fields become part
of the page; scripts, actions, attachments, forms, links, media, metadata and earlier versions of
the file do not come along. ISO 32000-2: 7.7.2 (catalog), 7.7.3 (pages), 12.5 (annotations),
12.6 (actions), 7.11 (files), 12.7 (forms).
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Object, Pdf, Stream

from xianning.sandbox import MB, Rejected
from xianning.uploads.limits import SCAN_BYTES, in_sandbox, limit_size

MAX_PAGES = 300
MAX_OBJECTS = 200_000
MAX_CONTENT = 100 * MB  # what one page draws, inflated
PIECE = MB

BROKEN_PDF = "PDF 文件损坏或不完整。请重新扫描或重新导出后再上传。"
LOCKED_PDF = "PDF 设有打开密码，无法检查。请取消密码，重新保存后再上传。"
PORTFOLIO_PDF = "PDF 是文件包，正文在附件中。请分别上传其中的扫描件。"
DYNAMIC_PDF = "PDF 是动态表单，没有固定的页面。请用“打印为 PDF”重新生成后再上传。"
ACTIVE_PDF = "PDF 含有不能移除的动作。请用“打印为 PDF”重新生成，或直接上传扫描图片。"
TOO_LARGE_PDF = "PDF 展开后过大。请降低扫描分辨率或拆分后再上传。"
TOO_MANY_PAGES = f"PDF 超过 {MAX_PAGES} 页。请拆分后再上传。"

CATALOG_KEYS = frozenset({"/Type", "/Pages", "/OCProperties", "/Lang"})
PAGE_KEYS = frozenset({
    "/Type", "/Parent", "/MediaBox", "/CropBox", "/BleedBox", "/TrimBox", "/ArtBox", "/Rotate",
    "/UserUnit", "/Group", "/Resources", "/Contents",
})  # fmt: skip
# What would act, carry a file, or tell where the paper comes from, wherever it stands.
FORBIDDEN_KEYS = frozenset({
    "/A", "/AA", "/JS", "/JavaScript", "/OpenAction", "/EF", "/EmbeddedFiles", "/AF", "/XFA",
    "/RichMediaContent", "/Metadata", "/PieceInfo", "/OPI", "/Ref", "/Alternates", "/PS",
})  # fmt: skip
# A stream whose content lies in another file (7.3.8.2).
STREAM_KEYS = frozenset({"/F", "/FFilter", "/FDecodeParms"})
ACTIONS = frozenset({
    "/GoTo", "/GoToR", "/GoToE", "/GoToDp", "/Launch", "/Thread", "/URI", "/Sound", "/Movie",
    "/Hide", "/Named", "/SubmitForm", "/ResetForm", "/ImportData", "/SetOCGState", "/Rendition",
    "/Trans", "/GoTo3DView", "/JavaScript", "/RichMediaExecute",
})  # fmt: skip
# Their keys are names the producer chose, such as /AA for a font.
NAMED_RESOURCES = frozenset({
    "/Font", "/XObject", "/ExtGState", "/ColorSpace", "/Pattern", "/Shading", "/Properties",
    "/CharProcs", "/Colorants",
})  # fmt: skip
MEDIA = frozenset({"/RichMedia", "/Screen", "/Movie", "/Sound", "/3D"})


def clean_pdf(data: bytes, limit: int = SCAN_BYTES) -> tuple[bytes, list[str]]:
    """The PDF written anew without anything that acts, and what was left out, in words.

    Raises Rejected: no header or end, damaged, a password, no page or more than MAX_PAGES, a
    portfolio, a form without fixed pages.
    """
    limit_size(len(data), limit)
    check_frame(data)
    answer: bytes = in_sandbox(rewrite, data, BROKEN_PDF)
    words, _, clean = answer.partition(b"\n")
    return clean, [str(word) for word in json.loads(words)]


def check_frame(data: bytes) -> None:
    """Raises Rejected when the header or the end is missing: a signed scan must be whole."""
    if not data.startswith(b"%PDF-") or b"%%EOF" not in data[-2048:]:
        raise Rejected(BROKEN_PDF)


def rewrite(data: bytes) -> bytes:
    """What ``clean_pdf`` does inside the sandbox: one line of JSON (what was left out), the PDF.

    Raises Rejected, or what the parser raises on damage.
    """
    try:
        pdf = pikepdf.open(io.BytesIO(data))
    except pikepdf.PasswordError:
        raise Rejected(LOCKED_PDF) from None
    with pdf:
        _check_pages(pdf)
        left_out = sorted(set(_active_parts(pdf)))
        _keep_pages_only(pdf)
        for part, names_are_free in _parts(pdf):
            _make_inert(part, names_are_free)
        clean = _saved(pdf)
    _look_again(clean)
    return json.dumps(left_out).encode("ascii") + b"\n" + clean


def _check_pages(pdf: Pdf) -> None:
    root = pdf.Root
    if "/Collection" in root:
        raise Rejected(PORTFOLIO_PDF)
    if root.get("/NeedsRendering", False):
        raise Rejected(DYNAMIC_PDF)
    if len(pdf.pages) > MAX_PAGES:
        raise Rejected(TOO_MANY_PAGES)
    if not len(pdf.pages) or len(pdf.objects) > MAX_OBJECTS:
        raise Rejected(BROKEN_PDF)
    for page in pdf.pages:
        for content in _listed(page.obj.get("/Contents")):
            if not isinstance(content, Stream):
                raise Rejected(BROKEN_PDF)
            _check_content(content)


def _check_content(content: Stream) -> None:
    """Raises Rejected, or what the parser raises, when a part of the page is missing or a bomb."""
    if [str(name) for name in _listed(content.get("/Filter"))] != ["/FlateDecode"]:
        content.read_bytes()
        return
    # The parser takes a stream that breaks off for a whole one. Without the two bytes of the
    # header the checksum at the end is not asked for, which some producers leave out.
    inflater, packed = zlib.decompressobj(-zlib.MAX_WBITS), content.read_raw_bytes()[2:]
    room = MAX_CONTENT
    while packed and not inflater.eof:
        room -= len(inflater.decompress(packed, PIECE))
        packed = inflater.unconsumed_tail
        if room < 0:
            raise Rejected(TOO_LARGE_PDF)
    if not inflater.eof and len(content.read_raw_bytes()) > 2:  # a blank page may hold nothing
        raise Rejected(BROKEN_PDF)


def _listed(value: Any) -> list[Any]:
    """The members of an array, a single object as a list of one, nothing as an empty list."""
    if value is None:
        return []
    return list(value.as_list()) if isinstance(value, Array) else [value]


def _active_parts(pdf: Pdf) -> Iterator[str]:
    """What of the file a person should know is not kept."""
    root = pdf.Root
    if isinstance(root.get("/OpenAction"), Dictionary) or "/AA" in root:
        yield "动作"  # an array in its place is only the page to begin with
    names = root.get("/Names")
    if isinstance(names, Dictionary) and "/JavaScript" in names:
        yield "脚本"
    if "/AF" in root or (isinstance(names, Dictionary) and "/EmbeddedFiles" in names):
        yield "附件"
    form = root.get("/AcroForm")
    if isinstance(form, Dictionary):
        if _listed(form.get("/Fields")) or "/XFA" in form:
            yield "表单"
        if int(form.get("/SigFlags", 0)):
            yield "电子签名（保留外观）"
    for page in pdf.pages:
        if "/AA" in page.obj:
            yield "动作"
        for note in _listed(page.obj.get("/Annots")):
            if isinstance(note, Dictionary):
                yield from _active_note(note)


def _active_note(note: Dictionary) -> Iterator[str]:
    subtype = str(note.get("/Subtype", ""))
    if subtype in MEDIA:
        yield "媒体"
    if subtype == "/FileAttachment":
        yield "附件"
    action = note.get("/A")
    followed = isinstance(action, Dictionary) and str(action.get("/S")) in ("/URI", "/GoTo")
    if "/AA" in note or (action is not None and not followed):
        yield "动作"


def _keep_pages_only(pdf: Pdf) -> None:
    """Stamps and fields become part of their pages; catalog and pages keep only what they draw."""
    if any("/Annots" in page.obj for page in pdf.pages):
        pdf.generate_appearance_streams()
        pdf.flatten_annotations("all")
    for page in pdf.pages:
        _keep(page.obj, PAGE_KEYS)
    _keep(pdf.Root, CATALOG_KEYS)
    _keep(pdf.trailer, frozenset({"/Root", "/Size"}))


def _keep(dictionary: Object, keys: frozenset[str]) -> None:
    for key in set(dictionary.keys()) - keys:
        del dictionary[key]


def _parts(pdf: Pdf) -> Iterator[tuple[Object, bool]]:
    """Every dictionary and stream that can be reached from the catalog, once.

    With each: whether its keys are names that the producer chose.
    """
    seen: set[tuple[int, int]] = set()
    waiting: list[tuple[Any, bool]] = [(pdf.Root, False)]
    while waiting:
        part, names_are_free = waiting.pop()
        if not isinstance(part, Object) or not isinstance(part, Dictionary | Stream | Array):
            continue
        if part.is_indirect:
            if part.objgen in seen:
                continue
            seen.add(part.objgen)
        if isinstance(part, Array):
            waiting += [(member, False) for member in part.as_list()]
            continue
        yield part, names_are_free
        waiting += [(part[key], _names_below(part, key)) for key in list(part.keys())]


def _names_below(part: Object, key: str) -> bool:
    if key not in NAMED_RESOURCES:
        return False
    below = part[key]
    return isinstance(below, Dictionary) and "/Type" not in below and "/S" not in below


def _make_inert(part: Object, names_are_free: bool) -> None:
    for key in _keys_to_drop(part, names_are_free):
        del part[key]
    if isinstance(part, Stream) and part.get("/Subtype") == Name.Image:
        _forget_origin(part)


def _keys_to_drop(part: Object, names_are_free: bool) -> list[str]:
    keys = list(part.keys())
    if isinstance(part, Stream):  # not all: a stream needs its length and filter
        forbidden = FORBIDDEN_KEYS | STREAM_KEYS | ({"/S"} if _is_action(part) else set())
        return [key for key in keys if key in forbidden]
    if _is_action(part):
        return keys
    if names_are_free:
        inert = (Dictionary, Stream, Array, Name)
        return [key for key in keys if not isinstance(part[key], inert)]
    return [key for key in keys if key in FORBIDDEN_KEYS]


def _is_action(part: Any) -> bool:
    return isinstance(part, Dictionary | Stream) and str(part.get("/S", "")) in ACTIONS


def _forget_origin(image: Stream) -> None:
    """Take the camera, the date and the place out of a photograph, without touching the picture."""
    if [str(name) for name in _listed(image.get("/Filter"))] != ["/DCTDecode"]:
        return
    before = image.read_raw_bytes()
    after = without_metadata(before)
    if after != before:
        parameters: Any = image.get("/DecodeParms")
        image.write(after, filter=Name.DCTDecode, decode_parms=parameters)


# JFIF, the colour profile and Adobe's colour transform are needed to draw it (ITU-T T.81, B.2.4).
DRAWN = frozenset({0xE0, 0xE2, 0xEE})
APPLICATION = range(0xE0, 0xF0)
COMMENT, START_OF_SCAN = 0xFE, 0xDA


def without_metadata(jpeg: bytes) -> bytes:
    """A JPEG without the segments that hold EXIF, XMP, IPTC or comments; the rest as it is."""
    kept = bytearray(jpeg[:2])
    at = 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF and jpeg[at + 1] not in (START_OF_SCAN, 0xFF):
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if length < 2:
            break
        if marker != COMMENT and (marker not in APPLICATION or marker in DRAWN):
            kept += jpeg[at : at + 2 + length]
        at += 2 + length
    return bytes(kept) + jpeg[at:]


def _saved(pdf: Pdf) -> bytes:
    out = io.BytesIO()
    pdf.save(
        out, encryption=False, preserve_pdfa=False, fix_metadata_version=False,
        object_stream_mode=pikepdf.ObjectStreamMode.disable, deterministic_id=True,
    )  # fmt: skip
    return out.getvalue()


def _look_again(clean: bytes) -> None:
    """Read the result as a stranger would. Raises Rejected when something in it may still act."""
    with pikepdf.open(io.BytesIO(clean)) as pdf:
        if set(pdf.Root.keys()) - CATALOG_KEYS or set(pdf.trailer.keys()) - {
            "/Root", "/Size", "/ID", "/Prev", "/XRefStm",
        }:  # fmt: skip
            raise Rejected(ACTIVE_PDF)
        for part, names_are_free in _parts(pdf):
            if _is_action(part) or (not names_are_free and FORBIDDEN_KEYS & set(part.keys())):
                raise Rejected(ACTIVE_PDF)
