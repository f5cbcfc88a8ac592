"""Files given to a browser: under their own name, never interpreted."""

from __future__ import annotations

from urllib.parse import quote

from django.http import HttpResponse


def download(data: bytes, name: str, content_type: str) -> HttpResponse:
    """DATA as an attachment called NAME (RFC 6266), which the browser may not run or guess at."""
    response = HttpResponse(data, content_type=content_type)
    response["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response
