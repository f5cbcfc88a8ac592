"""What arrives is kept in memory, bounded: no readable copy of a paper is ever written to disk."""

from __future__ import annotations

import io
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload

from xianning.sandbox import MB
from xianning.uploads.limits import WORKBOOK_BYTES

# Of all files of one request together, read to the end so that the page can say what is wrong.
KEPT_BYTES = WORKBOOK_BYTES + MB
# Behind this the connection is ended: nobody sends so much by mistake.
READ_BYTES = 10 * WORKBOOK_BYTES


class BoundedUploadHandler(FileUploadHandler):
    """Keeps the files of a request in memory, up to KEPT_BYTES in all.

    A file that does not fit is counted and thrown away: its ``size`` is the true one, its content
    is empty, so that the form's own limit refuses it in words.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept = self.read = 0
        self.file = io.BytesIO()
        self.too_large = False

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.file, self.too_large = io.BytesIO(), False

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.read += len(raw_data)
        if self.read > READ_BYTES:
            raise StopUpload(connection_reset=True)
        if not self.too_large and self.kept + len(raw_data) > KEPT_BYTES:
            self.kept -= self.file.tell()
            self.file, self.too_large = io.BytesIO(), True
        if not self.too_large:
            self.kept += self.file.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        self.file.seek(0)
        return InMemoryUploadedFile(
            self.file, self.field_name, self.file_name or "", self.content_type or "",
            file_size, self.charset, self.content_type_extra,
        )  # fmt: skip
