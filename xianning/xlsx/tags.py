"""Tags of an XML part found in its bytes, so that all between them stays as it was written.

Sound because of what stands before it: `checked` has every part well-formed, in UTF-8 and without
a document type, `plain` takes out comments, instructions and CDATA. After that "<" only begins a
tag, and nothing but a tag ends a tag.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple
from xml.parsers import expat


class Damaged(Exception):
    """The file does not follow the standard; the text is for the log."""


PREFIX = rb"(?:[^\s<>/!?\"'=:]+:)?"
ATTRIBUTES = rb"""((?:[^>"']++|"[^"]*+"|'[^']*+')*+)"""
TAG = re.compile(rb"<(/?)([^\s<>/!?\"'=]+)" + ATTRIBUTES + rb">")
ATTRIBUTE = re.compile(rb"""([^\s"'=/]+)\s*=\s*("[^"]*"|'[^']*')""")
# The last is one that does not end yet; nothing within it may be taken for another.
ASIDE = re.compile(rb"<!--.*?-->|<!\[CDATA\[(.*?)\]\]>|<\?.*?\?>|(<[!?].*)", re.DOTALL)
ENTITY = re.compile(r"&(?:#x([0-9A-Fa-f]+)|#([0-9]+)|(\w+));")
ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


def opening(name: bytes) -> re.Pattern[bytes]:
    """The start tag of NAME (may be an alternative a|b); group 1 holds its attributes."""
    return re.compile(rb"<" + PREFIX + rb"(?:" + name + rb")(?=[\s/>])" + ATTRIBUTES + rb">")


def ending(name: bytes) -> re.Pattern[bytes]:
    """The end tag of NAME."""
    return re.compile(rb"</" + PREFIX + name + rb"\s*>")


def is_empty(tag: re.Match[bytes]) -> bool:
    """Whether a start tag ends its element, too: <a/>."""
    return tag[0].endswith(b"/>")


def local(name: bytes) -> str:
    """x:row → row."""
    return name.rpartition(b":")[2].decode("utf-8")


def attributes(tag: bytes) -> dict[str, str]:
    """The attributes of a start tag by their names as written."""
    return {
        m[1].decode("utf-8"): unescape(m[2][1:-1].decode("utf-8")) for m in ATTRIBUTE.finditer(tag)
    }


def with_attributes(tag: bytes, **values: str | None) -> bytes:
    """The start tag with these attributes instead of its own; None takes one out."""
    for name, value in values.items():
        written = b"" if value is None else b'%s="%s"' % (name.encode(), escape(value))
        for match in ATTRIBUTE.finditer(tag):
            if match[1] == name.encode():
                before = tag[: match.start()] if written else tag[: match.start()].rstrip()
                tag = before + written + tag[match.end() :]
                break
        else:
            if written:
                end = len(tag) - (2 if tag.endswith(b"/>") else 1)
                tag = tag[:end].rstrip() + b" " + written + tag[end:]
    return tag


def unescape(text: str) -> str:
    """Text without references; there are only those of XML itself."""
    return ENTITY.sub(_character, text) if "&" in text else text


def _character(match: re.Match[str]) -> str:
    if match[3]:
        return ENTITIES[match[3]]
    return chr(int(match[1], 16) if match[1] else int(match[2]))


def escape(text: str) -> bytes:
    """Text for an element or an attribute; without what XML cannot hold (see workbook.safe_text)."""
    for character, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, written)
    return text.encode("utf-8")


def checked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same chunks, while expat looks at them. Raises Damaged or expat's own error."""
    parser = expat.ParserCreate("UTF-8")
    parser.StartDoctypeDeclHandler = _refuse_doctype
    for chunk in chunks:
        parser.Parse(chunk, False)
        yield chunk
    parser.Parse(b"", True)


def _refuse_doctype(*_: object) -> None:
    raise Damaged("document type")


DECLARATION = re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml\s[^>]*\?>")


def plain(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Without comments and instructions (but the first, the declaration); CDATA as common text."""
    rest, is_first = b"", True
    for chunk in chunks:
        window = rest + chunk
        if is_first and len(window) < 256:
            rest = window
            continue
        if is_first and (found := DECLARATION.match(window)):
            yield found[0]
            window = window[found.end() :]
        is_first = False
        if b"<!" in window or b"<?" in window:
            window = ASIDE.sub(_as_text, window)
        cuts = [
            at for at in (window.rfind(b"<"), window.find(b"<!"), window.find(b"<?")) if at >= 0
        ]
        cut = min(cuts, default=len(window))
        yield window[:cut]
        rest = window[cut:]
    if is_first and (found := DECLARATION.match(rest)):
        yield found[0]
        rest = rest[found.end() :]
    yield ASIDE.sub(_as_text, rest)


def _as_text(match: re.Match[bytes]) -> bytes:
    if match[2]:
        return match[2]
    text = match[1] or b""
    return text.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")


class Element(NamedTuple):
    """Where an element stands; `inner` is where its content begins, `closing` where it ends."""

    name: str  # local
    start: int
    inner: int
    closing: int
    end: int

    def tag(self, xml: bytes) -> bytes:
        """Its start tag."""
        return xml[self.start : self.inner]

    def content(self, xml: bytes) -> bytes:
        """All between its tags."""
        return xml[self.inner : self.closing]


def siblings(xml: bytes, start: int = 0) -> Iterator[Element]:
    """The elements from START on, up to the end of the one they stand in."""
    depth, first = 0, None
    for match in TAG.finditer(xml, start):
        if match[1]:
            depth -= 1
            if depth < 0:
                return
            if depth == 0 and first is not None:
                yield Element(
                    local(first[2]), first.start(), first.end(), match.start(), match.end()
                )
        elif is_empty(match):
            if depth == 0:
                yield Element(local(match[2]), match.start(), match.end(), match.end(), match.end())
        else:
            first = match if depth == 0 else first
            depth += 1


def inside(xml: bytes, element: Element) -> list[Element]:
    """The elements directly within an element."""
    return [] if element.inner == element.end else list(siblings(xml, element.inner))


class Document:
    """A small part that is changed: its root and what stands directly below."""

    def __init__(self, xml: bytes) -> None:
        found = TAG.search(xml)
        if found is None:
            raise Damaged("no root")
        name, start = found[2], found[0]
        if is_empty(found):
            start = start[:-2].rstrip() + b">"
            xml = xml[: found.start()] + start + b"</" + name + b">" + xml[found.end() :]
        self.xml = xml
        self.tag = start
        self.prefix = name[: name.rfind(b":") + 1]  # b"x:" or nothing
        self.inner = found.start() + len(start)

    def children(self) -> list[Element]:
        """The elements below the root."""
        return list(siblings(self.xml, self.inner))

    def child(self, name: str) -> Element | None:
        """The first element of this local name below the root."""
        return next((child for child in self.children() if child.name == name), None)

    def listed(self, name: str) -> list[Element]:
        """The elements within the child NAME; none when there is no such child."""
        child = self.child(name)
        return inside(self.xml, child) if child else []

    def replace(self, element: Element, content: bytes) -> None:
        """Write CONTENT in the place of ELEMENT."""
        self.xml = self.xml[: element.start] + content + self.xml[element.end :]

    def append(self, content: bytes, name: str = "") -> None:
        """Add CONTENT at the end of the child NAME, or of the root."""
        child = self.child(name) if name else None
        if name and child is None:
            raise Damaged(f"no {name}")
        if child is None:
            at = self.xml.rindex(b"</")
            self.xml = self.xml[:at] + content + self.xml[at:]
        elif child.inner == child.end:
            tag = child.tag(self.xml)
            found = TAG.match(tag)
            assert found is not None
            whole = tag[:-2].rstrip() + b">" + content + b"</" + found[2] + b">"
            self.replace(child, whole)
        else:
            self.xml = self.xml[: child.closing] + content + self.xml[child.closing :]

    def insert(self, content: bytes, before: Collection[str]) -> None:
        """Add CONTENT below the root, before the first child whose name is in BEFORE."""
        at = next((c.start for c in self.children() if c.name in before), self.xml.rindex(b"</"))
        self.xml = self.xml[:at] + content + self.xml[at:]

    def prefix_of(self, uri: bytes) -> bytes:
        """The prefix ("r:") that the root binds to a namespace of this end; nothing if none."""
        for match in ATTRIBUTE.finditer(self.tag):
            if match[1].startswith(b"xmlns:") and match[2][1:-1].endswith(uri):
                return match[1][6:] + b":"
        return b""
