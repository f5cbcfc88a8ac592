"""Pages of signed scans and the codes on them, read in a child process with limits.

zxing-cpp reads the codes: of a pile of 27 readable pages (turned, skewed, grey, noisy, 100 dpi and
up) it read all at 150 dpi and above; OpenCV's detector read 21 in ten times the time. Pages of PDF
are drawn by PDFium.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import pikepdf
import pypdfium2
import zxingcpp
from PIL import Image, ImageOps

from xianning import uploads
from xianning.uploads import CONTENT_TYPES, MAX_PIXELS, SCAN_BYTES

# Pixels a millimetre: 200 dpi first, and once more at 300 when nothing was found.
POINTS = 72
RESOLUTIONS = (200, 300)
DRAWN_PIXELS = 4000  # of the longer side, whatever size the page says it has
PICTURE_PIXELS = 360  # of the picture beside the name: no number on it can be read
BLOCK = 20  # pages read by one child
BROKEN = "文件损坏，无法逐页读取。请重新扫描后再上传。"
_CODE = re.compile(r"XN:(FORM|NOTICE|LETTER|NOTE):([0-9A-F]{32}):([0-9]{1,9}):([1-9])")


@dataclass(frozen=True)
class Code:
    """What the code of a sheet says."""

    paper: str
    pk: UUID
    version: int
    copy: int

    @classmethod
    def parse(cls, text: str) -> Code | None:
        found = _CODE.fullmatch(text)
        return cls(found[1], UUID(found[2]), int(found[3]), int(found[4])) if found else None


@dataclass(frozen=True)
class Sheet:
    """A page: the codes of ours on it, a small picture, and the page alone as a file.

    The file is empty when the page is too large for one.
    """

    codes: list[Code]
    picture: bytes
    file: bytes
    content_type: str

    @property
    def code(self) -> Code | None:
        """The code by which it is filed: of the slips of one paper the last, which is the receipt.

        None when there is none, or when there are codes of several papers.
        """
        if len({(code.paper, code.pk, code.version) for code in self.codes}) != 1:
            return None
        return max(self.codes, key=lambda code: code.copy)


def sheets(data: bytes, content_type: str, first: int, count: int) -> Iterator[Sheet]:
    """COUNT pages from FIRST on, one after the other.

    Raises Rejected when the next page cannot be drawn within the limits; those before are whole.
    """
    function = _emit_pdf_pages if content_type == CONTENT_TYPES["pdf"] else _emit_picture
    parts = uploads.stream_in_sandbox(
        lambda emit, blob: function(emit, blob, first, count), data, BROKEN,
        cpu_seconds=20 + 2 * count, wall_seconds=60 + 4 * count, result_mb=count * 11,
    )  # fmt: skip
    for head, picture, file in zip(parts, parts, parts, strict=False):
        texts = json.loads(head)
        codes = [code for text in texts if (code := Code.parse(str(text)))]
        yield Sheet(codes, picture, file, content_type)


def page_count(data: bytes, content_type: str) -> int:
    """How many pages a checked file has."""
    if content_type != CONTENT_TYPES["pdf"]:
        return 1
    return int(uploads.in_sandbox(_count, data, BROKEN))


# In the child


Emit = Callable[[bytes], None]


def _count(data: bytes) -> int:
    return len(pypdfium2.PdfDocument(data))


def _emit_pdf_pages(emit: Emit, data: bytes, first: int, count: int) -> None:
    drawn = pypdfium2.PdfDocument(data)
    with pikepdf.open(io.BytesIO(data)) as whole:
        for number in range(first, first + count):
            page = drawn[number]
            _emit(emit, partial(_drawn, page), _alone(whole, number))


def _drawn(page: pypdfium2.PdfPage, dpi: int) -> Image.Image:
    longest = max(1.0, *page.get_size())
    picture: Image.Image = page.render(
        scale=min(dpi / POINTS, DRAWN_PIXELS / longest), grayscale=True, may_draw_forms=False
    ).to_pil()
    return picture


def _alone(whole: pikepdf.Pdf, number: int) -> bytes:
    """One page as a PDF of its own, as sharp as it came."""
    out = io.BytesIO()
    with pikepdf.Pdf.new() as single:
        single.pages.append(whole.pages[number])
        single.save(out, deterministic_id=True)
    return out.getvalue()


def _emit_picture(emit: Emit, data: bytes, first: int, count: int) -> None:
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # in the sandbox: the setting ends with the child
    with Image.open(io.BytesIO(data), formats=["JPEG", "PNG"]) as opened:
        opened.draft("L", (DRAWN_PIXELS, DRAWN_PIXELS))
        picture = opened.convert("L")
    picture.thumbnail((DRAWN_PIXELS, DRAWN_PIXELS))
    _emit(emit, lambda _dpi: picture, data)


def _emit(emit: Emit, draw: Callable[[int], Image.Image], file: bytes) -> None:
    for dpi in RESOLUTIONS:
        picture = draw(dpi)
        found = _codes(picture) or _codes(ImageOps.autocontrast(picture, cutoff=2))
        if found:
            break
    turned = round(found[0].orientation / 90) * 90 if found else 0
    emit(json.dumps([code.text for code in found[:8]]).encode("ascii"))
    emit(_small(picture.rotate(turned, expand=True)))
    emit(file if len(file) <= SCAN_BYTES else b"")


def _codes(picture: Image.Image) -> list[zxingcpp.Barcode]:
    found = zxingcpp.read_barcodes(
        picture, formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
    )
    return [code for code in found if code.valid and code.text.isascii()]


def _small(picture: Image.Image) -> bytes:
    picture.thumbnail((PICTURE_PIXELS, PICTURE_PIXELS))
    out = io.BytesIO()
    picture.convert("L").save(out, "JPEG", quality=70)
    return out.getvalue()
