"""Template and context become a PDF: nothing is fetched, fonts are named, a cage holds the work."""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import Any

import segno
from django.template.loader import render_to_string

from xianning import sandbox

MEMORY_MB, CPU_SECONDS, WALL_SECONDS = 2000, 60, 80
_MISSING = re.compile(r"\.notdef glyph .* unsupported by fonts: (.*)")
log = logging.getLogger("xianning.pdf")


@lru_cache(maxsize=1)
def _engine() -> tuple[Any, Any, Any]:
    """WeasyPrint, its font configuration, and a fetcher that refuses all but inline pictures.

    Loaded before the first fork, so that a warm page takes tenths of a second.
    """
    from weasyprint import HTML
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import FatalURLFetchingError, URLFetcher

    class InlinePicturesOnly(URLFetcher):
        """Other exceptions are swallowed by WeasyPrint; only the fatal one stops it."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            if url.startswith("data:image/png;base64,"):
                return super().fetch(url, headers)
            raise FatalURLFetchingError("a paper may not load anything")

    fetcher = InlinePicturesOnly(allowed_protocols=("data",), allow_redirects=False)
    return HTML, FontConfiguration(), fetcher


class _Glyphs(logging.Handler):
    """Collects what WeasyPrint says about characters that no font has."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.missing: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if found := _MISSING.search(record.getMessage()):
            self.missing.append(found[1])


def _write(html: str) -> bytes:
    document, fonts, fetcher = _engine()
    glyphs = _Glyphs()
    logging.getLogger("weasyprint").addHandler(glyphs)
    data: bytes = document(string=html, url_fetcher=fetcher).write_pdf(font_config=fonts)
    if glyphs.missing:
        raise sandbox.Rejected(f"字库中没有这些字：{'、'.join(glyphs.missing[:5])}，不能打印。")
    return data


def write(html: str) -> bytes:
    """The PDF of a whole HTML document.

    Raises sandbox.Rejected when no installed font has a character (a paper with a hole where the
    name stands must not be signed), sandbox.SandboxError when it takes too much.
    """
    _engine()
    data: bytes = sandbox.run(
        _write, html, memory_mb=MEMORY_MB, cpu_seconds=CPU_SECONDS, wall_seconds=WALL_SECONDS
    )
    return data


def render(template: str, context: dict[str, Any]) -> bytes:
    """The PDF of TEMPLATE (which includes `print/style.css`) with CONTEXT; raises as `write`."""
    return write(render_to_string(template, context))


def qr(text: str, scale: int = 4) -> str:
    """A QR code as an inline picture."""
    return str(segno.make(text, error="m", micro=False).png_data_uri(scale=scale, border=1))
