"""What may be uploaded: .xlsx workbooks, and signed papers as PDF, JPEG or PNG.

The content decides, never the name alone; both must agree. Every refusal is ``Rejected`` with a
sentence that says what is wrong and what to do. Parsers of pictures and PDF run in the sandbox.

kinds        which kind it is; containers  workbooks as zip files, before any parser
pictures     encoded anew;       pdfs        written anew from their pages
scans        a signed paper of either kind;  scanner  clamd
intake       quota, room, scanner and vault; handlers how files arrive (FILE_UPLOAD_HANDLERS)
"""

from __future__ import annotations

from xianning.sandbox import Rejected
from xianning.uploads.containers import (
    BROKEN_WORKBOOK,
    EXTERNAL,
    LOCKED,
    MACROS,
    MAX_COLUMNS,
    MAX_INFLATED,
    MAX_MEMBERS,
    MAX_RATIO,
    MAX_ROWS,
    SHEET_COLUMNS,
    SHEET_ROWS,
    column_number,
    outside_grid,
    scan_members,
)
from xianning.uploads.intake import Infected, Received, admit, receive_scan, store
from xianning.uploads.kinds import (
    CONTENT_TYPES,
    EXTENSIONS,
    NAMES,
    Kind,
    check_container,
    check_workbook_zip,
    content_kind,
    kind_of,
)
from xianning.uploads.limits import SCAN_BYTES, WORKBOOK_BYTES, in_sandbox, stream_in_sandbox
from xianning.uploads.pdfs import BROKEN_PDF, MAX_PAGES, clean_pdf
from xianning.uploads.pictures import BROKEN_PICTURE, MAX_PIXELS, check_picture
from xianning.uploads.scans import Cleaned, clean_scan

__all__ = [
    "BROKEN_PDF", "BROKEN_PICTURE", "BROKEN_WORKBOOK", "CONTENT_TYPES", "EXTENSIONS", "EXTERNAL",
    "LOCKED", "MACROS", "MAX_COLUMNS", "MAX_INFLATED", "MAX_MEMBERS", "MAX_PAGES", "MAX_PIXELS",
    "MAX_RATIO", "MAX_ROWS", "NAMES", "SCAN_BYTES", "SHEET_COLUMNS", "SHEET_ROWS",
    "WORKBOOK_BYTES", "Cleaned", "Infected", "Kind", "Received", "Rejected", "admit",
    "check_container", "check_picture", "check_workbook_zip", "clean_pdf", "clean_scan",
    "column_number", "content_kind", "in_sandbox", "kind_of", "outside_grid", "receive_scan",
    "scan_members", "store", "stream_in_sandbox",
]  # fmt: skip
