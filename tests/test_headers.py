"""What every answer carries, what no page holds, and that reading changes nothing (ASVS V3.4, V3.5).

No script and no style stands inside a page at all, which is stricter than nonces: there is nothing
that a nonce could be stolen for.
"""

from __future__ import annotations

import json
import re
import socket
from html.parser import HTMLParser
from importlib.metadata import distributions
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from django.test import Client, override_settings
from django.urls import reverse

from tests.conftest import BY_ROLE
from tests.fingerprint import changed, fingerprint
from tests.routes import routes, some_objects
from xianning.models import AuditEvent

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))

# --- the table, typed by hand -------------------------------------------------------------------

PAGE_POLICY = {
    "default-src": "'none'", "script-src": "'self'", "style-src": "'self'",
    "img-src": "'self' data:", "font-src": "'self'", "connect-src": "'self'",
    "form-action": "'self'", "frame-ancestors": "'none'", "base-uri": "'none'",
    "object-src": "'none'",
}  # fmt: skip
FILE_POLICY = {"sandbox": "", "default-src": "'none'"}
EVERY_ANSWER = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}
SHUT = {"camera", "microphone", "geolocation", "usb", "serial", "hid", "payment",
        "clipboard-read", "display-capture", "local-fonts", "midi", "idle-detection"}  # fmt: skip
OTHERS = {
    "Content-Security-Policy", "Permissions-Policy", "Cache-Control", "Content-Type",
    "Content-Length", "Content-Language", "Content-Disposition", "Vary", "Location", "Expires",
    "Allow", "Clear-Site-Data", "Retry-After", "Last-Modified", "ETag", "Date", "Connection",
    "Access-Control-Allow-Origin", "Strict-Transport-Security",
}  # fmt: skip
VERSION = re.compile(r"(?i)(django|python|gunicorn|whitenoise|nginx|wsgi)[ /]?\d")
# The same views answer a HEAD, so some of the roles are enough.
ALSO_HEAD = {"", "enterprise", "system_admin", "auditor"}
# Reading may leave a trace of the reader, never of the work: table → why.
READING_MAY_TOUCH = {
    "django_session": "the browser's session is prolonged or marked",
    "xianning_signinsession": "when the browser was last seen, once a minute",
    "xianning_auditevent": "refusals, and who read the audit: which acts, is asserted below",
}


def policy(value: str) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in value.split(";"))
    return {name: rest for name, _, rest in parts if name}


def header_faults(response: Any, *, static: bool = False) -> list[str]:
    """In what the headers of RESPONSE differ from the table."""
    faults = [
        f"{name}: {response.headers.get(name)}"
        for name, value in EVERY_ANSWER.items()
        if response.headers.get(name) != value
    ]
    is_file = "attachment" in response.headers.get("Content-Disposition", "")
    wanted = FILE_POLICY if is_file else PAGE_POLICY
    if policy(response.headers.get("Content-Security-Policy", "")) != wanted:
        faults.append(f"CSP: {response.headers.get('Content-Security-Policy')}")
    features = dict(
        part.strip().partition("=")[::2]
        for part in response.headers.get("Permissions-Policy", "").split(",")
    )
    if not features.keys() >= SHUT or set(features.values()) != {"()"}:
        open_ = SHUT - features.keys() | {n for n, who in features.items() if who != "()"}
        faults.append(f"Permissions-Policy leaves open: {sorted(open_)}")
    kept = response.headers.get("Cache-Control", "")
    if ("no-store" in kept) == static:
        faults.append(f"Cache-Control: {kept}")
    faults += [
        f"unexpected {name}" for name in response.headers.keys() - OTHERS - EVERY_ANSWER.keys()
    ]
    if not static and response.headers.get("Access-Control-Allow-Origin"):
        faults.append("other sites may read it")
    faults += [f"version in {n}" for n, value in response.headers.items() if VERSION.search(value)]
    return faults


class Faults(HTMLParser):
    """What a page must not hold: code or style of its own, code by attribute, foreign resources."""

    def __init__(self, html: str, host: str = "testserver") -> None:
        super().__init__()
        self.found: list[str] = []
        self.host = host
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in {"style", "iframe", "object", "embed", "base", "applet", "frame"}:
            self.found.append(f"<{tag}>")
        if tag == "script" and not given.get("src"):
            self.found.append("<script> without src")
        for name, value in given.items():
            if name == "style" or name.startswith(("on", "hx-on", "data-hx-on")):
                self.found.append(f"{name}=")
            if re.match(r"(?i)\s*(js|javascript|vbscript):", value):
                self.found.append(f"{name}={value[:30]}")
            if name in {"hx-vars", "hx-eval", "srcdoc"} or (name == "hx-trigger" and "[" in value):
                self.found.append(f"{name}= is evaluated")
            foreign = urlsplit(value).netloc not in {"", self.host}
            if foreign and (name in LINKS or name.startswith("hx-")):
                self.found.append(f"{name}={value[:60]}")

    handle_startendtag = handle_starttag

    def unknown_decl(self, data: str) -> None:
        self.found.append(f"<![{data[:20]}")


LINKS = {"src", "href", "action", "formaction", "srcset", "poster", "data", "ping", "background"}


@pytest.mark.parametrize(
    "html",
    [
        "<script>1</script>", "<style>p{}</style>", '<p style="color:red">', "<p onclick=x>",
        "<img src=x onerror=y>", "<p hx-on:click=x>", "<p hx-on::after-request=x>",
        '<p hx-vals="js:{a:1}">', "<a href='JavaScript:x'>", "<a href=' javascript:x'>",
        "<p hx-trigger='click[ctrlKey]'>", "<img src=//example.org/a.png>", "<iframe></iframe>",
        "<script src='https://example.org/a.js'></script>", "<base href=/x>", "<p hx-vars='a:b'>",
        "<form action='https://example.org/'>", "<div hx-get='https://example.org/'>",
        "<link rel=stylesheet href='https://example.org/a.css'>", "<svg onload=x />",
    ],
)  # fmt: skip
def test_the_parser_finds_what_a_page_must_not_hold(html: str) -> None:
    assert Faults(html).found


# --- the crawl ----------------------------------------------------------------------------------


@pytest.fixture
def calls_out(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Connections that something tried to open, all refused (sockets of files excepted)."""
    tried: list[Any] = []
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> None:
        if self.family == socket.AF_UNIX:
            return connect(self, address)
        tried.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tried


def is_html(response: Any) -> bool:
    return response.headers.get("Content-Type", "").startswith("text/html")


def test_reading_every_page_as_everybody_carries_the_headers_and_changes_nothing(
    sign_in: Callable[[str], Client], calls_out: list[Any]
) -> None:
    known = some_objects()
    addresses = {route.name: route.address(known) for route in routes()}
    addresses |= {"nowhere": "/nowhere/", "null": "/%00", "long": f"/{'x' * 3000}/"}
    statuses: dict[str, set[int]] = {name: set() for name in addresses}
    faults: set[str] = set()
    clients = {role: sign_in(BY_ROLE[role]) if role else Client() for role in ("", *BY_ROLE)}
    events = set(AuditEvent.objects.values_list("pk", flat=True))
    for role, client in clients.items():
        client.raise_request_exception = False
        before = fingerprint(exclude=READING_MAY_TOUCH)
        methods = ("get", "head") if role in ALSO_HEAD else ("get",)
        for name, method in product(addresses, methods):
            response = getattr(client, method)(addresses[name])
            statuses[name].add(response.status_code)
            told = f"{name} as {role or 'nobody'}: {response.status_code}"
            faults |= {f"{told}: {fault}" for fault in header_faults(response)}
            faults |= {told} if response.status_code >= 500 else set()
            if is_html(response) and method == "get":
                found = Faults(response.content.decode()).found
                faults |= {f"{told}: {fault}" for fault in found}
        written = changed(before, fingerprint(exclude=READING_MAY_TOUCH))
        faults |= {f"reading as {role or 'nobody'} wrote {table}" for table in written}
    assert not faults, "\n".join(sorted(faults)[:40])
    told_of = AuditEvent.objects.exclude(pk__in=events).values_list("action", flat=True)
    assert set(told_of) == {"refused", "audit_read"}
    assert not calls_out
    seen = set().union(*statuses.values())
    assert {200, 302, 403, 404, 405} <= seen
    # Each address was more than not found to somebody, or the walk proves little.
    never = {name for name, answers in statuses.items() if answers <= {404}}
    assert never <= {"nowhere", "null", "long", "setup"}  # set-up is over: nobody finds it


def test_sending_an_empty_form_to_every_page_carries_the_headers(
    sign_in: Callable[[str], Client],
) -> None:
    known = some_objects()
    addresses = {route.name: route.address(known) for route in routes()}
    faults, files = set(), set()
    for role in ("", "enterprise", "community", "system_admin"):
        for name, address in addresses.items():
            client = sign_in(BY_ROLE[role]) if role else Client()
            response = client.post(address, {})
            told = f"{name} as {role or 'nobody'}: {response.status_code}"
            faults |= {f"{told}: {fault}" for fault in header_faults(response)}
            if is_html(response):
                found = Faults(response.content.decode()).found
                faults |= {f"{told}: {fault}" for fault in found}
            if "attachment" in response.headers.get("Content-Disposition", ""):
                files.add(name)
            if response.status_code >= 500:
                faults.add(told)
    assert not faults, "\n".join(sorted(faults)[:40])
    assert {"transfers:paper", "transfers:scan"} <= files


# --- refusals, failures, static files -----------------------------------------------------------


@pytest.fixture
def secret() -> str:
    return "机密4212991950010112345"


@pytest.fixture
def refusals(
    sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch, secret: str
) -> dict[str, Any]:
    """An answer of each kind that is not a page."""
    from transfers.models import Transfer

    clerk = sign_in("qiye")
    clerk.raise_request_exception = False
    search, cases = reverse("transfers:search"), reverse("transfers:list")
    answers = {
        "400 host": clerk.get("/", headers={"host": "evil.example.org"}),
        "403": clerk.get(reverse("users")),
        "404": clerk.get(f"/{secret}/"),
        "405": clerk.get(search),
    }
    strict = Client(enforce_csrf_checks=True)
    answers["403 csrf"] = strict.post(reverse("sign_in"), {"username": secret})
    with override_settings(DATA_UPLOAD_MAX_NUMBER_FIELDS=3):
        fields = {f"f{n}": secret for n in range(9)}
        answers["400 fields"] = clerk.post(search, fields)
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10):
        answers["413"] = clerk.post(search, f"q={secret * 5}", "application/x-www-form-urlencoded")
    for _ in range(7):
        answers["429"] = Client().post(reverse("sign_in"), {"username": "qiye", "password": secret})

    def fail(*_: Any) -> None:
        raise RuntimeError(secret)

    with monkeypatch.context() as patch:
        patch.setattr(type(Transfer.objects.all()), "visible_to", fail)
        answers["500"] = clerk.get(cases)
    return answers


def test_refusals_and_failures_tell_no_data_and_no_versions(
    refusals: dict[str, Any], secret: str
) -> None:
    wanted = {"400 host": {400}, "400 fields": {400}, "413": {400, 413}, "403": {403},
              "404": {404}, "405": {405}, "403 csrf": {403}, "429": {429}, "500": {500}}  # fmt: skip
    versions = {d.version for d in distributions() if d.version.count(".") >= 2}
    for kind, response in refusals.items():
        text = response.content.decode()
        assert response.status_code in wanted[kind], kind
        assert not header_faults(response), kind
        assert not Faults(text).found, kind
        assert secret not in text, kind
        assert not re.search(r"Traceback|Exception|Error\b|[Dd]jango(?!_htmx)|Python|/site-", text)
        assert not {version for version in versions if version in text}, kind
        if kind != "405":  # nobody is led to such an answer, and it has no body
            assert "<h1>" in text, kind


@pytest.mark.parametrize("name", ["app.css", "app.js", "bootstrap/css/bootstrap.min.css"])
def test_a_static_file_carries_the_headers(client: Client, name: str) -> None:
    response = client.get(f"/static/{name}")
    assert response.status_code == 200
    assert response.getvalue()
    response.close()
    assert not header_faults(response, static=True)
    assert "max-age" in response.headers["Cache-Control"]
    missing = client.get(f"/static/no-such-{name}")
    assert missing.status_code == 404
    assert not header_faults(missing)


# --- htmx, templates, our own script ------------------------------------------------------------


def test_htmx_keeps_no_pages_and_evaluates_nothing(client: Client) -> None:
    text = client.get(reverse("sign_in")).content.decode()
    found = re.search(r"name=\"htmx-config\"\s+content='([^']+)'", text)
    assert found
    assert json.loads(found[1]) == {
        "historyEnabled": False, "historyCacheSize": 0, "allowEval": False,
        "allowScriptTags": False, "includeIndicatorStyles": False, "selfRequestsOnly": True,
    }  # fmt: skip
    # Written beside the base template, they would reach no page that does not extend it.
    frames = [path for path in TEMPLATES if "htmx_script" in path.read_text(encoding="utf-8")]
    assert [path.name for path in frames] == ["base.html"]


IN_TEMPLATES = re.compile(
    r"(?i)\bhx-on|\bhx-vars|\bjs:|javascript:|<style|<iframe|\son\w+\s*=|\sstyle\s*=|"
    r"<script(?![^>]*\bsrc=)|hx-trigger=\"[^\"]*\[|"
    r"(?:src|href|action|hx-\w+|url)\s*[=(]\s*[\"']?\s*(?:https?:)?//"
)
IN_SCRIPTS = re.compile(
    r"\beval\s*\(|new Function|\.(?:inner|outer)HTML|document\.write|insertAdjacentHTML|"
    r"set(?:Timeout|Interval)\(\s*[\"'`]|https?://|localStorage|sessionStorage|\.cookie\b|import\("
)
IN_STYLES = re.compile(r"(?i)@import|url\(\s*[\"']?\s*(?:https?:)?//|expression\(")


def test_no_template_script_or_style_of_ours_holds_code_or_foreign_addresses() -> None:
    """Papers are laid out by our own renderer, which fetches nothing; their style may be inside."""
    kinds = [
        (IN_TEMPLATES, [path for path in TEMPLATES if "print" not in path.parts]),
        (IN_SCRIPTS, sorted((ROOT / "static").glob("*.js"))),
        (IN_STYLES, sorted((ROOT / "static").glob("*.css"))),
    ]
    found = []
    for pattern, paths in kinds:
        assert paths
        for path in paths:
            found += [f"{path.name}: {m[0]}" for m in pattern.finditer(path.read_text("utf-8"))]
    assert not found


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (IN_TEMPLATES, '<a hx-on:click="x">'), (IN_TEMPLATES, '<a onclick = "x">'),
        (IN_TEMPLATES, "<div hx-vals='js:{}'>"), (IN_TEMPLATES, '<p style="x">'),
        (IN_TEMPLATES, "<script>"), (IN_TEMPLATES, '<img src="//cdn.example.org/x.png">'),
        (IN_TEMPLATES, '<link href="https://example.org/x.css">'), (IN_STYLES, "@import 'x'"),
        (IN_TEMPLATES, '<p hx-trigger="click[shiftKey]">'), (IN_SCRIPTS, "eval (x)"),
        (IN_SCRIPTS, "x.innerHTML = y"), (IN_SCRIPTS, 'setTimeout("x")'),
        (IN_STYLES, "url(https://example.org/a.woff)"), (IN_SCRIPTS, "localStorage.x = 1"),
    ],
)  # fmt: skip
def test_the_patterns_find_a_sample_of_each(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)
