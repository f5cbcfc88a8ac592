"""Words of long rosters: drawn upon ready pages by ReportLab, because WeasyPrint takes 20 ms a row.

The pages themselves (title, headings, watermark, places for signatures) are laid out once by
`xianning.pdf` and lie below. Measured: 10,000 rows × 17 columns take a tenth of the time and a
sixth of the memory of the same rows as HTML. Lengths are millimetres from the upper left corner.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xianning import pdf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MM = 72 / 25.4  # points
PAGE = (297.0, 210.0)
# By file: ReportLab takes no fonts with cubic outlines (Noto CJK). The first that has a character
# draws it; the second and third hold what names of people need beside it.
FONTS = ("LXGWWenKai-Regular.ttf", "HanaMinA.ttf", "HanaMinB.ttf")
FOLDERS = ("/usr/local/share/fonts", "/usr/share/fonts")
SIZES = (7.2, 6.6, 6.0, 5.4, 4.8, 4.2, 3.6, 3.2)  # points
LINE = 1.15
PADDING = 0.6
_BREAKS_BEHIND = "-"
_NOT_AT_THE_END, _NOT_AT_THE_BEGINNING = "（《“〔【", "，。、；：？！）》”〕】"


@dataclass(frozen=True)
class Grid:
    """Where the cells are: WIDTHS of the columns from LEFT, rows of HEIGHT from TOP downwards."""

    left: float
    top: float
    widths: tuple[float, ...]
    height: float


@dataclass(frozen=True)
class Sheet:
    """The words of one page: lines of the grid, and (words, left, top, points, align) beside it."""

    lines: Sequence[Sequence[str]]
    beside: Sequence[tuple[str, float, float, float, str]] = ()


@lru_cache(maxsize=1)
def _files() -> tuple[Path, ...]:
    """The fonts of this machine. Raises pdf.MissingGlyph when the first one is not there."""
    found = []
    for name in FONTS:
        places = (path for folder in FOLDERS for path in Path(folder).rglob(name))
        if path := next(places, None):
            found.append(path)
    if not found or found[0].name != FONTS[0]:
        raise pdf.MissingGlyph(f"服务器缺少字体 {FONTS[0]}，不能制作名册。请管理员安装字体。")
    return tuple(found)


@dataclass
class _Pen:
    """Fonts that are opened when a character needs them, and what no font has."""

    canvas: Any
    missing: dict[str, None] = field(default_factory=dict)
    _opened: list[Any] = field(default_factory=list)
    _known: dict[str, tuple[str, str, float]] = field(default_factory=dict)

    def look(self, character: str) -> tuple[str, str, float]:
        """What is drawn for CHARACTER, its font, and its width in thousandths of the size."""
        if (known := self._known.get(character)) is None:
            known = self._known[character] = self._look(character)
        return known

    def _look(self, character: str) -> tuple[str, str, float]:
        for number in range(len(_files())):
            face = self._font(number).face
            if ord(character) in face.charToGlyph:
                return character, f"f{number}", face.getCharWidth(ord(character))
        if character == pdf.HOLE:
            raise pdf.MissingGlyph(pdf.HOLE)
        self.missing[character] = None
        return self.look(pdf.HOLE)

    def _font(self, number: int) -> Any:
        from reportlab.pdfbase import pdfmetrics
        from reportlab.pdfbase.ttfonts import TTFont

        while len(self._opened) <= number:
            name = f"f{len(self._opened)}"
            font = TTFont(name, str(_files()[len(self._opened)]))
            pdfmetrics.registerFont(font)
            self._opened.append(font)
        return self._opened[number]

    def width(self, text: str) -> float:
        """Millimetres at a size of one point."""
        return sum(self.look(character)[2] for character in text) / 1000 / MM

    def wrapped(self, text: str, room: float) -> list[str]:
        """TEXT in lines no wider than ROOM (at one point), numbers broken at dashes if they can."""
        lines, start = [], 0
        while start < len(text):
            end, used = start, 0.0
            while end < len(text):
                used += self.look(text[end])[2] / 1000 / MM
                if used > room and end > start:
                    break
                end += 1
            if end < len(text):
                end = self._better_end(text, start, end)
            lines.append(text[start:end])
            start = end
        return lines

    @staticmethod
    def _better_end(text: str, start: int, end: int) -> int:
        if text.isascii():
            return text.rfind(_BREAKS_BEHIND, start + 1, end) + 1 or end
        while end - start > 1 and (
            text[end] in _NOT_AT_THE_BEGINNING or text[end - 1] in _NOT_AT_THE_END
        ):
            end -= 1
        return end

    def fitted(self, text: str, width: float, height: float) -> tuple[float, list[str]]:
        """The largest of SIZES at which TEXT fits a cell, and its lines; a number rather whole."""
        room, points, lines = width - 2 * PADDING, SIZES[0], [text]
        whole = self.width(text)
        for points in SIZES:
            lines = [text] if whole * points <= room else self.wrapped(text, room / points)
            is_torn = text.isascii() and any(line[-1] != _BREAKS_BEHIND for line in lines[:-1])
            if len(lines) * points / MM * LINE <= height - 0.8 and not is_torn:
                break
        return points, lines

    def write(self, text: str, left: float, baseline: float, points: float) -> None:
        """Draw TEXT from LEFT, with another font where the first one lacks a character."""
        run: list[str] = []
        font = ""
        x = left * MM
        for character in text:
            drawn, own, _ = self.look(character)
            if own != font and run:
                x = self._run("".join(run), font, x, baseline, points)
                run = []
            font = own
            run.append(drawn)
        if run:
            self._run("".join(run), font, x, baseline, points)

    def _run(self, text: str, font: str, x: float, baseline: float, points: float) -> float:
        self.canvas.setFont(font, points)
        self.canvas.drawString(x, (PAGE[1] - baseline) * MM, text)
        return x + self.width(text) * points * MM


def _utf16_in(maps: Callable[..., str]) -> Callable[..., str]:
    """ReportLab's table of what glyphs mean, so that rare characters can be found and copied.

    It writes five digits for what lies beyond U+FFFF; it must be UTF-16 (ISO 32000-1, 9.10.3).
    """

    def mended(*args: Any) -> str:
        return re.sub("<([0-9A-F]{5,6})>", lambda found: f"<{_utf16(found[1])}>", str(maps(*args)))

    return mended


def _utf16(digits: str) -> str:
    return chr(int(digits, 16)).encode("utf-16-be").hex().upper()


def _draw(grid: Grid, sheets: Sequence[Sheet]) -> bytes:
    """In the child: a line with the missing characters, then the PDF."""
    from reportlab.pdfbase import ttfonts
    from reportlab.pdfgen.canvas import Canvas

    ttfonts.makeToUnicodeCMap = _utf16_in(ttfonts.makeToUnicodeCMap)
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=(PAGE[0] * MM, PAGE[1] * MM), pageCompression=1, invariant=1)
    pen = _Pen(canvas)
    fits: dict[tuple[str, float], tuple[float, list[str]]] = {}
    for sheet in sheets:
        canvas.setLineWidth(0.3)
        _rules(canvas, grid, len(sheet.lines))
        for row, line in enumerate(sheet.lines):
            top, left = grid.top + row * grid.height, grid.left
            for text, width in zip(line, grid.widths, strict=True):
                if text:
                    fit = fits.get((text, width))
                    if fit is None:
                        fit = pen.fitted(text, width, grid.height)
                        if len(fits) < 50_000:
                            fits[text, width] = fit
                    _cell(pen, fit, left, top, width, grid.height)
                left += width
        for text, left, top, points, align in sheet.beside:
            shift = pen.width(text) * points if align == "right" else 0.0
            pen.write(text, left - shift, top, points)
        canvas.showPage()
    canvas.save()
    return "".join(pen.missing).encode() + b"\n" + target.getvalue()


def _cell(
    pen: _Pen, fit: tuple[float, list[str]], left: float, top: float, width: float, height: float
) -> None:
    """Lines in the middle of their box. A character stands 0.36 of its size above its middle."""
    points, lines = fit
    step = points / MM * LINE
    baseline = top + height / 2 - step * (len(lines) - 1) / 2 + 0.36 * points / MM
    for number, text in enumerate(lines):
        begin = left + (width - pen.width(text) * points) / 2
        pen.write(text, begin, baseline + number * step, points)


def _rules(canvas: Any, grid: Grid, rows: int) -> None:
    """The lines of ROWS rows; those of the headings are on the page below."""
    left, right = grid.left, grid.left + sum(grid.widths)
    bottom = grid.top + rows * grid.height
    if not rows:
        return
    edges = [left]
    for width in grid.widths:
        edges.append(edges[-1] + width)
    lines = [
        *((edge, grid.top, edge, bottom) for edge in edges),
        *((left, y, right, y) for y in (grid.top + n * grid.height for n in range(1, rows + 1))),
    ]
    canvas.lines([(a * MM, (PAGE[1] - b) * MM, c * MM, (PAGE[1] - d) * MM) for a, b, c, d in lines])


def words(grid: Grid, sheets: Sequence[Sheet]) -> pdf.Pdf:
    """The SHEETS as pages without their grounds; made in a child process.

    A character that no font has is printed as 〓 and named in `missing`, as in `pdf.write`.
    """
    _files()
    return pdf.caged(_draw, grid, sheets)
