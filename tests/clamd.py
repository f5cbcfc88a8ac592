"""A stand-in for clamd that speaks INSTREAM (clamd(8)) and knows the EICAR test file."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# In two pieces, so that no scanner takes this source for the test file itself.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-" + rb"ANTIVIRUS-TEST-FILE!$H+H*"
FOUND = "Win.Test.EICAR_HDB-1"


class FakeClamd(threading.Thread):
    """Answers one connection after another until it is closed; `seen` are the files it was given.

    ANSWER replaces the verdict (None: nothing is ever answered); KEEPS is the number of bytes after
    which it hangs up.
    """

    def __init__(
        self, listening: socket.socket, answer: bytes | None = b"", keeps: int | None = None
    ) -> None:
        super().__init__(daemon=True)
        self.listening, self.answer, self.keeps = listening, answer, keeps
        self.seen: list[bytes] = []
        self.held: list[socket.socket] = []

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            if self.answer is None:
                self.held.append(connection)
                continue
            with closing(connection):
                connection.sendall(self.answer or self._verdict(connection))

    def _verdict(self, connection: socket.socket) -> bytes:
        stream = connection.makefile("rb")
        if stream.read(10) != b"zINSTREAM\0":
            return b"UNKNOWN COMMAND\0"
        data = b""
        while length := int.from_bytes(stream.read(4), "big"):
            data += stream.read(length)
            if self.keeps is not None and len(data) > self.keeps:
                return b"INSTREAM size limit exceeded. ERROR\0"
        self.seen.append(data)
        return b"stream: " + (FOUND.encode() + b" FOUND" if EICAR in data else b"OK") + b"\0"


@contextmanager
def clamd(
    place: Path | None = None, answer: bytes | None = b"", keeps: int | None = None
) -> Iterator[tuple[str, FakeClamd]]:
    """A running scanner and its CLAMD setting; on the socket PLACE, else on a free port."""
    if place is None:
        listening = socket.create_server(("127.0.0.1", 0))
        setting = f"tcp:127.0.0.1:{listening.getsockname()[1]}"
    else:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(place))
        listening.listen()
        setting = f"unix:{place}"
    scanner = FakeClamd(listening, answer, keeps)
    scanner.start()
    try:
        yield setting, scanner
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for connection in scanner.held:
            connection.close()
        scanner.join(5)
