"""What starts, what a form must bring, and where a redirect may lead (H1, H4, H5).

With the settings of production where they differ from those of the tests.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, override_settings
from django.urls import reverse

from tests.conftest import BY_ROLE
from tests.routes import routes, some_objects
from tests.test_headers import header_faults
from xianning import checks, privacy, settings
from xianning.models import Installation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
STRONG = "".join(chr(48 + n % 70) for n in range(64))
OURS = set(
    re.findall(
        r'env(?:_[a-z]+)?\("([A-Z_]+)"', (ROOT / "xianning" / "settings.py").read_text("utf-8")
    )
)


def surroundings(folder: Path, **changes: str) -> dict[str, str]:
    """The environment of a right production start on a database that does not exist, and CHANGES."""
    clean = {k: v for k, v in os.environ.items() if k.removesuffix("_FILE") not in OURS}
    return clean | {
        "SECRET_KEY": STRONG, "FIELD_KEYS": privacy.new_keys(), "ALLOWED_HOSTS": "example.org",
        "VAR_DIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1",
        "DJANGO_SETTINGS_MODULE": "xianning.settings",
    } | changes  # fmt: skip


# --- H1: what does not start --------------------------------------------------------------------

STARTS = {
    "the commands": [str(ROOT / "manage.py"), "check"],
    "the server": ["-c", "import xianning.wsgi"],
}
REFUSED = [
    ("the commands", {"DEBUG": "1"}, "DEBUG 会把内部信息显示给来访者"),
    ("the commands", {"SECRET_KEY": "short", "SECURE": "0"}, "正式使用时不能关闭 SECURE"),
    ("the commands", {"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS 不能含 *"),
    ("the commands", {"SECRET_KEY": ""}, "缺少 SECRET_KEY 或 FIELD_KEYS"),
    ("the server", {"FIELD_KEYS": "", "ALLOWED_HOSTS": ""}, "缺少 ALLOWED_HOSTS"),
    ("the server", {"SECRET_KEY": "django-insecure-" + STRONG}, "SECRET_KEY_FALLBACKS 太弱"),
    ("the server", {"TRUSTED_PROXIES": "one"}, "设置 TRUSTED_PROXIES 应为整数"),
    ("the server", {"SECRET_KEY_FILE": "/nowhere/key"}, "SECRET_KEY_FILE 所指的文件读不出来"),
    ("the server", {"DATABASE_URL": "mysql://a/b"}, "DATABASE_URL 只支持"),
    ("the server", {"DATABASE_URL": "postgres://a@db.example/b"}, "须加 ?sslmode=verify-full"),
    ("the commands", {"CLAMD": "tcp:10.0.0.5:3310"}, "查毒程序须在本机"),
    ("the commands", {"ADMIN_NETWORKS": "10.1.2.3/24"}, "ADMIN_NETWORKS 应为逗号分隔的网段"),
]


def test_a_wrong_setting_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    """Every start is a process of its own; several at a time."""
    wrong = []
    for begin in range(0, len(REFUSED), 3):
        started = [
            (changes, sentence, subprocess.Popen(
                [sys.executable, *STARTS[how]], env=surroundings(tmp_path, **changes), cwd=ROOT,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            ))
            for how, changes, sentence in REFUSED[begin : begin + 3]
        ]  # fmt: skip
        for changes, sentence, process in started:
            told = process.communicate(timeout=120)[0]
            if process.returncode == 0 or sentence not in told or STRONG in told:
                wrong.append((changes, process.returncode, told[-300:]))
    assert not wrong


RIGHT: dict[str, Any] = {
    "TESTING": False, "SECRET_KEY": STRONG, "SECRET_KEY_FALLBACKS": [], "DEBUG": False,
    "DEMO": False, "SECURE": True, "ALLOWED_HOSTS": ["example.org"], "CSRF_TRUSTED_ORIGINS": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 0),
        ({"SECRET_KEY": "a" * 80}, 1), ({"SECRET_KEY": STRONG[:49]}, 1),
        ({"SECRET_KEY_FALLBACKS": ["short"]}, 1), ({"SECRET_KEY_FALLBACKS": [STRONG]}, 0),
        ({"ALLOWED_HOSTS": ["example.org", "*"]}, 1), ({"ALLOWED_HOSTS": [".example.org"]}, 1),
        ({"ALLOWED_HOSTS": []}, 1), ({"DEBUG": True}, 2), ({"DEBUG": True, "SECURE": False}, 1),
        ({"DEBUG": True, "SECURE": False, "ALLOWED_HOSTS": ["localhost"]}, 0),
        ({"SECURE": False}, 1), ({"SECURE": False, "DEMO": True}, 0),
        ({"CSRF_TRUSTED_ORIGINS": ["https://a.example.org"]}, 0),
        ({"CSRF_TRUSTED_ORIGINS": ["http://a.example.org"]}, 1),
        ({"CSRF_TRUSTED_ORIGINS": ["https://*.example.org"]}, 1),
        ({"PRIVACY_KEYS": ""}, 1), ({"PRIVACY_KEYS": "{}"}, 1), ({"PRIVACY_KEYS": "[1"}, 1),
        ({"CLAMD": "tcp:scanner.example:3310"}, 1), ({"CLAMD": "tcp:127.0.0.1:3310"}, 0),
        ({"ADMIN_NETWORKS": ["intranet"]}, 1), ({"ADMIN_NETWORKS": ["10.0.0.0/8", "::1"]}, 0),
    ],
)  # fmt: skip
def test_each_wrong_setting_is_told_once(changes: dict[str, Any], count: int) -> None:
    with override_settings(**(RIGHT | changes)):
        assert len(checks.wrong_settings()) == count
        if not count:
            return
        with pytest.raises(ImproperlyConfigured, match=r"。$"):
            checks.require_right_start()


HERE = ["", "localhost", "127.0.0.1", "[::1]"]
AWAY = ["db.example", "10.0.0.5", "[2001:db8::1]", "127.evil.example", "localhost.example"]


def test_a_database_elsewhere_is_reached_by_verified_tls_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ASVS 12.3.1."""
    monkeypatch.delenv("PGHOST", raising=False)
    folder = "host=/run/postgresql"
    for url in (*[f"postgres://a@{host}/b" for host in HERE], f"postgres:///b?{folder}"):
        assert "sslmode" not in settings.database(url)["OPTIONS"], url
    weak = ["", "?sslmode=require", "?sslmode=verify-ca", "?sslmode=prefer", "?sslmode=disable"]
    away = [f"postgres://a@{host}/b{query}" for host in AWAY for query in weak]
    away += ["postgres:///b?host=db.example", "postgres:///b?host=/run/postgresql,db.example"]
    for url in away:
        with pytest.raises(ImproperlyConfigured, match="verify-full"):
            settings.database(url)
    with pytest.raises(ImproperlyConfigured, match="sslmod 不起作用"):  # not dropped without a word
        settings.database("postgres://a@localhost/b?sslmod=verify-full")
    safe = settings.database("postgres://a@db.example/b?sslmode=verify-full&sslrootcert=/ca.pem")
    asked = {k: v for k, v in safe["OPTIONS"].items() if k.startswith("ssl")}
    assert (safe["HOST"], asked) == (
        "db.example", {"sslmode": "verify-full", "sslrootcert": "/ca.pem"},
    )  # fmt: skip
    monkeypatch.setenv("PGHOST", "db.example")  # libpq would go there when we name no host
    with pytest.raises(ImproperlyConfigured, match="verify-full"):
        settings.database("postgres:///b")
    assert not checks.settings_are_wise()
    monkeypatch.setattr(settings, "DATABASE_PLAINTEXT", True)
    assert settings.database("postgres://a@db.example/b")["HOST"] == "db.example"
    with override_settings(DATABASE_PLAINTEXT=True):
        assert [warning.id for warning in checks.settings_are_wise()] == ["xianning.W001"]


@pytest.mark.django_db
@pytest.mark.parametrize(("is_demo", "demo", "debug", "starts"), [
    (False, False, False, True), (True, True, False, True), (True, True, True, True),
    (False, False, True, False), (False, True, False, False), (True, False, False, False),
])  # fmt: skip
def test_a_real_database_is_never_served_as_a_demo_nor_with_debug_pages(
    is_demo: bool, demo: bool, debug: bool, starts: bool
) -> None:
    Installation.objects.update_or_create(
        id=1, defaults={"is_demo": is_demo, "key_check": privacy.make_key_check()}
    )
    with override_settings(DEMO=demo, DEBUG=debug):
        if starts:
            checks.require_right_start()
            return
        with pytest.raises(ImproperlyConfigured):
            checks.require_right_start()


# --- cookies and HSTS, with the values that production really has -------------------------------

ASKED = [
    "SESSION_COOKIE_NAME", "SESSION_COOKIE_SECURE", "SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_NAME",
    "SESSION_COOKIE_HTTPONLY", "SESSION_COOKIE_PATH", "SESSION_COOKIE_DOMAIN", "SECURE",
    "CSRF_COOKIE_SECURE", "CSRF_COOKIE_HTTPONLY", "CSRF_COOKIE_SAMESITE", "CSRF_COOKIE_DOMAIN",
    "SECURE_HSTS_SECONDS", "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD",
    "SECURE_SSL_REDIRECT", "MIDDLEWARE", "SECURE_CONTENT_TYPE_NOSNIFF", "USE_X_FORWARDED_HOST",
]  # fmt: skip


@pytest.fixture
def production(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The tests' process with what the settings say in production."""
    code = (
        "import json; from django.conf import settings;"
        f"print(json.dumps({{name: getattr(settings, name) for name in {ASKED!r}}}))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], env=surroundings(tmp_path), cwd=ROOT, check=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    values = json.loads(told.stdout)
    with override_settings(**values, ALLOWED_HOSTS=["example.org"]):
        yield values


@pytest.mark.django_db
def test_cookies_are_bound_to_this_host_and_pages_to_tls(
    production: dict[str, Any], sign_in: Callable[[str], Client]
) -> None:
    seen: dict[str, Any] = {}
    client = Client(headers={"host": "example.org"})
    page = client.get(reverse("sign_in"), secure=True)
    seen |= dict(page.cookies.items())
    account = sign_in("guanli").session["_auth_user_id"]
    from xianning.models import User

    user = User.objects.get(pk=account)
    user.set_password("Zheng-que-de-mi-ma-9")
    user.save()
    for device in getattr(user, "totpdevice_set").all():  # noqa: B009 (made by django_otp)
        device.delete()
    given = {"username": user.username, "password": "Zheng-que-de-mi-ma-9"}
    entered = client.post(reverse("sign_in"), given, secure=True)
    assert entered.status_code == 302
    seen |= dict(entered.cookies.items())
    assert {"__Host-session", "__Host-csrf"} <= seen.keys()
    for name, cookie in seen.items():
        assert name.startswith("__Host-"), name
        flags = (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"])
        assert flags == (True, True, "/", ""), name
        assert cookie["samesite"] in {"Lax", "Strict"}, name
    for answer in (page, entered, client.get("/nowhere/", secure=True)):
        assert answer.headers["Strict-Transport-Security"] == (
            "max-age=31536000; includeSubDomains; preload"
        )
        assert not header_faults(answer)
    plain = client.get(reverse("sign_in"))
    assert (plain.status_code, plain["Location"]) == (301, "https://example.org/account/sign-in/")
    assert not header_faults(plain)
    assert "Strict-Transport-Security" not in plain.headers  # it would mean nothing there


# --- H4: forms ----------------------------------------------------------------------------------


def token_of(client: Client, name: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(reverse(name)).text)
    assert found
    return found[1]


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["", "enterprise"])
def test_no_address_takes_a_form_without_its_token_or_from_another_site(
    role: str, sign_in: Callable[[str], Client]
) -> None:
    client = sign_in(BY_ROLE[role]) if role else Client()
    client.handler.enforce_csrf_checks = True
    token = token_of(client, "home" if role else "communities:card_check")
    given = {"csrfmiddlewaretoken": token, "number": "1"}
    known = some_objects()
    wrong = set()
    for route in routes():
        path = route.address(known)
        answers = {
            "no token": client.post(path, {}),
            "foreign": client.post(path, given, headers={"origin": "https://evil.example"}),
            "put": client.put(path, b""),
        }
        wrong |= {(route.name, kind) for kind, a in answers.items() if a.status_code != 403}
        wrong |= {(route.name, kind) for kind, a in answers.items() if "页面已过期" not in a.text}
    assert not wrong
    form = reverse("communities:card_check")
    refused = [
        client.post(form, {"csrfmiddlewaretoken": "a" * 64, "number": "1"}),
        client.post(form, given, headers={"origin": "null"}),
        client.post(form, given, headers={"origin": "https://testserver"}),
        client.post(form, given, headers={"origin": "http://testserver:81"}),
        client.post(form, given, headers={"origin": "http://testserver.evil.example"}),
        client.post(form, given, secure=True),  # neither origin nor referrer
        client.post(form, given, secure=True, headers={"referer": "https://evil.example/"}),
        client.delete(form),
        client.patch(form, b""),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    # The right form from our own page passes, or the table above proves nothing.
    right = client.post(form, given, headers={"origin": "http://testserver"})
    assert right.status_code in {200, 422}


# --- H5: where a redirect may lead --------------------------------------------------------------

EVIL = [
    "https://evil.example/", "http://evil.example", "//evil.example/", "///evil.example/",
    "////evil.example", "/\\evil.example", "\\\\evil.example", "\\/evil.example", "/\t/evil.example",
    "/\n/evil.example", "\t//evil.example", " //evil.example", "\x00//evil.example", "https:evil.example",
    "https:/evil.example", "https:///evil.example", "HTTPS://EVIL.EXAMPLE", "javascript:alert(1)",
    "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "http://testserver@evil.example/",
    "http://testserver.evil.example/", "http://evil.example#testserver", "//evil.example\\@testserver",
    "http://evil.example\\testserver", "//evil.example:80", "//[::1]/", "//0x7f.1/", "ftp://testserver/",
    "http:/\\evil.example", "//testserver@evil.example", "http://evil。example/", "/%09/evil.example",
    "https://testserver:81/", "http://testserver:99999/",
]  # fmt: skip


def leads_away(location: str) -> bool:
    """Whether a browser, which drops tabs and line ends and reads \\ as /, would leave our site."""
    read = re.sub(r"[\t\r\n]", "", location).strip("\x00 ").replace("\\", "/")
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", read)
    if scheme and scheme[1].lower() not in {"http", "https"}:
        return True
    if re.match(r"(?i)https?:(?!//)", read):
        return True
    target = urlsplit(urljoin("http://testserver/account/sign-in/", read))
    return target.netloc != "testserver" or read.startswith("//")


def test_the_judge_of_redirects_knows_a_way_out() -> None:
    assert len(EVIL) >= 30
    assert not any(map(leads_away, ["/", "/transfers/?a=1", "http://testserver/x", "/%09/evil"]))
    assert sum(map(leads_away, EVIL)) >= 33  # the others stay here by accident of their spelling


@pytest.mark.django_db
def test_no_redirect_leads_to_another_site(
    sign_in: Callable[[str], Client], people: dict[str, Any]
) -> None:
    user = people["qiye"]
    user.set_password("Zheng-que-de-mi-ma-9")
    user.save()
    inside = sign_in("guanli")
    away = set()
    given = {"username": "qiye", "password": "Zheng-que-de-mi-ma-9"}
    for target in EVIL:
        query = f"?next={quote(target)}"
        path = reverse("sign_in")
        stranger = Client()
        answers = [
            stranger.post(path + query, given | {"next": target}),
            inside.get(path + query),
            inside.get(reverse("prove") + query),  # with a fresh proof it leads on at once
            Client().post(reverse("sign_out") + query, {"next": target}),
            Client().get(quote(target, safe="/\\:@%")),
        ]
        for answer in answers:
            assert answer.status_code < 500
            location = answer.headers.get("Location", "")
            if location and leads_away(location):
                away.add((target, location))
        assert answers[0].status_code == 302
    assert not away


@pytest.mark.django_db
@pytest.mark.parametrize(
    "host",
    ["evil.example", "testserver.evil.example", "testserver@evil.example", "testserver evil", "",
     "testserver:80@evil.example", "127.0.0.1", "[::1]", "testserver/evil", "..", "testserver:x"],
)  # fmt: skip
def test_a_foreign_host_is_refused(host: str) -> None:
    answer = Client(headers={"host": host}).get(reverse("sign_in"))
    assert answer.status_code == 400
    assert "evil" not in answer.content.decode()
    assert not header_faults(answer)


@pytest.mark.django_db
def test_forwarded_names_are_not_believed(sign_in: Callable[[str], Client]) -> None:
    names = {"x-forwarded-host": "evil.example", "x-host": "evil.example", "forwarded": "host=evil"}
    for path in (reverse("sign_in"), reverse("home"), "/nowhere/"):
        answer = sign_in("guanli").get(path, headers=names)
        assert "evil" not in answer.content.decode() + str(answer.headers)
