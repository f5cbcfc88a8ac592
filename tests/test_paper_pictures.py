"""Each paper as a picture beside the one that was looked at.

Both are made coarse (50 dpi, then blurred), so that other versions of fonts and renderers pass; at
most 0.8 % of the spots may differ by more than a tenth of the way from black to white. QR codes
and numbers differ from run to run: they are smaller than that. WRITE_PICTURES=1 keeps new ones.
"""

from __future__ import annotations

import io
import os
import random
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import time_machine
from django.utils import timezone
from PIL import Image, ImageChops, ImageFilter

from archives.documents import delivery_note
from communities.documents import contact_card, contact_cards_sheet
from communities.models import Area, ContactCard
from party.documents import introduction_letter
from tests.factories import make_transfer
from transfers import handover_letters
from transfers.documents import basic_information_form
from transfers.models import Transfer
from transfers.notice import privacy_notice
from transfers.proof import FACTS, facts
from transfers.rosters import TRANSFERS
from xianning import demo
from xianning.models import User
from xianning.roster import Made

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db
KEPT = Path(__file__).parent / "pictures" / "papers"
DPI, BLUR, APART, SPOTS = 50, 3, 24, 0.008
CHECK_URL = "https://example.org/communities/cards/"


def _case(at: str) -> Transfer:
    area = Area.objects.get(pk=demo.GUIHUA)
    values = demo.person(random.Random(11), 44, area, "演示厂")
    del values["community"]  # it is that of the clerk
    return make_transfer(at=at, party_member=True, **values)


def _made() -> Made:
    return Made("华经办", "演示单位", timezone.now(), "0A1B-2C3D-4E5F", clear=False)


def _handover_letter() -> bytes:
    case = _case("community")
    assert case.community is not None
    assert case.community.parent is not None
    user = User.objects.get(username="qiye")
    letter = handover_letters.issue(user, case.enterprise, case.community.parent, "x")
    return handover_letters.handover_letter(letter)


def _roster() -> bytes:
    _case("done")
    rows = list(TRANSFERS.rows(User.objects.get(username="qiye")))
    return TRANSFERS.to_pdf(rows * 17, _made(), lambda _: None)


def _card() -> Any:
    number = ContactCard._meta.get_field("number")
    # Its code would look different with each random number.
    with mock.patch.object(number, "_get_default", return_value="A1B2-C3D4-E5F6"):
        return _case("done").reception


PAPERS: dict[str, Callable[[], bytes]] = {
    "basic_information_form": lambda: basic_information_form(_case("confirm")),
    "privacy_notice": lambda: privacy_notice(_case("confirm")),
    "handover_letter": _handover_letter,
    "delivery_note": lambda: delivery_note(_case("done").personnel_file.item.handover),
    "introduction_letter": lambda: introduction_letter(_case("done").party_moves.get()),
    "contact_card": lambda: contact_card(_card(), check_url=CHECK_URL),
    "contact_cards": lambda: contact_cards_sheet([_card()], check_url=CHECK_URL),
    "roster": _roster,
    "proof": lambda: FACTS.to_pdf(facts(_case("confirm").enterprise), _made(), lambda _: None),
}


def pictures_of(data: bytes, folder: Path) -> list[Image.Image]:
    """The pages of a PDF in grey."""
    (folder / "paper.pdf").write_bytes(data)
    run = ["pdftoppm", "-r", str(DPI), "-gray", "-png", "paper.pdf", "page"]
    subprocess.run(run, cwd=folder, check=True)
    return [Image.open(path).convert("L") for path in sorted(folder.glob("page*.png"))]


def share_apart(one: Image.Image, other: Image.Image) -> float:
    """The share of spots that differ; 1 when the sizes do."""
    if one.size != other.size:
        return 1.0
    blurred = [each.filter(ImageFilter.BoxBlur(BLUR)) for each in (one, other)]
    spots = ImageChops.difference(*blurred).histogram()
    return sum(spots[APART:]) / sum(spots)


@pytest.mark.parametrize("name", PAPERS)
def test_a_paper_looks_as_it_was_looked_at(name: str, tmp_path: Path) -> None:
    with time_machine.travel("2026-11-23T02:00:00Z", tick=False):
        found = pictures_of(PAPERS[name](), tmp_path)
    if os.environ.get("WRITE_PICTURES"):
        KEPT.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(found, start=1):
            picture.quantize(16).save(KEPT / f"{name}-{number}.png", optimize=True)
    kept = sorted(KEPT.glob(f"{name}-*.png"))
    assert len(kept) == len(found), f"{name}: {len(found)} pages"
    for file, picture in zip(kept, found, strict=True):
        apart = share_apart(Image.open(file).convert("L"), picture)
        assert apart <= SPOTS, f"{file.name}: {apart:.1%} of the page differs"


def test_a_missing_line_or_a_moved_block_is_noticed() -> None:
    page = Image.open(KEPT / "introduction_letter-1.png").convert("L")
    shifted = ImageChops.offset(page, 0, 8)
    assert share_apart(page, shifted) > SPOTS
    without = page.copy()
    without.paste(255, (0, page.height // 4, page.width, page.height // 3))
    assert share_apart(page, without) > SPOTS
    out = io.BytesIO()
    page.save(out, "PNG")
    assert share_apart(page, Image.open(out)) == 0
