"""Notes on cells (comments as Excel called them before 2018) and the shapes they are shown in.

Our notes are replaced at every round; those of others stay, and where ours must stand on the same
cell it is added below their text. Ours are known by how they begin, because LibreOffice keeps no
authors and cuts texts into pieces by script. ECMA-376 part 1 §18.7, part 4 §19 (VML).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import accumulate

from xianning.workbook import ESCAPED
from xianning.xlsx.package import DECLARATION, Package
from xianning.xlsx.tags import (
    Damaged,
    Document,
    attributes,
    escape,
    opening,
    unescape,
    with_attributes,
)

AUTHOR = "系统"
BEGINNING = "【系统提示】"
THREADED = "tc="  # the author of a stand-in for a newer comment with answers: Excel's own
MOST = 5000  # notes of ours in a sheet: more make Excel and WPS slow to open it
_IDS = 1024  # of shapes, in a block that the drawing claims as a whole

Place = tuple[int, int]  # row, column, from 1

_TEXT = re.compile(rb"(<(?:[\w.-]+:)?t(?=[\s/>])[^>]*>)([^<]*)(</(?:[\w.-]+:)?t\s*>)")
_RUN = re.compile(
    rb"<(?:[\w.-]+:)?r(?=[\s>])(?:(?!</(?:[\w.-]+:)?r\s*>).)*+</(?:[\w.-]+:)?r\s*>", re.DOTALL
)
_COMMENT = opening(b"comment")
_SHAPE = re.compile(
    rb"\s*<(?:\w+:)?shape(?=\s)(?:(?!</(?:\w+:)?shape\s*>).)*+</(?:\w+:)?shape\s*>", re.DOTALL
)
_DRAWN = re.compile(
    rb"<(?:\w+:)?(?:shape|group|rect|roundrect|oval|line|polyline|arc|curve|image)(?=[\s/>])"
)
_HAS_SHAPE_TYPE = re.compile(rb"""\bid\s*=\s*["']_x0000_t202["']""")
_SHAPE_ID = re.compile(rb"""\bid\s*=\s*["']_x0000_s(\d{1,9})["']""")
_ROW = re.compile(rb"<(?:\w+:)?Row\s*>\s*(\d{1,7})\s*<")
_COLUMN = re.compile(rb"<(?:\w+:)?Column\s*>\s*(\d{1,7})\s*<")
_ID_MAP = re.compile(rb"""(<(?:\w+:)?idmap\b[^>]*\bdata\s*=\s*["'])([\d, ]*)(["'])""")

_VML = (
    b'<xml xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office"'
    b' xmlns:x="urn:schemas-microsoft-com:office:excel">'
    b'<o:shapelayout v:ext="edit"><o:idmap v:ext="edit" data="%d"/></o:shapelayout></xml>'
)
_SPACES = (
    b' xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office"'
    b' xmlns:x="urn:schemas-microsoft-com:office:excel"'
)
_SHAPE_TYPE = (
    b'<v:shapetype%s id="_x0000_t202" coordsize="21600,21600" o:spt="202"'
    b' path="m,l,21600r21600,l21600,xe"><v:stroke joinstyle="miter"/>'
    b'<v:path gradientshapeok="t" o:connecttype="rect"/></v:shapetype>' % _SPACES
)
_NEW_SHAPE = (
    b'<v:shape%s id="_x0000_s%d" type="#_x0000_t202" style="position:absolute;z-index:%d;'
    b'visibility:hidden" fillcolor="#ffffe1" o:insetmode="auto"><v:fill color2="#ffffe1"/>'
    b'<v:shadow on="t" color="black" obscured="t"/><v:path o:connecttype="none"/>'
    b'<v:textbox style="mso-direction-alt:auto"><div style="text-align:left"></div></v:textbox>'
    b'<x:ClientData ObjectType="Note"><x:MoveWithCells/><x:SizeWithCells/>'
    b"<x:Anchor>%d, 15, %d, 4, %d, 30, %d, 4</x:Anchor><x:AutoFill>False</x:AutoFill>"
    b"<x:Row>%d</x:Row><x:Column>%d</x:Column></x:ClientData></v:shape>"
)


class Notes:
    """The notes of one sheet; DRAWING is the relation in the sheet's <legacyDrawing>, if any."""

    def __init__(self, package: Package, sheet: str, namespace: bytes, drawing: str) -> None:
        self.package, self.sheet, self.namespace, self.drawing = package, sheet, namespace, drawing
        relations = package.relations(sheet)
        found = [r for r in relations if r.kind == "comments" and package.has(r.target)]
        self.relation = found[0] if found else None
        self.shapes = next(
            (r for r in relations if r.id == drawing and package.has(r.target)), None
        )
        self.document = Document(
            package.read(self.relation.target)
            if self.relation
            else DECLARATION
            + b'<comments xmlns="%s"><authors/><commentList/></comments>' % namespace
        )
        xml = self.document.xml
        self.authors = [unescape(e.content(xml).decode()) for e in self.document.listed("authors")]
        self.others: dict[Place, bytes] = {}
        self.ours: set[Place] = set()
        self.has_ours = False
        for element in self.document.listed("commentList"):
            self._sort(xml[element.start : element.end])

    def _sort(self, note: bytes) -> None:
        place = _place(_values(note).get("ref", ""))
        other = _without_ours(note)
        if other is None:
            self.ours.add(place)
        else:
            self.others[place] = other
        self.has_ours = self.has_ours or other != note

    def _author(self, note: bytes) -> str:
        number = _values(note).get("authorId", "")
        known = number.isascii() and number.isdigit() and int(number) < len(self.authors)
        return self.authors[int(number)] if known else ""

    def replace(self, messages: Mapping[Place, str]) -> str:
        """Have MESSAGES as our notes, at most MOST; the relation for <legacyDrawing>, "" for none."""
        new: dict[Place, bytes] = {}
        for place, text in sorted(messages.items())[:MOST]:
            other = self.others.get(place)
            if other is None:
                new[place] = self._note(place, text)
            elif not self._author(other).startswith(THREADED):
                self.others[place] = _with_ours(other, text, self.document.prefix)
        kept = [note for _, note in sorted((self.others | new).items())]
        if not kept and self.relation is None:
            return self.drawing
        self._write_comments(kept)
        return self._write_shapes({place: len(messages[place]) for place in new})

    def _note(self, place: Place, text: str) -> bytes:
        if AUTHOR not in self.authors:
            self.authors.append(AUTHOR)
            self.document.append(
                b"<%sauthor>%s</%sauthor>"
                % (self.document.prefix, escape(AUTHOR), self.document.prefix),
                "authors",
            )
        p, start = self.document.prefix, (reference(*place), self.authors.index(AUTHOR))
        inner = b'<%st xml:space="preserve">%s</%st>' % (p, escape(BEGINNING + _guarded(text)), p)
        inner = b"<%stext>%s</%stext>" % (p, inner, p)
        return b'<%scomment ref="%s" authorId="%d">%s</%scomment>' % (p, *start, inner, p)

    def _write_comments(self, notes: list[bytes]) -> None:
        if not notes and self.relation is not None:
            self.package.unrelate(self.sheet, self.relation.id)
            self.package.drop(self.relation.target)
            return
        listed = self.document.child("commentList")
        if listed is None:
            raise Damaged("no list of comments")
        p = self.document.prefix
        whole = b"<%scommentList>%s</%scommentList>" % (p, b"".join(notes), p)
        self.document.replace(listed, whole)
        if self.relation is not None:
            self.package.write(self.relation.target, self.document.xml)
            return
        part = self.package.free_name("xl/comments{}.xml")
        self.package.add(part, self.document.xml, "spreadsheetml.comments+xml")
        self.package.relate(self.sheet, "comments", part)

    # --- shapes

    def _write_shapes(self, lengths: Mapping[Place, int]) -> str:
        if self.shapes is None:
            if not lengths:
                return self.drawing
            part = self.package.free_name("xl/drawings/vmlDrawing{}.vml")
            vml = _VML % (100 + int(re.findall(r"\d+", part)[-1]))
        else:
            part = self.shapes.target
            vml = _SHAPE.sub(self._unless_ours, self.package.read_loose(part))
        if lengths:
            vml = _with_shapes(vml, lengths)
        elif not _DRAWN.search(vml) and self.shapes is not None:
            self.package.unrelate(self.sheet, self.shapes.id)
            self.package.drop(part)
            return ""
        if self.shapes is None:
            self.package.declare(part, "")
            self.drawing = self.package.relate(self.sheet, "vmlDrawing", part)
        self.package.write(part, vml)
        return self.drawing

    def _unless_ours(self, shape: re.Match[bytes]) -> bytes:
        row, column = _ROW.search(shape[0]), _COLUMN.search(shape[0])
        if row and column and (int(row[1]) + 1, int(column[1]) + 1) in self.ours:
            return b""
        return shape[0]


def _values(note: bytes) -> dict[str, str]:
    found = _COMMENT.match(note)
    return attributes(found[0]) if found else {}


def _place(ref: str) -> Place:
    found = re.fullmatch(r"\$?([A-Z]{1,3})\$?([0-9]{1,7})", ref.partition(":")[0])
    if found is None:
        raise Damaged("place of a comment")
    number = 0
    for letter in found[1]:
        number = number * 26 + ord(letter) - 64
    return int(found[2]), number


def letters(column: int) -> str:
    """1 → A, 27 → AA."""
    text = ""
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text


def reference(row: int, column: int) -> bytes:
    """5, 3 → C5."""
    return f"{letters(column)}{row}".encode()


def _guarded(text: str) -> str:
    """What looks like an escape of Excel's must be read back as itself."""
    return ESCAPED.sub(r"_x005F_x\1_", text)


def _without_ours(note: bytes) -> bytes | None:
    """A note without our words and all behind them; None when it has no others."""
    found = list(_TEXT.finditer(note))
    texts = [unescape(match[2].decode("utf-8")).replace("\r\n", "\n") for match in found]
    whole = "".join(texts)
    end = whole.find(BEGINNING)
    if end < 0:
        return note
    end = len(whole[:end].removesuffix("\n"))
    if not whole[:end].strip():
        return None
    ends = [*accumulate(map(len, texts))]
    for match, text, last in reversed([*zip(found, texts, ends, strict=True)]):
        kept = text[: max(0, end - last + len(text))]
        if kept != text:
            content = match[1] + escape(kept) + match[3]
            note = note[: match.start()] + content + note[match.end() :]
    return _RUN.sub(_unless_empty, note)


def _unless_empty(run: re.Match[bytes]) -> bytes:
    return run[0] if any(match[2] for match in _TEXT.finditer(run[0])) else b""


def _with_ours(note: bytes, text: str, prefix: bytes) -> bytes:
    """A note of somebody else with our words at its end."""
    words = escape(f"\n{BEGINNING}{_guarded(text)}")
    found = list(_TEXT.finditer(note))
    if not found:
        inner = b'<%st xml:space="preserve">%s</%st>' % (prefix, words, prefix)
        whole = Document(note)
        whole.append(inner, "text")
        return whole.xml
    last = found[-1]
    start = with_attributes(last[1], **{"xml:space": "preserve"})
    return note[: last.start()] + start + last[2] + words + last[3] + note[last.end() :]


def _with_shapes(vml: bytes, lengths: Mapping[Place, int]) -> bytes:
    """The drawing with a shape for each place; LENGTHS of the texts decide how high it is."""
    spaces = (
        b""
        if all(name in vml[:2000] for name in (b"xmlns:v=", b"xmlns:o=", b"xmlns:x="))
        else _SPACES
    )
    shapes = [] if _HAS_SHAPE_TYPE.search(vml) else [_SHAPE_TYPE]
    taken = [int(match[1]) for match in _SHAPE_ID.finditer(vml)]
    claimed = _ID_MAP.search(vml)
    blocks = [int(n) for n in re.findall(r"\d{1,6}", claimed[2].decode())] if claimed else [1]
    first = max([*taken, min(blocks, default=1) * _IDS]) + 1
    for number, ((row, column), length) in enumerate(sorted(lengths.items()), start=first):
        lines = 2 + length // 14
        anchor = (column, max(row - 2, 0), column + 3, max(row - 2, 0) + lines)
        shapes.append(
            _NEW_SHAPE % (spaces, number, number - first + 1, *anchor, row - 1, column - 1)
        )
    if claimed:
        needed = range(first // _IDS, (first + len(lengths) - 1) // _IDS + 1)
        blocks += [block for block in needed if block not in blocks]
        data = ",".join(map(str, blocks)).encode()
        vml = vml[: claimed.start(2)] + data + vml[claimed.end(2) :]
    at = vml.rindex(b"</")
    return vml[:at] + b"".join(shapes) + vml[at:]


def may_have_ours(package: Package, parts: Iterable[str]) -> bool:
    """Whether a list of comments may hold words of ours (a quick look)."""
    lists = map(package.read, parts)
    return any(AUTHOR.encode() in xml or b"&#" in xml for xml in lists)
