"""党员组织关系介绍信: stub, letter, receipt on one sheet (第六条第6项)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xianning import pdf
from xianning.models import Office
from xianning.standards import in_capitals, month_in_capitals

if TYPE_CHECKING:
    from party.models import PartyMove

FULL_MEMBER = "01"


def introduction_letter(move: PartyMove) -> bytes:
    """Three slips; dues month and days of validity in capital numerals."""
    case = move.transfer
    person = case.retiree
    sender = Office.objects.filter(role="enterprise", enterprise=case.enterprise).first()
    context = {
        "move": move,
        "person": person,
        "age": person.age(move.issued_on),
        "sexes": [("男", person.sex != "1"), ("女", person.sex != "2")],
        "kinds": [
            ("正式", person.political_status != FULL_MEMBER),
            ("预备", person.political_status == FULL_MEMBER),
        ],
        "dues": month_in_capitals(move.dues_until),
        "days": in_capitals(move.valid_days),
        "sender": sender,
        "origin": case.enterprise.transferor,
    }
    return pdf.render("print/introduction_letter.html", context)
