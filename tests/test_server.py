"""The web server itself, as `manage.py run` starts it behind a proxy: its headers and its reading.

Ambiguous requests are how a second one is smuggled past a proxy (ASVS 4.2.1).
"""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.db import connection

from tests.test_headers import header_faults
from tests.test_transport import surroundings
from xianning.management.commands import run
from xianning.models import Installation

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The port of gunicorn as `manage.py run` starts it, behind a proxy that speaks TLS."""
    folder = tmp_path_factory.mktemp("server")
    for name in IN_PAGES:  # all static files would have to be compressed, which takes long
        copy = folder / "static" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(Path(finders.find(name) or "").read_bytes())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    facts = connection.settings_dict
    url = f"sqlite:///{facts['NAME']}"
    if connection.vendor == "postgresql":
        url = f"postgres://{facts['USER']}@/{facts['NAME']}?host={quote(facts['HOST'])}"
    with django_db_blocker.unblock():
        demo = Installation.objects.get_demo_state()
    changes = {
        "DATABASE_URL": url, "FIELD_KEYS": settings.PRIVACY_KEYS, "DEMO": "1" if demo else "0",
        "SECURE": "1", "TRUST_FORWARDED_PROTO": "1",
    }  # fmt: skip
    log = folder / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            run._web(port, 1), env=surroundings(folder, **changes), stderr=errors
        )
    try:
        assert run._wait_for(port, {"web": process}), log.read_text()
        yield port
    finally:
        process.terminate()
        process.wait(30)
    assert "Traceback" not in log.read_text().replace("PermissionDenied", "")


IN_PAGES = ("app.css", "app.js", "bootstrap/css/bootstrap.min.css", "django_htmx/htmx-2.min.js")


@pytest.mark.django_db
def test_the_server_has_the_database_of_the_tests() -> None:
    """The others hold no transaction, which would keep the server from writing its audit; so this
    one asks for the database, and sees that there is something to serve."""
    assert Installation.objects.get_demo_state() is not None


NOT_OURS = {"Server", "Set-Cookie", "Transfer-Encoding"}  # written by gunicorn, or looked at below
PROXIED = {"Host": "example.org", "X-Forwarded-Proto": "https"}


class Answer:
    """A response of the server in the shape the table of headers reads."""

    def __init__(self, port: int, path: str, method: str = "GET", **headers: str) -> None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        sent = PROXIED | {name.replace("_", "-"): value for name, value in headers.items()}
        line.request(method, path, headers=sent)
        found = line.getresponse()
        self.status_code, self.content = found.status, found.read()
        self.headers = {k: v for k, v in found.getheaders() if k not in NOT_OURS}
        self.server = found.headers.get("Server", "")
        self.cookies = found.headers.get_all("Set-Cookie") or []
        line.close()


def test_the_real_server_carries_the_headers_and_tells_no_version(server: int) -> None:
    seen = {
        "page": (Answer(server, "/account/sign-in/"), 200),
        "redirect": (Answer(server, "/"), 302),
        "missing": (Answer(server, "/nowhere/"), 404),
        "refused": (Answer(server, "/account/sign-in/", "POST"), 403),
        "host": (Answer(server, "/account/sign-in/", Host="evil.example"), 400),
        "plain": (Answer(server, "/account/sign-in/", X_Forwarded_Proto="http"), 301),
        "method": (Answer(server, "/health/", "POST"), 403),
        "health": (Answer(server, "/health/"), 200),
        "static": (Answer(server, "/static/app.css"), 200),
    }
    for name, (answer, status) in seen.items():
        assert answer.status_code == status, name
        assert not header_faults(answer, static=name == "static"), name
        assert not re.search(r"\d", answer.server), name
        hsts = answer.headers.get("Strict-Transport-Security", "")
        assert ("max-age=31536000" in hsts) == (name not in {"plain"}), name
    cookies = seen["page"][0].cookies
    assert cookies
    for cookie in cookies:
        assert re.match(r"__Host-\w+=", cookie)
        assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


HIDDEN = "GET /health/ HTTP/1.1\r\nHost: example.org\r\nX-Forwarded-Proto: https\r\n\r\n"
HEAD = "POST /health/ HTTP/1.1\r\nHost: example.org\r\nX-Forwarded-Proto: https\r\n"
CHUNKED = f"0\r\n\r\n{HIDDEN}"
# Two readings of one request: a proxy and the server must never take different ones.
AMBIGUOUS = {
    "length and chunks": f"{HEAD}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKED}",
    "chunks and length": f"{HEAD}Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n{CHUNKED}",
    "two lengths": f"{HEAD}Content-Length: 0\r\nContent-Length: {len(HIDDEN)}\r\n\r\n{HIDDEN}",
    "list of lengths": f"{HEAD}Content-Length: 0, {len(HIDDEN)}\r\n\r\n{HIDDEN}",
    "signed length": f"{HEAD}Content-Length: +0\r\n\r\n{HIDDEN}",
    "negative length": f"{HEAD}Content-Length: -1\r\n\r\n{HIDDEN}",
    "hexadecimal length": f"{HEAD}Content-Length: 0x0\r\n\r\n{HIDDEN}",
    "unknown coding": f"{HEAD}Transfer-Encoding: xchunked\r\n\r\n{CHUNKED}",
    "chunked not last": f"{HEAD}Transfer-Encoding: chunked, identity\r\n\r\n{CHUNKED}",
    "chunked twice": f"{HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKED}",
    "blank before colon": f"{HEAD}Transfer-Encoding : chunked\r\n\r\n{CHUNKED}",
    "odd blank": f"{HEAD}Transfer-Encoding:\x0bchunked\r\n\r\n{CHUNKED}",
    "folded line": f"{HEAD}Transfer-Encoding:\r\n chunked\r\n\r\n{CHUNKED}",
    "old protocol": f"{HEAD.replace('1.1', '1.0')}Transfer-Encoding: chunked\r\n\r\n{CHUNKED}",
    "size of a chunk": f"{HEAD}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n{HIDDEN}",
    "end of a chunk": f"{HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n{HIDDEN}",
    "bare line feeds": f"{HEAD.replace(chr(13), '')}Content-Length: 0\n\n{HIDDEN}",
    "bad name": f"{HEAD}Transfer\x00Encoding: chunked\r\n\r\n{CHUNKED}",
}


def said(port: int, sent: str) -> bytes:
    """All that the server answers before it closes or falls silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(sent.encode("latin-1"))
        line.shutdown(socket.SHUT_WR)
        received = b""
        end = time.monotonic() + 10
        try:
            while time.monotonic() < end and (part := line.recv(65536)):
                received += part
        except ConnectionResetError:
            return received
    return received


@pytest.mark.parametrize("kind", sorted(AMBIGUOUS))
def test_a_request_that_can_be_read_in_two_ways_is_never_answered_twice(
    server: int, kind: str
) -> None:
    answer = said(server, AMBIGUOUS[kind])
    lines = re.findall(rb"HTTP/1\.[01] (\d{3})", answer)
    assert len(lines) <= 1
    assert b'{"status"' not in answer  # the hidden request was not taken
    assert not lines or lines[0] in {b"400", b"403", b"405", b"501"}
    assert not re.search(rb"(?i)gunicorn/|python|traceback", answer)


def test_a_plain_request_is_answered_and_the_next_on_the_line_is_not(server: int) -> None:
    """The server closes after each answer, so nothing can wait behind a request."""
    assert said(server, HIDDEN).count(b'{"status"') == 1
    assert said(server, HIDDEN * 2).count(b'{"status"') == 1
