"""10,000 generated cells of all kinds: none is changed silently on its way out of a workbook.

What must come out is made beside each cell, not by the program that reads it.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from xml.sax.saxutils import escape

from tests.xlsx_parts import book, row, sheet_xml
from xianning import workbook
from xianning.workbook import Cell

CELLS = 10_000
SCRIPTS = (
    "0123456789", "０１２３４５６７８９", "abcXYZxｘＸ", "甲乙丙丁湖北省咸宁市桂花路", "㛃㻁𬭎𫖯𬀩𠅤𡋾𬱖𤧛䶮𫍽",
    "\uf900\ufa0e\u2f00", "·•‧・", "ئۇيغۇرعربي", "བོད་སྐད", "ᠮᠣᠩᠭᠣᠯ", "조선말", "ไทยखगघ", "éüñßŁç", "𝒳😀👨‍👩‍👧🗹",
    "a\u0301e\u0308", "□☑√×", "（）【】《》，。；：“”", "()-/.,;:'\"", "=+-@＝＋－＠", "<>&", "_x0041_x000D_",
    "\u200b\u200d\u202e\u2066\ufeff\u00ad", " \u3000\u00a0\t\n\r", "%#¥￥€№℃㎡Ⅷ①",
)  # fmt: skip


def random_text(rnd: random.Random, longest: int = 20) -> str:
    return "".join(rnd.choice(rnd.choice(SCRIPTS)) for _ in range(rnd.randrange(1, longest)))


class Spelled(NamedTuple):
    """A cell as XML without its reference ({r} stands for it), and what the reader must say."""

    xml: str
    read: Cell | None


class Strings(list[str]):
    """The shared strings of the workbook."""

    def index_of(self, xml: str) -> int:
        self.append(f"<si>{xml}</si>")
        return len(self) - 1


# --- cells as programs write them ---------------------------------------------------------------


def xml_text(text: str) -> str:
    """TEXT as Excel writes it: what looks like one of its escapes is escaped, and so is CR."""
    text = workbook.ESCAPED.sub(r"_x005F_x\1_", text)
    return escape(text).replace("\r", "_x000D_")


def spell_text(rnd: random.Random, text: str, strings: Strings) -> Spelled:
    """As a shared, inline, rich or formula string."""
    whole = f'<t xml:space="preserve">{xml_text(text)}</t>'
    cut = rnd.randrange(len(text) + 1)
    # Never cut within what could be an escape: programs do not, either.
    cut = 0 if "_" in text else cut
    rich = "".join(f'<r><rPr><b/></rPr><t xml:space="preserve">{xml_text(part)}</t></r>'
                   for part in (text[:cut], text[cut:]))  # fmt: skip
    read = None if not text or text.isspace() else Cell("text", text)
    kind = rnd.randrange(5)
    if kind == 0:
        return Spelled(f'<c r="{{r}}" t="inlineStr"><is>{whole}</is></c>', read)
    if kind == 1:
        sound = '<rPh sb="0" eb="1"><t>zhang</t></rPh>'
        return Spelled(f'<c r="{{r}}" t="inlineStr"><is>{rich}{sound}</is></c>', read)
    if kind == 2:
        result = f'<c r="{{r}}" t="str"><f>A1</f><v>{xml_text(text)}</v></c>'
        return Spelled(result, read and read._replace(formula=True))
    index = strings.index_of(rich if kind == 3 else whole)
    return Spelled(f'<c r="{{r}}" t="s"><v>{index}</v></c>', read)


def spell_number(rnd: random.Random) -> Spelled:
    """A number of up to fifteen digits in one of its spellings; the screen shows them all."""
    digits = rnd.randrange(1, 10 ** rnd.randrange(1, 16))
    value = Decimal(digits).scaleb(-rnd.choice((0, 0, 0, 1, 2, 5, 9)))
    value = -value if rnd.random() < 0.1 else value
    plain = f"{value:f}"
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    spelled = rnd.choice((plain, repr(float(plain)), f"{float(plain):.17g}", f"{value:E}"))
    return Spelled(f'<c r="{{r}}"><v>{spelled}</v></c>', Cell("number", plain))


def spell_date(rnd: random.Random, day: date | None = None) -> Spelled:
    day = day or date(1900, 3, 1) + timedelta(days=rnd.randrange(73_354))
    serial: float = (day - date(1899, 12, 30)).days
    text = day.isoformat()
    if rnd.random() < 0.2:
        moment = datetime(day.year, day.month, day.day) + timedelta(
            seconds=rnd.randrange(1, 86_400)
        )
        serial += (moment.hour * 3600 + moment.minute * 60 + moment.second) / 86_400
        text = moment.isoformat(timespec="seconds")
    if rnd.random() < 0.2:
        return Spelled(f'<c r="{{r}}" t="d"><v>{text}</v></c>', Cell("date", text))
    return Spelled(f'<c r="{{r}}" s="1"><v>{serial!r}</v></c>', Cell("date", text))


def spell_odd(rnd: random.Random) -> Spelled:
    """Booleans, errors, formulas without a result, dates that are none, numbers that are none."""
    flag = rnd.randrange(2)
    code = rnd.choice(("#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!"))
    beyond = rnd.choice((-rnd.randrange(1, 9999), rnd.randrange(61), 73_416 + rnd.randrange(9**9)))
    broken = rnd.choice(("1_000", "NaN", "INF", "0x1F", "１２", "1,5", "--1", "1e999"))
    return rnd.choice((
        Spelled(f'<c r="{{r}}" t="b"><v>{flag}</v></c>', Cell("bool", ("FALSE", "TRUE")[flag])),
        Spelled(f'<c r="{{r}}" t="e"><v>{code}</v></c>', Cell("error", code)),
        Spelled(f'<c r="{{r}}" t="e"><f>1/0</f><v>{code}</v></c>', Cell("error", code, True)),
        Spelled('<c r="{r}"><f>SUM(B1)</f></c>', Cell("formula-without-value", "=SUM(B1)", True)),
        Spelled(f'<c r="{{r}}" s="1"><v>{beyond}</v></c>', Cell("error", str(beyond))),
        Spelled(f'<c r="{{r}}"><v>{broken}</v></c>', Cell("error", broken)),
        Spelled('<c r="{r}" s="2"/>', None), Spelled('<c r="{r}" t="str"><v></v></c>', None),
    ))  # fmt: skip


def spell_any(rnd: random.Random, strings: Strings) -> Spelled:
    kind = rnd.random()
    if kind < 0.5:
        return spell_text(rnd, random_text(rnd), strings)
    return spell_number(rnd) if kind < 0.7 else spell_date(rnd) if kind < 0.85 else spell_odd(rnd)


def sheet_of(rows: list[tuple[int, list[str]]], strings: Strings, top: str = "") -> bytes:
    """A workbook of cells by row; {r} in each is its reference."""
    data = "".join(
        row(number, "".join(xml.replace("{r}", f"{workbook._letters(place)}{number}")
                            for place, xml in enumerate(cells, start=1)))
        for number, cells in rows
    )  # fmt: skip
    return book(sheet=sheet_xml(top + data), strings="".join(strings))


def test_ten_thousand_cells_come_out_as_the_file_says_them() -> None:
    rnd, strings = random.Random(20261123), Strings()
    spelled = [[spell_any(rnd, strings) for _ in range(50)] for _ in range(CELLS // 50)]
    data = sheet_of(
        [(n, [cell.xml for cell in cells]) for n, cells in enumerate(spelled, start=1)], strings
    )
    [sheet] = workbook.read(data)
    found = {r.number: r.cells() for r in sheet.rows}
    wrong = []
    for number, cells in enumerate(spelled, start=1):
        read = [*found.get(number, []), *[None] * 50][:50]
        wrong += [(c, got) for c, got in zip(cells, read, strict=True) if c.read != got]
    assert not wrong, (len(wrong), wrong[:3])
    kinds = Counter(cell.read.kind if cell.read else "blank" for cells in spelled for cell in cells)
    assert min(kinds.values()) > 100, kinds
    assert len(kinds) == 7
