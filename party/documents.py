"""党员组织关系介绍信: stub, letter, receipt on one sheet (第六条第6项)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from party import codes
from xianning import pdf
from xianning.standards import in_capitals, month_in_capitals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from party.models import PartyMove

FULL_MEMBER = "01"
LETTER_LINES = 1.75
# Room for the sentences of stub and letter, in millimetres, and their printed words in ems.
STUB_BOX, STUB_WORDS = (173.0, 31.0), 24
LETTER_BOX, LETTER_WORDS = (173.0, 58.0), 75


class Word(NamedTuple):
    """One of two alternatives; the one that does not apply is struck out."""

    text: str
    struck: bool


def introduction_letter(move: PartyMove, receipt_url: str = "") -> pdf.Pdf:
    """Three slips; dues month and days of validity in capital numerals.

    A letter that leaves Xianning carries RECEIPT_URL and the one-time code for it.
    """
    return pdf.render("print/introduction_letter.html", {"sheets": [_sheet(move, receipt_url)]})


def introduction_letters(moves: Sequence[PartyMove]) -> pdf.Pdf:
    """The letters of MOVES, a sheet each."""
    sheets = [_sheet(move) for move in moves]
    return pdf.render("print/introduction_letter.html", {"sheets": sheets})


def _sheet(move: PartyMove, receipt_url: str = "") -> dict[str, Any]:
    case = move.transfer
    person = case.retiree
    full = person.political_status == FULL_MEMBER
    given = person.name + move.from_organization + move.to_organization
    outward = bool(receipt_url) and move.receiver_id is None
    reach = move.issuer.reach
    return {
        "move": move,
        "person": person,
        "age": person.age(move.issued_on),
        "sexes": [Word("男", person.sex == "2"), Word("女", person.sex == "1")],
        "kinds": [Word("预备", full), Word("正式", not full)],
        "dues": month_in_capitals(move.dues_until),
        "days": in_capitals(move.valid_days),
        "reach": reach,
        "stub_size": pdf.fitting(
            given + "　" * STUB_WORDS, *STUB_BOX, pdf.TEXT_SIZES, LETTER_LINES
        ),
        "letter_size": pdf.fitting(
            given + move.to_organization + "　" * LETTER_WORDS, *LETTER_BOX, pdf.TEXT_SIZES,
            LETTER_LINES,
        ),
        "reach_size": pdf.fitting("　" * 40 + person.phone + "".join(reach), 173, 24,
                                  (11.0, 10.0, 9.0, 8.0), LETTER_LINES),
        "codes": [pdf.mark("LETTER", move.pk, copy=part) for part in (1, 2, 3)],
        "receipt_code": codes.code_of(move) if outward else "",
        "receipt_qr": pdf.qr(receipt_url) if outward else "",
    }  # fmt: skip
