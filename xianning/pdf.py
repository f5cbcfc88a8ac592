"""Template and context become a PDF: nothing is fetched, fonts are named, a cage holds the work.

Fonts come from the machine, by name: an office that owns 方正小标宋 or 仿宋_GB2312 installs it and
its papers use it, others get the free faces that `templates/print/style.css` names next.
"""

from __future__ import annotations

import io
import logging
import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pydyf  # type: ignore[import-untyped]
import segno
from django.conf import settings
from django.template.loader import render_to_string
from pypdf import PageObject, PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    FloatObject,
    IndirectObject,
    NameObject,
    StreamObject,
)

from xianning import sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

MEMORY_MB, CPU_SECONDS, WALL_SECONDS = 2000, 60, 80
HOLE = "〓"  # what printers set for a character they do not have
MOST_HOLES = 5  # more kinds than this: it is the fonts that are missing, not a rare character
_MISSING = re.compile(r"\.notdef glyph .*\(U\+([0-9A-F]+)\)$")
log = logging.getLogger("xianning.pdf")


class MissingGlyph(sandbox.Rejected):
    """No installed font has these characters."""


class Pdf(bytes):
    """A PDF, and the characters no font has: each stands on the paper as 〓, for the pen."""

    missing: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def _engine() -> tuple[Any, Any, Any]:
    """WeasyPrint, its font configuration, and a fetcher that refuses all but inline pictures.

    Loaded before the first fork, so that a warm page takes tenths of a second.
    """
    from weasyprint import HTML
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import FatalURLFetchingError, URLFetcher

    class InlinePicturesOnly(URLFetcher):
        """Other exceptions are swallowed by WeasyPrint; only the fatal one stops it."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            if url.startswith("data:image/png;base64,"):
                return super().fetch(url, headers)
            raise FatalURLFetchingError("a paper may not load anything")

    fetcher = InlinePicturesOnly(allowed_protocols=("data",), allow_redirects=False)
    return HTML, FontConfiguration(), fetcher


class _Glyphs(logging.Handler):
    """Collects what WeasyPrint says about characters that no font has."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.missing: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if found := _MISSING.search(record.getMessage()):
            self.missing[chr(int(found[1], 16))] = None


def _overlay(pdf: Any, copies: int) -> None:
    """Of each 1 + COPIES pages put the first under the others, and take it out."""
    begin, end = pydyf.Stream([b"q"]), pydyf.Stream([b"Q"])
    pdf.add_object(begin)
    pdf.add_object(end)
    numbers = pdf.pages["Kids"][::3]
    if len(numbers) % (1 + copies):
        raise ValueError("a common page has run over")
    kept = []
    for start in range(0, len(numbers), 1 + copies):
        common, *labels = numbers[start : start + 1 + copies]
        below = pdf.objects[common]["Contents"]
        for number in labels:
            page = pdf.objects[number]
            page["Contents"] = pydyf.Array(
                [begin.reference, below, end.reference, page["Contents"]]
            )
            kept += [number, 0, "R"]
    pdf.pages["Kids"], pdf.pages["Count"] = pydyf.Array(kept), len(kept) // 3


def _draw(html: str, copies: int) -> tuple[bytes, str]:
    """The PDF and the characters without a glyph."""
    document, fonts, fetcher = _engine()
    glyphs, logger = _Glyphs(), logging.getLogger("weasyprint")
    logger.addHandler(glyphs)
    try:
        data: bytes = document(string=html, url_fetcher=fetcher).write_pdf(
            font_config=fonts, finisher=lambda _, pdf: _overlay(pdf, copies) if copies else None
        )
    finally:
        logger.removeHandler(glyphs)
    return data, "".join(glyphs.missing)


def _write(html: str, copies: int) -> bytes:
    """In the child: a line with the missing characters, then the PDF with 〓 in their place."""
    data, missing = _draw(html, copies)
    if 0 < len(missing) <= MOST_HOLES:
        holed = html.translate(dict.fromkeys(map(ord, missing), HOLE))
        data, _ = _draw(holed, copies)
    return missing.encode("utf-8") + b"\n" + data


def write(html: str, copies: int = 0) -> Pdf:
    """The PDF of a whole HTML document.

    With COPIES the pages come in groups: a common page and what distinguishes each copy of it. The
    common page is laid out once and lies under each copy, which takes a third of the time.

    A character that no font has is printed as 〓 and named in `missing`: the office must be able to
    go on, with the pen. In tests it raises MissingGlyph, and everywhere when so many are missing
    that the machine has no Chinese fonts at all. Raises sandbox.SandboxError when it takes too much.
    """
    _engine()
    return caged(_write, html, copies)


def caged(function: Callable[..., bytes], *args: Any) -> Pdf:
    """What FUNCTION makes in a child process: a line with the missing characters, then the PDF.

    Raises as `write` does.
    """
    answer: bytes = sandbox.run(
        function, *args, memory_mb=MEMORY_MB, cpu_seconds=CPU_SECONDS, wall_seconds=WALL_SECONDS
    )
    head, _, data = answer.partition(b"\n")
    missing = tuple(head.decode("utf-8"))
    names = "、".join(
        f"{character}（U+{ord(character):04X}）" for character in missing[:MOST_HOLES]
    )
    if len(missing) > MOST_HOLES:
        raise MissingGlyph(f"服务器缺少中文字体，不能打印：没有{names}等字。请管理员安装字体。")
    if missing:
        log.warning("no font has %s", " ".join(f"U+{ord(c):04X}" for c in missing))
        if settings.TESTING:
            raise MissingGlyph(f"字库中没有这些字：{names}。")
    result = Pdf(data)
    result.missing = missing
    return result


def holes(missing: Sequence[str], paper: str) -> str:
    """What to say of characters that no font has, and that PAPER therefore lacks."""
    signs = "、".join(f"{sign}（U+{ord(sign):04X}）" for sign in missing)
    return f"字库中没有{signs}，{paper}上印作“{HOLE}”，请用笔填写。"


def render(template: str, context: dict[str, Any], copies: int = 0) -> Pdf:
    """The PDF of TEMPLATE (which includes `print/style.css`) with CONTEXT; else as `write`."""
    return write(render_to_string(template, context), copies)


def on_grounds(
    words: Pdf, grounds: Sequence[bytes], which: Sequence[int], facts: dict[str, str] | None = None
) -> Pdf:
    """WORDS with a ground under each page: WHICH counts the pages of all GROUNDS from 0.

    Each ground is in the file once, whatever the number of pages. FACTS are the properties of the
    file, those of WORDS when there are none.
    """
    writer, reader = PdfWriter(), PdfReader(io.BytesIO(words))
    writer.append(reader, import_outline=False)
    writer.metadata = facts or reader.metadata
    readers = [PdfReader(io.BytesIO(ground)) for ground in grounds]
    forms = [_as_form(writer, page) for each in readers for page in each.pages]
    draws = []
    for number in range(len(forms)):
        stream = StreamObject()
        stream.set_data(f"q /Ground{number} Do Q\n".encode("ascii"))
        draws.append(writer._add_object(stream))
    for page, number in zip(writer.pages, which, strict=True):
        resources: Any = page["/Resources"].get_object()
        pictures = resources.setdefault(NameObject("/XObject"), DictionaryObject()).get_object()
        pictures[NameObject(f"/Ground{number}")] = forms[number]
        contents = page.raw_get("/Contents")
        below = list(contents) if isinstance(contents, ArrayObject) else [contents]
        page[NameObject("/Contents")] = ArrayObject([draws[number], *below])
    target = io.BytesIO()
    writer.write(target)
    made = Pdf(target.getvalue())
    made.missing = words.missing
    return made


def _as_form(writer: PdfWriter, page: PageObject) -> IndirectObject:
    """PAGE as a picture that other pages draw (ISO 32000-1, 8.10)."""
    contents = page.get_contents()
    assert contents is not None
    form = StreamObject()
    form.set_data(contents.get_data())
    packed = form.flate_encode()
    packed[NameObject("/Type")] = NameObject("/XObject")
    packed[NameObject("/Subtype")] = NameObject("/Form")
    packed[NameObject("/BBox")] = ArrayObject([FloatObject(edge) for edge in page.mediabox])
    resources: Any = page["/Resources"].get_object()
    packed[NameObject("/Resources")] = resources.clone(writer)
    return writer._add_object(packed)


# --- codes ----------------------------------------------------------------------------------------


def qr(text: str, scale: int = 6) -> str:
    """A QR code as an inline picture."""
    return str(segno.make(text, error="m", micro=False).png_data_uri(scale=scale, border=1))


def mark(paper: str, pk: UUID, version: int = 1, copy: int = 1) -> str:
    """The QR code by which a signed sheet finds its case again: `XN:FORM:0193…:2:3`.

    Capitals, digits and colons only: QR codes hold these in fewer and larger squares.
    """
    return qr(f"XN:{paper}:{pk.hex}:{version}:{copy}".upper())


# --- sizes ----------------------------------------------------------------------------------------

MM_A_POINT, LINE_HEIGHT = 0.3528, 1.15
CELL_SIZES = (9.5, 8.8, 8.0, 7.2, 6.5, 5.8, 5.2, 4.6)
TEXT_SIZES = (13.0, 12.0, 11.0, 10.0, 9.0, 8.0)


def ems(text: str) -> float:
    """About how many Han characters wide TEXT is, rather more than less."""
    narrow = sum(character.isascii() for character in text)
    broad = sum(character.isupper() or character in "mw@%" for character in text)
    return len(text) - 0.4 * narrow + 0.35 * broad


def is_line(text: str, width: float, size: str) -> bool:
    """Whether TEXT in the size that `fitting` gave takes one line of WIDTH mm."""
    return "\n" not in text and ems(text) * int(size[1:] or 0) / 10 * MM_A_POINT <= width


def fitting(
    text: str, width: float, height: float, sizes: Sequence[float] = CELL_SIZES,
    line_height: float = LINE_HEIGHT,
) -> str:  # fmt: skip
    """Class of the largest of SIZES (points) at which TEXT fits a box of WIDTH × HEIGHT mm.

    The smallest one when none does: the longest values the forms let in fit with it, as a test
    of every paper shows. The classes stand in `print/style.css`.
    """
    length = ems(text)
    for size in sizes:
        em = size * MM_A_POINT
        room = width / em
        # A line may end early, before a mark that must not begin the next one.
        lines = 1 if length <= room else math.ceil(length / max(1.0, room - 1))
        if lines * em * line_height <= height:
            break
    return f"z{round(size * 10)}"
