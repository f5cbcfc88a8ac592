"""Cell formats of a workbook (styles.xml): a format of the user's with our fill, and back again.

A coloured format is the user's own but for the fill. Which colour it had before is kept where a
plain fill shows nothing, in its background colour, so that a later round can take ours off. A
program that does not keep it (LibreOffice) leaves no colour then. ECMA-376 part 1, §18.8.
"""

from __future__ import annotations

from typing import Literal

from xianning.xlsx.package import DECLARATION, Package
from xianning.xlsx.tags import (
    Document,
    Element,
    attributes,
    escape,
    inside,
    siblings,
    with_attributes,
)

Level = Literal["error", "warning"]
# Not the colours of any palette, so that nobody else has them.
COLOURS: dict[Level, str] = {"error": "FFFF9C9D", "warning": "FFFFEE9E"}
# What LibreOffice writes as background of these two: the next colour of its palette.
_OF_LIBREOFFICE = {"FFFF9C9D": "FFFF8080", "FFFFEE9E": "FFFFFFCC"}
_AFTER = {  # the order of the children (§18.8.39)
    "fonts": ("fills", "borders", "cellStyleXfs", "cellXfs"),
    "fills": ("borders", "cellStyleXfs", "cellXfs"),
    "cellXfs": ("cellStyles", "dxfs", "tableStyles", "colors", "extLst"),
}
_AFTER["fills"] += ("cellStyles", *_AFTER["cellXfs"])
_AFTER["fonts"] += ("cellStyles", *_AFTER["cellXfs"])
_EMPTY = {
    "fonts": b"<%sfont/>",
    "fills": b'<%sfill><%spatternFill patternType="none"/></%sfill>'
    b'<%sfill><%spatternFill patternType="gray125"/></%sfill>',
    "cellXfs": b'<%sxf numFmtId="0" fontId="0" fillId="0" borderId="0"/>',
}


class Styles:
    """The cell formats by their number; new ones are added behind the others."""

    def __init__(self, package: Package, namespace: bytes) -> None:
        self.package = package
        targets = [r.target for r in package.relations(package.main) if r.kind == "styles"]
        if targets:
            self.part = targets[0]
            self.is_new = False
            self.document = Document(package.read(self.part))
        else:
            self.part = package.free_name("xl/styles{}.xml")
            self.is_new = True
            self.document = Document(DECLARATION + b'<styleSheet xmlns="%s"/>' % namespace)
        self.before = self.document.xml
        self.fills = self._list("fills")
        self.formats = self._list("cellXfs")
        self.counts = {"fonts": 0, "fills": len(self.fills), "cellXfs": len(self.formats)}
        self.fonts: list[bytes] | None = None  # only the sheet of problems needs them
        self._bases: dict[int, int] = {}
        self._marked: dict[tuple[int, Level], int] = {}
        fills = {n for n, fill in enumerate(self.fills) if self._mark_of(fill)}
        self.ours = {
            n for n, xf in enumerate(self.formats) if fills and _number(xf, "fillId") in fills
        }

    def _list(self, name: str) -> list[bytes]:
        xml = self.document.xml
        found = [xml[e.start : e.end] for e in self.document.listed(name)]
        if not found:
            # A list that is not there counts as the one everybody begins with.
            first = _EMPTY[name]
            written = first % ((self.document.prefix,) * first.count(b"%s"))
            found = [written[e.start : e.end] for e in siblings(written)]
        return found

    def _mark_of(self, fill: bytes) -> Element | None:
        """Our solid fill in one of COLOURS, or None."""
        for element in _patterns(fill):
            if attributes(element.tag(fill)).get("patternType") == "solid":
                colours = inside(fill, element)
                shown = [attributes(c.tag(fill)).get("rgb") for c in colours if c.name == "fgColor"]
                return element if shown and shown[0] in COLOURS.values() else None
        return None

    # --- the user's formats

    def base(self, style: int) -> int:
        """The format as it was before we coloured it; any other stays itself."""
        if style not in self.ours:
            return style if 0 <= style < len(self.formats) else 0
        if style not in self._bases:
            xf = self.formats[style]
            fill = self._fill_before(self.fills[_number(xf, "fillId")])
            wanted = _core(xf)
            self._bases[style] = next(
                (
                    n
                    for n, other in enumerate(self.formats)
                    if _number(other, "fillId") == fill and _core(other) == wanted
                ),
                -1,
            )
            if self._bases[style] < 0:
                self._bases[style] = self._format(_changed(xf, fillId=str(fill)))
        return self._bases[style]

    def _fill_before(self, fill: bytes) -> int:
        element = self._mark_of(fill)
        assert element is not None
        colours = {c.name: attributes(c.tag(fill)) for c in inside(fill, element)}
        before, ours = colours.get("bgColor", {}), colours["fgColor"]["rgb"]
        if not before or ("indexed" in before and before["indexed"] == "64"):
            return 0
        if before.get("rgb") == _OF_LIBREOFFICE[ours]:
            return 0
        for number, other in enumerate(self.fills):
            if _solid_colour(other) == before:
                return number
        return self._solid(before, {"indexed": "64"})

    def marked(self, style: int, level: Level) -> int:
        """The format with the fill of LEVEL."""
        style = self.base(style)
        if (style, level) not in self._marked:
            xf = self.formats[style]
            number = _number(xf, "fillId")
            own = _solid_colour(self.fills[number]) if 0 <= number < len(self.fills) else None
            fill = self._solid({"rgb": COLOURS[level]}, own or {"indexed": "64"})
            number = self._format(_changed(xf, fillId=str(fill), applyFill="1"))
            self._marked[style, level] = number
            self.ours.add(number)
            self._bases[number] = style
        return self._marked[style, level]

    def _solid(self, shown: dict[str, str], behind: dict[str, str]) -> int:
        p = self.document.prefix
        colours = b"".join(
            b"<%s%s%s/>"
            % (p, name, b"".join(b' %s="%s"' % (k.encode(), escape(v)) for k, v in d.items()))
            for name, d in ((b"fgColor", shown), (b"bgColor", behind))
        )
        start = b'<%sfill><%spatternFill patternType="solid">' % (p, p)
        return _place(self.fills, start + colours + b"</%spatternFill></%sfill>" % (p, p))

    def _format(self, xf: bytes) -> int:
        return _place(self.formats, xf)

    # --- formats of our own sheet

    def text(self, *, bold: bool = False, wrapped: bool = False, quoted: bool = False) -> int:
        """A plain text format. QUOTED: stays text when somebody edits the cell."""
        p = self.document.prefix
        start = b'<%sxf numFmtId="49" fontId="%d" fillId="0" borderId="0"' % (p, self._font(bold))
        if self.document.child("cellStyleXfs"):
            start += b' xfId="0"'
        start += b' applyNumberFormat="1"'
        start += b' quotePrefix="1"' if quoted else b""
        start += b' applyFont="1"' if bold else b""
        if not wrapped:
            return self._format(start + b"/>")
        inner = b'<%salignment vertical="top" wrapText="1"/>' % p
        return self._format(start + b' applyAlignment="1">' + inner + b"</%sxf>" % p)

    def _font(self, bold: bool) -> int:
        if not bold:
            return 0
        if self.fonts is None:
            self.fonts = self._list("fonts")
            self.counts["fonts"] = len(self.fonts)
        font, p = self.fonts[0], self.document.prefix
        name = b"%sfont" % p
        whole = Document(font).xml  # with an end tag of its own
        inner = whole[whole.index(b">") + 1 : whole.rindex(b"</")]
        others = b"".join(inner[e.start : e.end] for e in siblings(inner) if e.name != "b")
        return _place(self.fonts, b"<%s><%sb/>%s</%s>" % (name, p, others, name))

    # --- the part

    def save(self) -> None:
        """Write the part if anything was added, with its relation if there was none."""
        lists = {"fonts": self.fonts, "fills": self.fills, "cellXfs": self.formats}
        for name, entries in lists.items():
            if entries is not None and len(entries) > self.counts[name]:
                self._write_list(name, entries)
        if self.document.xml == self.before:
            return
        if self.is_new:
            self.package.add(self.part, self.document.xml, "spreadsheetml.styles+xml")
            self.package.relate(self.package.main, "styles", self.part)
        else:
            self.package.write(self.part, self.document.xml)

    def _write_list(self, name: str, entries: list[bytes]) -> None:
        document, child = self.document, self.document.child(name)
        if child is None or not document.listed(name):
            if child is not None:
                document.replace(child, b"")
            p, tag = document.prefix, name.encode()
            whole = b"<%s%s>%s</%s%s>" % (p, tag, b"".join(entries), p, tag)
            document.insert(whole, _AFTER[name])
        else:
            document.append(b"".join(entries[self.counts[name] :]), name)
        child = document.child(name)
        assert child is not None
        tag = with_attributes(child.tag(document.xml), count=str(len(entries)))
        document.xml = document.xml[: child.start] + tag + document.xml[child.inner :]


def _place(entries: list[bytes], entry: bytes) -> int:
    """Where ENTRY stands in the list; added if it is not there."""
    if entry in entries:
        return entries.index(entry)
    entries.append(entry)
    return len(entries) - 1


def _start(xml: bytes) -> bytes:
    return next(siblings(xml)).tag(xml)


def _number(xf: bytes, name: str) -> int:
    text = attributes(_start(xf)).get(name, "0")
    return int(text) if text.isascii() and text.isdigit() else 0


def _changed(xf: bytes, **values: str) -> bytes:
    start = _start(xf)
    return with_attributes(start, **values) + xf[len(start) :]


def _core(xf: bytes) -> tuple[dict[str, str], bytes]:
    """All of a format but its fill."""
    start = _start(xf)
    values = attributes(start)
    for name in ("fillId", "applyFill"):
        values.pop(name, None)
    return values, xf[len(start) :]


def _solid_colour(fill: bytes) -> dict[str, str] | None:
    """The colour of a plain fill that is not ours; None for no fill, patterns and gradients."""
    for element in _patterns(fill):
        if attributes(element.tag(fill)).get("patternType") != "solid":
            return None
        for colour in inside(fill, element):
            found = attributes(colour.tag(fill))
            if colour.name == "fgColor":
                return None if found.get("rgb") in COLOURS.values() else found
    return None


def _patterns(fill: bytes) -> list[Element]:
    return inside(fill, next(siblings(fill)))
