"""The virus scanner: clamd's INSTREAM command over a socket (clamd(8)), bounded in time and size.

Setting CLAMD: ``unix:/run/clamav/clamd.ctl`` or ``tcp:127.0.0.1:port``; empty when there is none.
clamd knows no TLS, so a scanner on another machine is refused: it would get scans in the clear.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
import time

from django.conf import settings

logger = logging.getLogger("xianning.uploads")

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 30.0
PIECE = 64 * 1024
LONGEST_ANSWER = 4096
FOUND = re.compile(rb"stream: ([^\0\n]+) FOUND\0")


class Unavailable(Exception):
    """Nobody answers, or not in time; the message is for the log."""


class NoVerdict(Unavailable):
    """The scanner answers, but not on this file (too large for its own limits, an error)."""


def is_configured() -> bool:
    """Whether uploads are to be looked through at all."""
    return bool(_setting())


def problem() -> str | None:
    """What is wrong with the setting CLAMD, as a sentence for whoever deploys; None if nothing."""
    if not _setting():
        return None
    try:
        _address(_setting())
    except Unavailable as reason:
        return f"CLAMD={_setting()}：应为 unix:/路径 或 tcp:127.0.0.1:端口（{reason}）。"
    return None


def look(data: bytes) -> str | None:
    """The name of the malware in DATA, None when there is none.

    Raises Unavailable, and NoVerdict when the answer is none (clamd's own size limit included: the
    part it did not see may be the bad one).
    """
    started = time.monotonic()
    try:
        with _connected() as connection:
            answer = _asked(connection, data, started + TOTAL_SECONDS)
    except OSError as error:
        raise Unavailable(f"{type(error).__name__}: {error.strerror or error}") from None
    if answer == b"stream: OK\0":
        return None
    if found := FOUND.fullmatch(answer):
        return found[1].decode("utf-8", "replace")[:100]
    raise NoVerdict(f"no verdict: {answer[:100]!r}")


def _setting() -> str:
    return str(getattr(settings, "CLAMD", "") or "").strip()


def _address(setting: str) -> str | tuple[str, int]:
    """The path of a socket, or host and port. Raises Unavailable."""
    kind, _, rest = setting.partition(":")
    if kind == "unix" and rest.startswith("/"):
        return rest
    host, _, port = rest.rpartition(":")
    if kind == "tcp" and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
        if _is_loopback(host.strip("[]")):
            return host.strip("[]"), int(port)
        raise Unavailable("查毒程序须在本机：clamd 不加密，文件内容会在网络上明文传输")
    raise Unavailable("写法不对")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _connected() -> socket.socket:
    address = _address(_setting())
    if not isinstance(address, str):
        return socket.create_connection(address, timeout=CONNECT_SECONDS)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(CONNECT_SECONDS)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _asked(connection: socket.socket, data: bytes, deadline: float) -> bytes:
    """Send DATA in pieces with their lengths, an empty one at the end, and read the answer."""
    try:
        _send(connection, b"zINSTREAM\0", deadline)
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            _send(connection, len(piece).to_bytes(4, "big") + piece, deadline)
        _send(connection, bytes(4), deadline)
    except (BrokenPipeError, ConnectionResetError):
        logger.info("clamd hung up before the end of the file")  # it may have said why
    answer = b""
    while b"\0" not in answer and len(answer) < LONGEST_ANSWER:
        connection.settimeout(_left(deadline))
        piece = connection.recv(LONGEST_ANSWER)
        if not piece:
            break
        answer += piece
    return answer


def _send(connection: socket.socket, piece: bytes, deadline: float) -> None:
    connection.settimeout(_left(deadline))
    connection.sendall(piece)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no verdict in time")
    return left
