"""Broken uploads from working ones: each kind is taken apart by its grammar, changed, and put back.

``mutant(seeds, kind, number)`` is the same bytes for the same number, on any machine.
"""

from __future__ import annotations

import io
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable

Seeds = dict[str, list[bytes]]
NUMBERS = (b"0", b"1", b"-1", b"2", b"7", b"255", b"65536", b"2147483647", b"4294967296",
           b"99999999999999999999", b"1e309", b"NaN", b"0.5", b"")  # fmt: skip


def mutant(seeds: Seeds, kind: str, number: int) -> bytes:
    """The NUMBERth broken upload of KIND (xlsx, pdf, jpg, png)."""
    rnd = random.Random(f"{kind}/{number}")
    data = rnd.choice(seeds[kind])
    for _ in range(rnd.choice((1, 1, 1, 2, 3))):
        data = BY_GRAMMAR[kind](data, rnd)
    if rnd.random() < 0.3:
        data = rnd.choice(ANY)(data, rnd, seeds)
    return data


# Without a grammar


def flip(data: bytes, rnd: random.Random, seeds: Seeds) -> bytes:
    changed = bytearray(data)
    for _ in range(rnd.choice((1, 1, 2, 8, 40))):
        if changed:
            changed[rnd.randrange(len(changed))] ^= 1 << rnd.randrange(8)
    return bytes(changed)


def truncate(data: bytes, rnd: random.Random, seeds: Seeds) -> bytes:
    return data[: rnd.randrange(len(data) + 1)]


def cut_out(data: bytes, rnd: random.Random, seeds: Seeds) -> bytes:
    start = rnd.randrange(len(data) + 1)
    return data[:start] + data[start + rnd.choice((1, 4, 30, 500)) :]


def fill(data: bytes, rnd: random.Random, seeds: Seeds) -> bytes:
    start = rnd.randrange(len(data) + 1)
    patch = rnd.choice((b"\xff" * 4, b"\0" * 4, b"\0" * 200, b"9999", b"<c/>", b'"r="', b"endobj"))
    return data[:start] + patch + data[start + rnd.choice((0, len(patch))) :]


def splice(data: bytes, rnd: random.Random, seeds: Seeds) -> bytes:
    """The beginning of one file and the end of another, of this kind or any."""
    other = rnd.choice(seeds[rnd.choice(list(seeds))])
    return data[: rnd.randrange(len(data) + 1)] + other[rnd.randrange(len(other)) :]


def polyglot(data: bytes, rnd: random.Random, seeds: Seeds) -> bytes:
    more = rnd.choice(seeds["xlsx"]) + b"<html><script>alert(1)</script>"
    return data + more if rnd.random() < 0.7 else more + data


ANY: tuple[Callable[[bytes, random.Random, Seeds], bytes], ...] = (
    flip, flip, truncate, cut_out, fill, splice, polyglot,
)  # fmt: skip


# Workbooks: XML inside a zip

VALUES = (
    "", "0", "-1", "1", "A1", "XFD1048576", "A2000000000", "ZZZZ1", "AA", "s", "inlineStr", "e",
    "1e999", "NaN", "99999999999999999999", "1048577", "true", "rId1", "../../x", "/xl/workbook.xml",
    "http://x", "External", "A1:XFD1048576", "'", "&amp;", "2958466", "-5", "日" * 300,
)  # fmt: skip
PIECES = (
    '<c r="XFD1048576"><v>1</v></c>', '<c r="A1" t="s"><v>-1</v></c>', '<c t="s"><v>99999</v></c>',
    '<c r="B2" t="e"><v>#REF!</v></c>', '<c r="A1"><f>cmd|\'/c calc\'!A1</f></c>', "<row/>",
    '<row r="2000000000"/>', '<mergeCell ref="A1:XFD1048576"/>', "<!DOCTYPE x>", "<![CDATA[x]]>",
    '<!ENTITY a "b">', "&#0;", "&a;", "<a>" * 300, "</a>", "<?xml version='1.0'?>", "\ufffe", "\x00",
    '<c r="F9" t="d"><v>2020-13-45</v></c>', '<c r="F9" s="4294967295"><v>1</v></c>',
    '<Relationship Id="rId1" Type="x/worksheet" Target="workbook.xml"/>', '<sheet name="" sheetId="x"/>',
)  # fmt: skip
PART_NAMES = ("xl/vbaProject.bin", "../x", "/x", "a\\b", "XL/WORKBOOK.XML", "xl/externalLinks/1.xml",
              "[Content_Types].xml", "xl/worksheets/sheet1.xml", "x" * 5000, "")  # fmt: skip
TAG = re.compile(r"<[^<>]+>")
ATTRIBUTE = re.compile(r'="[^"]*"')
TEXT = re.compile(r">[^<>]+<")


def break_xlsx(data: bytes, rnd: random.Random) -> bytes:
    parts = _parts(data)
    if not parts or rnd.random() < 0.3:
        return _break_zip(data, rnd)
    at = rnd.randrange(len(parts))
    name, content = parts[at]
    action = rnd.randrange(12)
    if action == 0:
        parts[at] = (rnd.choice(PART_NAMES), content)
    elif action == 1:
        parts.append((rnd.choice(PART_NAMES), content))
    elif action == 2:
        del parts[at]
    elif action == 3:
        other = rnd.randrange(len(parts))
        parts[at], parts[other] = (name, parts[other][1]), (parts[other][0], content)
    else:
        parts[at] = (name, _break_xml(content, rnd))
    return _zipped(parts, rnd.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)))


def _parts(data: bytes) -> list[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [(member.filename, archive.read(member)) for member in archive.infolist()]
    except Exception:
        return []


def _zipped(parts: list[tuple[str, bytes]], packing: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing, compresslevel=1) as archive:
        names = set()
        for name, content in parts:
            if name not in names:  # doubles are made among the headers: zipfile warns of them
                archive.writestr(zipfile.ZipInfo(name), content, packing)
            names.add(name)
    return out.getvalue()


def _break_xml(content: bytes, rnd: random.Random) -> bytes:
    text = content.decode("utf-8", "replace")
    pattern = rnd.choice((TAG, ATTRIBUTE, ATTRIBUTE, ATTRIBUTE, TEXT))
    found = list(pattern.finditer(text))
    if not found:
        return content[: len(content) // 2]
    match, other = rnd.choice(found), rnd.choice(found)
    words = rnd.choice(VALUES)
    new = {TAG: match[0] + rnd.choice(PIECES), ATTRIBUTE: f'="{words}"', TEXT: f">{words}<"}[
        pattern
    ]
    action = rnd.randrange(6)
    if action == 0:
        new = other[0]
    elif action == 1:
        new = ""
    elif action == 2:
        new = match[0] * rnd.choice((2, 50))
    changed = text[: match.start()] + new + text[match.end() :]
    encoding = rnd.choice(("utf-8",) * 12 + ("utf-16", "utf-7", "gb18030"))
    return changed.encode(encoding, "replace")


# Offsets of the fields in a local header, a directory entry and the end record (APPNOTE 4.3).
ZIP_FIELDS = {
    b"PK\x03\x04": {4: 2, 6: 2, 8: 2, 14: 4, 18: 4, 22: 4, 26: 2, 28: 2},
    b"PK\x01\x02": {4: 2, 8: 2, 10: 2, 16: 4, 20: 4, 24: 4, 28: 2, 30: 2, 32: 2, 38: 4, 42: 4},
    b"PK\x05\x06": {4: 2, 8: 2, 10: 2, 12: 4, 16: 4, 20: 2},
}


def _break_zip(data: bytes, rnd: random.Random) -> bytes:
    signature = rnd.choice(list(ZIP_FIELDS))
    found = [match.start() for match in re.finditer(re.escape(signature), data)]
    if not found:
        return data[::-1]
    offset, size = rnd.choice(list(ZIP_FIELDS[signature].items()))
    start = rnd.choice(found) + offset
    values = (0, 1, 8, 9, 12, 99, 0xFFFF, 0xFFFFFFFF, len(data), rnd.randrange(1 << 32))
    value = rnd.choice(values) % (1 << 8 * size)
    return data[:start] + value.to_bytes(size, "little") + data[start + size :]


# PDF: objects, names, numbers and references

PDF_NAMES = (
    b"/JavaScript", b"/OpenAction", b"/AA", b"/Launch", b"/EmbeddedFiles", b"/XFA", b"/Annots",
    b"/Parent", b"/Kids", b"/Pages", b"/Type", b"/Contents", b"/Encrypt", b"/ObjStm", b"/Length",
    b"/Filter", b"/FlateDecode", b"/DCTDecode", b"/LZWDecode", b"/ASCII85Decode", b"/Crypt", b"/#00",
    b"/A#", b"/" + b"n" * 3000,
)  # fmt: skip
PDF_PIECES = (
    b"<<", b">>", b"[", b"]", b"(", b")", b"<", b"endobj", b"\nendstream\n", b"stream\n", b"null",
    b"[" * 600, b"<</K " * 600, b"1 0 R", b"1 0 obj\n<<>>\nendobj\n", b"%%EOF", b"trailer\n<<>>\n",
    b"<</S/JavaScript/JS(x)>>", b"startxref\n0\n", b"xref\n0 99999999\n", b"\x00", b"R R R",
)  # fmt: skip
PDF_TOKENS = (
    re.compile(rb"/[A-Za-z0-9]+"), re.compile(rb"\b\d+\b"), re.compile(rb"\b\d+ 0 R\b"),
    re.compile(rb"\d+ 0 obj.*?endobj", re.DOTALL), re.compile(rb"<<|>>|\[|\]|endobj|stream"),
)  # fmt: skip


def break_pdf(data: bytes, rnd: random.Random) -> bytes:
    which = rnd.randrange(len(PDF_TOKENS))
    found = list(PDF_TOKENS[which].finditer(data))
    if not found:
        return data + rnd.choice(PDF_PIECES)
    match, other = rnd.choice(found), rnd.choice(found)
    new: bytes = rnd.choice(
        (other[0], other[0], b"", match[0] * 2, rnd.choice(PDF_PIECES), rnd.choice(PDF_NAMES))
    )
    if which == 1 and rnd.random() < 0.7:
        new = rnd.choice(NUMBERS)
    elif which == 2 and rnd.random() < 0.7:
        new = b"%d 0 R" % rnd.randrange(12)
    return data[: match.start()] + new + data[match.end() :]


# Pictures: segments and chunks


def break_jpg(data: bytes, rnd: random.Random) -> bytes:
    segments, at = [data[:2]], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        segments.append(data[at:end])
        at = max(end, at + 2)
    segments.append(data[at:])
    which = rnd.randrange(len(segments))
    segment, action = segments[which], rnd.randrange(6)
    if action == 0:
        del segments[which]
    elif action == 1:
        segments.insert(which, rnd.choice(segments))
    elif action == 2:
        rnd.shuffle(segments)
    elif action == 3 and len(segment) > 4:
        segments[which] = segment[:2] + rnd.choice((b"\0\0", b"\0\2", b"\xff\xff")) + segment[4:]
    elif action == 4 and len(segment) > 9:  # in a frame header: precision, height and width
        where = rnd.randrange(4, 9)
        segments[which] = (
            segment[:where] + rnd.choice((b"\0", b"\1", b"\xff")) + segment[where + 1 :]
        )
    else:
        segments[which] = segment[:1] + bytes([rnd.randrange(0xC0, 0x100)]) + segment[2:]
    return b"".join(segments)


def break_png(data: bytes, rnd: random.Random) -> bytes:
    chunks, at = [], 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    if not chunks:
        return data[::-1]
    which = rnd.randrange(len(chunks))
    (name, body), action = chunks[which], rnd.randrange(6)
    if action == 0:
        del chunks[which]
    elif action == 1:
        chunks.insert(which, rnd.choice(chunks))
    elif action == 2:
        rnd.shuffle(chunks)
    elif action == 3:
        bomb = b"x\0\0" + zlib.compress(bytes(300_000))
        chunks.insert(
            which, (rnd.choice((b"zTXt", b"iCCP", b"eXIf", b"acTL", b"tRNS", b"PLTE")), bomb)
        )
    elif name == b"IHDR" and len(body) == 13:
        fields = list(struct.unpack(">LLBBBBB", body))
        at_field = rnd.randrange(7)
        fields[at_field] = rnd.choice(
            (0, 1, 3, 16, 255) + ((40_000, 2**31) if at_field < 2 else ())
        )
        chunks[which] = (name, struct.pack(">LLBBBBB", *fields))
    else:
        half = body[: len(body) // 2]
        chunks[which] = (name, rnd.choice((b"", half, body * 2, zlib.compress(body))))
    broken_sum = rnd.random() < 0.1
    return data[:8] + b"".join(
        struct.pack(">L", len(body)) + name + body
        + struct.pack(">L", 0 if broken_sum else zlib.crc32(name + body))
        for name, body in chunks
    )  # fmt: skip


BY_GRAMMAR: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "xlsx": break_xlsx, "pdf": break_pdf, "jpg": break_jpg, "png": break_png,
}  # fmt: skip
