"""A pile of signed forms as a copier would give it: turned, skewed, grey, noisy, coarse, unreadable.

Made from the forms that the program prints, the same for the same seed; no file is kept.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pypdfium2
from PIL import Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

POINTS = 72
# Where the code of 《基本信息表》 stands, in millimetres of a page of A4 landscape.
WIDTH_MM, CODE = 297, (266, 5, 287, 24)


@dataclass(frozen=True)
class Harm:
    """What happens to a page on its way through the copier."""

    dpi: int = 200
    turned: int = 0  # degrees, clockwise
    skewed: float = 0.0
    noise: int = 0
    grey: bool = True
    spoiled: str = ""  # `torn`, `stained` or `faded`: nobody can read the code any more
    quality: int = 75

    @property
    def is_readable(self) -> bool:
        return not self.spoiled


# Thirty pages: 27 that must be read, three that nobody can read.
PILE: tuple[Harm, ...] = (
    Harm(), Harm(grey=False), Harm(dpi=300), Harm(turned=90), Harm(turned=180), Harm(turned=270),
    Harm(skewed=3), Harm(skewed=-3), Harm(turned=90, skewed=3), Harm(turned=180, skewed=-3),
    Harm(turned=270, skewed=3), Harm(spoiled="torn"), Harm(noise=40), Harm(noise=60, skewed=1.5),
    Harm(noise=50, turned=180), Harm(dpi=150), Harm(dpi=150, skewed=3), Harm(dpi=150, turned=90),
    Harm(dpi=150, noise=40, quality=60), Harm(dpi=100), Harm(dpi=100, turned=180), Harm(spoiled="stained"),
    Harm(dpi=100, skewed=3), Harm(dpi=100, noise=25), Harm(dpi=120, skewed=-3, turned=270),
    Harm(dpi=150, noise=30, skewed=2, turned=90), Harm(quality=40), Harm(spoiled="faded"),
    Harm(dpi=120, noise=30, quality=60), Harm(dpi=100, skewed=-3, turned=90, grey=False),
)  # fmt: skip


def pages_of(pdf: bytes, dpi: int, numbers: Iterable[int]) -> list[Image.Image]:
    """Pages of a PDF as pictures."""
    document = pypdfium2.PdfDocument(pdf)
    return [document[n].render(scale=dpi / POINTS).to_pil().convert("RGB") for n in numbers]


def harmed(page: Image.Image, harm: Harm, seed: int) -> Image.Image:
    """PAGE as it comes out of the copier."""
    chance = random.Random(seed)
    if harm.spoiled:
        _spoil(page, harm.spoiled)
    if harm.skewed:
        page = page.rotate(harm.skewed, Image.Resampling.BICUBIC, expand=True, fillcolor="white")
    page = page.rotate(-harm.turned, expand=True)
    if harm.noise:
        # Made of our own numbers: the noise of Pillow has no seed.
        size = (page.width // 2, page.height // 2)
        grains = Image.frombytes("L", size, chance.randbytes(size[0] * size[1])).resize(page.size)
        page = Image.blend(page, grains.convert("RGB"), harm.noise / 200)
    return page.convert("L") if harm.grey else page


def _spoil(page: Image.Image, how: str) -> None:
    mm = page.width / WIDTH_MM
    left, top, right, bottom = (round(edge * mm) for edge in CODE)
    pen = ImageDraw.Draw(page)
    if how == "torn":
        pen.polygon([(left, 0), (page.width, 0), (page.width, bottom)], fill="white")
        pen.rectangle((left, top, right, (top + bottom) // 2), fill="white")
    elif how == "stained":
        pen.ellipse((left + 2 * mm, top, right, bottom), fill=(110, 80, 50))
    else:
        corner = page.crop((left, top, right, bottom)).filter(ImageFilter.GaussianBlur(4 * mm))
        page.paste(corner, (left, top))


def as_jpeg(page: Image.Image, quality: int = 75) -> bytes:
    out = io.BytesIO()
    page.save(out, "JPEG", quality=quality)
    return out.getvalue()


def pile(pdf: bytes, numbers: Sequence[int], harms: Sequence[Harm] = PILE) -> bytes:
    """The pages NUMBERS of PDF, each with its harm, as one scanned PDF."""
    scanned = []
    for seed, (number, harm) in enumerate(zip(numbers, harms, strict=True)):
        [page] = pages_of(pdf, harm.dpi, [number])
        packed = Image.open(io.BytesIO(as_jpeg(harmed(page, harm, seed), harm.quality)))
        packed.load()
        packed.info["dpi"] = (harm.dpi, harm.dpi)
        scanned.append((packed, harm.dpi))
    return _pdf(scanned)


def _pdf(scanned: Sequence[tuple[Image.Image, int]]) -> bytes:
    first, *rest = (_one(page, dpi) for page, dpi in scanned)
    whole = pypdfium2.PdfDocument(first)
    for each in rest:
        whole.import_pages(pypdfium2.PdfDocument(each))
    out = io.BytesIO()
    whole.save(out)
    return out.getvalue()


def _one(page: Image.Image, dpi: int) -> bytes:
    out = io.BytesIO()
    page.save(out, "PDF", resolution=dpi, quality=75)
    return out.getvalue()
