"""The package around the parts of a workbook: zip, relations, content types. ECMA-376 part 2.

Parts that are not changed keep their packed bytes.
"""

from __future__ import annotations

import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from itertools import count
from typing import NamedTuple

from xianning.sandbox import Rejected
from xianning.uploads.containers import MAX_MEMBERS, opened
from xianning.xlsx.tags import Damaged, Document, attributes, checked, escape, plain

CHUNK = 256 * 1024
LEVEL = 6
DECLARATION = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
RELATIONS = b"http://schemas.openxmlformats.org/package/2006/relationships"
CONTENT_TYPES = "[Content_Types].xml"
TYPE = "application/vnd.openxmlformats-officedocument."
DEFAULTS = {
    "rels": "application/vnd.openxmlformats-package.relationships+xml",
    "vml": TYPE + "vmlDrawing",
}
TOO_MANY = (
    f"工作簿内部的部件接近上限（{MAX_MEMBERS} 个），无法再加批注和“问题”表。"
    "请只保留名单所在的工作表并删除图片，另存后再上传。"
)


class Relation(NamedTuple):
    """What a part needs: KIND is the last word of the type, TARGET a part's name."""

    id: str
    kind: str
    target: str


class _Packed(NamedTuple):
    name: bytes
    flags: int
    method: int
    time: int
    date: int
    crc: int
    size: int
    content: bytes | memoryview
    attributes: int


def _deflated(name: str, chunks: Iterable[bytes]) -> _Packed:
    deflater = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
    crc, size, packed = 0, 0, []
    for chunk in chunks:
        crc = zlib.crc32(chunk, crc)
        size += len(chunk)
        packed.append(deflater.compress(chunk))
    packed.append(deflater.flush())
    first_of_1980 = 0x21
    return _Packed(
        name.encode(), 0x800, zipfile.ZIP_DEFLATED, 0, first_of_1980, crc, size, b"".join(packed), 0
    )


class Package:
    """The parts of an uploaded workbook. Names are compared without case, as Windows does."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.archive = opened(data)
        self.members = {info.filename.casefold(): info for info in self.archive.infolist()}
        self.names = {key: info.filename for key, info in self.members.items()}
        self.small: dict[str, bytes] = {}  # by name without case, as the dictionaries above
        self.packed: dict[str, _Packed] = {}
        top = [(r, kind) for r, kind in self._related("") if r.kind == "officeDocument"]
        if len(top) != 1:
            raise Damaged("not one main part")
        self.main = top[0][0].target
        self.office = top[0][1].rpartition("/")[0]  # differs between strict and transitional

    # --- parts

    def has(self, name: str) -> bool:
        """Whether there is a part of this name."""
        return name.casefold() in self.names

    def chunks(self, name: str) -> Iterator[bytes]:
        """A part as it was uploaded, well-formed and without asides (see `tags`)."""
        return plain(checked(self._inflated(name)))

    def _inflated(self, name: str) -> Iterator[bytes]:
        member = self.members.get(name.casefold())
        if member is None:
            raise Damaged("part missing")
        with self.archive.open(member) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk

    def read(self, name: str) -> bytes:
        """A small part with the changes so far."""
        changed = self.small.get(name.casefold())
        return b"".join(self.chunks(name)) if changed is None else changed

    def read_loose(self, name: str) -> bytes:
        """A part that need not be well-formed: Excel's drawings of comments (.vml)."""
        changed = self.small.get(name.casefold())
        return b"".join(self._inflated(name)) if changed is None else changed

    def write(self, name: str, content: bytes) -> None:
        """Put CONTENT in the place of a part, or add it."""
        self.names.setdefault(name.casefold(), name)
        self.small[name.casefold()] = content

    def write_chunks(self, name: str, chunks: Iterable[bytes]) -> None:
        """`write` for a large part: packed at once. Raises when the new XML is not well-formed."""
        kept = self.names.setdefault(name.casefold(), name)
        self.small.pop(name.casefold(), None)
        self.packed[name.casefold()] = _deflated(kept, checked(chunks))

    def drop(self, name: str) -> None:
        """Take a part out, with its relations and its content type."""
        for part in (name, _relations_of(name)):
            for listed in (self.names, self.small, self.packed):
                listed.pop(part.casefold(), None)
        types = Document(self.read(CONTENT_TYPES))
        for child in types.children():
            if (
                attributes(child.tag(types.xml)).get("PartName", "").casefold()
                == f"/{name.casefold()}"
            ):
                types.replace(child, b"")
                self.write(CONTENT_TYPES, types.xml)
                return

    def free_name(self, pattern: str) -> str:
        """The first of xl/comments1.xml, xl/comments2.xml … that is not taken."""
        return next(name for n in count(1) if not self.has(name := pattern.format(n)))

    def add(self, name: str, content: bytes, content_type: str) -> None:
        """A new part with its content type (without the beginning that all have in common)."""
        self.write(name, content)
        self.declare(name, content_type)

    def declare(self, name: str, content_type: str) -> None:
        """Say what kind of part it is; .vml and .rels by their extension."""
        types = Document(self.read(CONTENT_TYPES))
        extension = name.rpartition(".")[2]
        if extension not in DEFAULTS:
            written = (f"/{name}", TYPE + content_type)
            types.append(
                b'<%sOverride PartName="%s" ContentType="%s"/>' % _spelled(types, *written)
            )
        elif not any(
            attributes(child.tag(types.xml)).get("Extension", "").lower() == extension
            for child in types.children()
        ):
            element = b'<%sDefault Extension="%s" ContentType="%s"/>'
            types.insert(element % _spelled(types, extension, DEFAULTS[extension]), ("Override",))
        self.write(CONTENT_TYPES, types.xml)

    # --- relations

    def relations(self, part: str) -> list[Relation]:
        """What a part is related to inside the package."""
        return [relation for relation, _ in self._related(part)]

    def _related(self, part: str) -> list[tuple[Relation, str]]:
        listed = _relations_of(part)
        if not self.has(listed):
            return []
        xml = Document(self.read(listed))
        found = []
        for child in xml.children():
            values = attributes(child.tag(xml.xml))
            if child.name == "Relationship" and values.get("TargetMode") != "External":
                target = posixpath.join("/", posixpath.dirname(part), values["Target"])
                kind = values["Type"]
                target = posixpath.normpath(target).lstrip("/")
                found.append((Relation(values["Id"], kind.rpartition("/")[2], target), kind))
        return found

    def relate(self, part: str, kind: str, target: str) -> str:
        """Relate PART to TARGET; the relation's id."""
        listed = _relations_of(part)
        if not self.has(listed):
            self.write(listed, DECLARATION + b'<Relationships xmlns="%s"/>' % RELATIONS)
            self.declare(listed, "")
        xml = Document(self.read(listed))
        taken = {attributes(child.tag(xml.xml)).get("Id") for child in xml.children()}
        new = next(name for n in count(1) if (name := f"rId{n}") not in taken)
        way = posixpath.relpath("/" + target, "/" + posixpath.dirname(part))
        element = b'<%sRelationship Id="%s" Type="%s" Target="%s"/>'
        xml.append(element % _spelled(xml, new, f"{self.office}/{kind}", way))
        self.write(listed, xml.xml)
        return new

    def unrelate(self, part: str, relation_id: str) -> None:
        """Take a relation of PART out, and the list when it was the last."""
        listed = _relations_of(part)
        xml = Document(self.read(listed))
        for child in xml.children():
            if attributes(child.tag(xml.xml)).get("Id") == relation_id:
                xml.replace(child, b"")
                break
        if xml.children():
            self.write(listed, xml.xml)
        else:
            self.drop(listed)

    # --- the file

    def save(self) -> bytes:
        """The whole file; parts in their order, new ones behind."""
        if len(self.names) > MAX_MEMBERS:
            raise Rejected(TOO_MANY)
        out = _Zip()
        for key, name in self.names.items():
            if key in self.packed:
                out.add(self.packed.pop(key))
            elif key in self.small:
                out.add(_deflated(name, [self.small[key]]))
            else:
                out.add(self._copied(self.members[key]))
        return out.finished()

    def _copied(self, info: zipfile.ZipInfo) -> _Packed:
        lengths = struct.unpack_from("<2H", self.data, info.header_offset + 26)
        start = info.header_offset + 30 + sum(lengths)
        year, month, day, hour, minute, second = info.date_time
        is_utf8 = info.flag_bits & 0x800
        return _Packed(
            info.orig_filename.encode("utf-8" if is_utf8 else "cp437"),
            is_utf8,
            info.compress_type,
            hour << 11 | minute << 5 | second // 2,
            (year - 1980) << 9 | month << 5 | day,
            info.CRC,
            info.file_size,
            memoryview(self.data)[start : start + info.compress_size],
            info.external_attr,
        )


def _relations_of(part: str) -> str:
    folder, name = posixpath.split(part)
    return posixpath.join(folder, "_rels", f"{name}.rels")


def _spelled(xml: Document, *values: str) -> tuple[bytes, ...]:
    return (xml.prefix, *map(escape, values))


class _Zip:
    """A zip file from packed members. APPNOTE.TXT 4.3; below 4 GB, which the uploads are by far."""

    LOCAL = struct.Struct("<4s5H3I2H")
    CENTRAL = struct.Struct("<4s6H3I5H2I")
    END = struct.Struct("<4s4H2IH")
    VERSION = 20

    def __init__(self) -> None:
        self.out = bytearray()
        self.directory = bytearray()
        self.members = 0

    def add(self, member: _Packed) -> None:
        common = (
            self.VERSION, member.flags, member.method, member.time, member.date,
            member.crc, len(member.content), member.size, len(member.name), 0,
        )  # fmt: skip
        place = (0, 0, 0, member.attributes, len(self.out))
        self.directory += self.CENTRAL.pack(b"PK\x01\x02", self.VERSION, *common, *place)
        self.directory += member.name
        self.out += self.LOCAL.pack(b"PK\x03\x04", *common) + member.name
        self.out += member.content
        self.members += 1

    def finished(self) -> bytes:
        size, start = len(self.directory), len(self.out)
        self.out += self.directory
        counts = (0, 0, self.members, self.members, size, start, 0)
        self.out += self.END.pack(b"PK\x05\x06", *counts)
        return bytes(self.out)
