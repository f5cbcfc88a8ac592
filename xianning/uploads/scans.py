"""Signed papers: what is stored of an upload."""

from __future__ import annotations

from typing import NamedTuple

from xianning.sandbox import Rejected
from xianning.uploads.kinds import CONTENT_TYPES, kind_of
from xianning.uploads.limits import SCAN_BYTES, limit_size
from xianning.uploads.pdfs import clean_pdf
from xianning.uploads.pictures import check_picture


class Cleaned(NamedTuple):
    """What to store, and what of the upload is not in it (words for the person)."""

    data: bytes
    content_type: str
    left_out: list[str]


def clean_scan(data: bytes, name: str, limit: int = SCAN_BYTES) -> Cleaned:
    """The bytes to store for an uploaded paper, their content type, and what was left out.

    A picture is encoded anew and a PDF written anew from its pages, so that neither metadata nor
    anything hidden or active in it stays. LIMIT is for PDF (bytes). Raises Rejected.
    """
    limit_size(len(data), limit)
    kind = kind_of(data, name)
    if kind == "xlsx":
        raise Rejected("扫描件只接受 PDF、JPG 或 PNG；这个文件的内容是 .xlsx 工作簿。")
    if kind == "pdf":
        clean, left_out = clean_pdf(data, limit)
        return Cleaned(clean, CONTENT_TYPES[kind], left_out)
    return Cleaned(check_picture(data), CONTENT_TYPES[kind], [])
