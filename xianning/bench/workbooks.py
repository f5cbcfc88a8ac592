"""Large workbooks of made-up people as an office program writes them: shared strings, text cells."""

from __future__ import annotations

import random
import zipfile
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from openpyxl.utils import get_column_letter

from transfers.imports import matching
from transfers.imports.columns import WUHAN
from xianning import demo, standards

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from communities.models import Area

# The fifty columns of the province's form: the running number and those of ours.
COLUMNS = WUHAN
_PARTS = {
    "[Content_Types].xml": (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-'
        'officedocument.spreadsheetml.sheet.main+xml"/>'
        '<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.'
        'openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
        '<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-'
        'officedocument.spreadsheetml.sharedStrings+xml"/></Types>'
    ),
    "_rels/.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
        '<sheets><sheet name="全民" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/worksheet" Target="worksheets/sheet1.xml"/>'
        '<Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>'
    ),
}
_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def people(count: int, communities: list[Area], seed: int = 1) -> Iterator[dict[str, Any]]:
    """COUNT made-up people by field of RetireeForm; all numbers differ."""
    rng, number = random.Random(seed), 0
    taken: set[str] = set()
    while number < count:
        person = demo.person(rng, number, communities[number % len(communities)], "演示机械厂")
        for order in range(500):
            if person["id_number"] not in taken:
                break
            birth = standards.id_birth_date(person["id_number"])
            sex = standards.id_sex(person["id_number"])
            person["id_number"] = standards.make_id_number(demo.REGION, birth, order, sex)
        if person["id_number"] not in taken:
            taken.add(person["id_number"])
            number += 1
            yield person | _rest(rng, person)


def _rest(rng: random.Random, person: dict[str, Any]) -> dict[str, str]:
    """What the demo leaves out, so that all fifty columns hold something."""
    born = f"{rng.randint(1940, 1965)}-{rng.randint(1, 12):02d}"
    return {
        "skills": rng.choice(("电工", "书法", "烹饪", "")), "hobbies": rng.choice(("象棋", "广场舞", "")),
        "injury_grade": "", "injury_part": "", "extra_benefits": rng.choice(("", "取暖费")),
        "away_address": "", "away_phone": "",
        "spouse_name": f"配偶{rng.choice('甲乙丙丁戊')}", "spouse_born": born,
        "spouse_phone": f"137{rng.randint(0, 99_999_999):08d}", "spouse_employer": "演示纺织厂",
        "spouse_status": rng.choice(("退休", "无业")), "spouse_health": "健康",
        "contact1_employer": "演示商店", "contact2_name": f"亲友{rng.choice('甲乙丙丁戊')}",
        "contact2_relation": "女儿", "contact2_employer": "演示学校",
        "contact2_phone": f"136{rng.randint(0, 99_999_999):08d}",
        "contact2_address": person["home_address"], "wish_away": "",
    }  # fmt: skip


def write(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    """ROWS as a workbook of fifty columns at PATH, the data from row 2."""
    strings: dict[str, int] = {}
    letters = [get_column_letter(place) for place in range(1, len(COLUMNS) + 2)]

    def cell(place: int, row: int, text: str) -> str:
        index = strings.setdefault(text, len(strings))
        return f'<c r="{letters[place]}{row}" t="s"><v>{index}</v></c>'

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as book:
        for name, text in _PARTS.items():
            book.writestr(name, text)
        with book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            sheet.write(f"<worksheet {_MAIN}><sheetData>".encode())
            head = "".join(cell(place, 1, text) for place, text in enumerate(_headings()))
            sheet.write(f'<row r="1">{head}</row>'.encode())
            for number, person in enumerate(rows, start=2):
                cells = [f'<c r="A{number}"><v>{number - 1}</v></c>']
                cells += [
                    cell(place, number, person[column.field])
                    for place, column in enumerate(COLUMNS, start=1)
                    if person.get(column.field)
                ]
                sheet.write(f'<row r="{number}">{"".join(cells)}</row>'.encode())
            sheet.write(b"</sheetData></worksheet>")
        with book.open("xl/sharedStrings.xml", "w", force_zip64=True) as shared:
            shared.write(f"<sst {_MAIN}>".encode())
            for text in strings:
                shared.write(f"<si><t>{escape(text)}</t></si>".encode())
            shared.write(b"</sst>")


def _headings() -> list[str]:
    """One row of headings that names each column by itself."""
    return ["序号", *(matching.full_heading(column) for column in COLUMNS)]
