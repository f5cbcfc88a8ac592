"""Lines of the log: where something failed, never the words of an exception, which may be private."""

from __future__ import annotations

import logging
import re
import traceback
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

_ID_NUMBER = re.compile(r"(?<![\w-])\d{17}[\dXx](?![\w-])")
_MOBILE = re.compile(r"(?<![\w-])1[3-9]\d{9}(?![\w-])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Lines(logging.Formatter):
    """Messages on one line and without numbers of persons; exceptions as kind and place.

    The text of an exception quotes what could not be converted, stored or found: a phone, a whole
    row of the database. Kind, file, line and function tell a developer what he needs.
    """

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """ISO 8601 with the offset, so that lines of several machines can be put in order."""
        moment = datetime.fromtimestamp(record.created).astimezone()
        return moment.isoformat(timespec="milliseconds")

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = _hidden(record.message)
        return super().formatMessage(record)

    def formatException(
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        error, lines, seen = ei[1], [], set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            lines.append(type(error).__qualname__)
            frames = traceback.extract_tb(error.__traceback__)
            lines += [f"  {f.filename}:{f.lineno} {f.name}" for f in frames]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n".join(lines)


def _hidden(text: str) -> str:
    """TEXT on one line, with stars for ID and mobile numbers."""
    text = _CONTROL.sub(lambda sign: f"\\x{ord(sign[0]):02x}", text)
    return _MOBILE.sub("*" * 11, _ID_NUMBER.sub("*" * 18, text))
