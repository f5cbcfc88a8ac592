"""The only settings. Every deployment choice is an environment variable, listed in README.md."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


def env(name: str, default: str = "") -> str:
    """The variable NAME, or the content of the file that NAME_FILE names, or the default."""
    file_name = os.environ.get(f"{name}_FILE")
    if file_name:
        try:
            return Path(file_name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as problem:
            raise ImproperlyConfigured(
                f"设置 {name}_FILE 所指的文件读不出来（{type(problem).__name__}）。"
            ) from None
    return os.environ.get(name, default)


def env_bool(name: str, default: bool = False) -> bool:
    return env(name, "1" if default else "0").lower() in {"1", "true", "yes", "on"}


def env_int(name: str, default: int) -> int:
    text = env(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ImproperlyConfigured(f"设置 {name} 应为整数。")
    return int(text)


def env_list(name: str) -> list[str]:
    return [part.strip() for part in env(name).split(",") if part.strip()]


TESTING = "pytest" in sys.modules
DEBUG = env_bool("DEBUG")
DEMO = env_bool("DEMO")
# Behind TLS: secure cookies, HSTS. The demo on plain http://127.0.0.1 is the reason it can be off.
SECURE = env_bool("SECURE", default=not (DEMO or TESTING or DEBUG))
VAR_DIR = Path(env("VAR_DIR", str(BASE_DIR / "var")))
MEDIA_ROOT = VAR_DIR / "media"
if TESTING:
    VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

SECRET_KEY = env("SECRET_KEY", "test-only" * 8 if TESTING else "")
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")
# JSON of the data keys (see xianning/privacy.py); the tests use keys of their own.
PRIVACY_KEYS = env("FIELD_KEYS")
if TESTING and not PRIVACY_KEYS:
    PRIVACY_KEYS = (
        '{"active": "t1", "keys": {"t1": "dGVzdHMtb25seS1rZXktbm90LWZvci1hbnktZGF0YTA="},'
        ' "index": "dGVzdHMtb25seS1pbmRleC1rZXktbm8tcmVhbC1kYXQ="}'
    )

# With which algorithm new values are sealed: aes (AES-256-GCM, SHA-256) or sm (SM4-GCM, SM3).
FIELD_ALGORITHM = env("FIELD_ALGORITHM", "aes")
# The virus scanner: unix:/path or tcp:host:port; empty means there is none.
CLAMD = env("CLAMD")
UPLOAD_DAILY_MB = env_int("UPLOAD_DAILY_MB", 2000)  # of one user
UPLOAD_RESERVE_MB = env_int("UPLOAD_RESERVE_MB", 200)  # free space left for the database

ALLOWED_HOSTS = env_list("ALLOWED_HOSTS") or (["127.0.0.1", "localhost"] if DEMO or DEBUG else [])
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "xianning",
    "communities",
    "enterprises",
    "transfers",
    "archives",
    "party",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "guardian",
    "simple_history",
    "axes",
    "django_otp",
    "csp",
    "django_htmx",
    "bootstrap",
    "django_tasks",
    "django_tasks_db",
]

MIDDLEWARE = [
    "xianning.headers.HeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "xianning.accounts.gate.SessionMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "xianning.audit.AuditMiddleware",
    "xianning.access.AccessMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "xianning.urls"
WSGI_APPLICATION = "xianning.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["django.templatetags.static", "xianning.templatetags.ui"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "xianning.context.page",
            ],
        },
    },
]


# Only with this may a database on another machine be reached without TLS (a check warns).
DATABASE_PLAINTEXT = env_bool("DATABASE_PLAINTEXT")


def is_here(host: str) -> bool:
    """Whether HOST (a name, an address, the folder of a socket) is this machine; empty is."""
    return bool(re.fullmatch(r"|localhost|::1|127(\.[0-9]{1,3}){3}|/.*", host))


def database(url: str) -> dict[str, Any]:
    """Django's settings for a DATABASE_URL: `sqlite:///path` or `postgres://user:pw@host/name`.

    The query may hold host, port and libpq's names for TLS. Raises ImproperlyConfigured for
    anything else, and for another machine without `sslmode=verify-full` (ASVS 12.3.1).
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": unquote(parts.path[1:]),
            # Without these, eight writers see "database is locked" in most transactions.
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                if not TESTING
                else "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
            },
            # A file, because threads share it; a name of its own, so that two runs do not meet.
            "TEST": {"NAME": str(VAR_DIR / f"test-{os.getpid()}.sqlite3")},
        }
    if parts.scheme in {"postgres", "postgresql"}:
        query, tls = dict(parse_qsl(parts.query)), ("sslmode", "sslrootcert", "sslcert", "sslkey")
        if unknown := query.keys() - {"host", "port", *tls}:
            names = "、".join(sorted(unknown))
            raise ImproperlyConfigured(f"DATABASE_URL 中的 {names} 不起作用，请去掉。")
        host = query.get("host", unquote(parts.hostname or "")) or os.environ.get("PGHOST", "")
        is_safe = query.get("sslmode") == "verify-full" or all(map(is_here, host.split(",")))
        if not (is_safe or DATABASE_PLAINTEXT):
            raise ImproperlyConfigured(
                "DATABASE_URL 指向另一台机器，须加 ?sslmode=verify-full（并用 sslrootcert= 指明"
                "数据库的根证书）：否则个人信息在网络上明文传输。"
            )
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path[1:]),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": host,
            "PORT": str(parts.port or query.get("port", "")),
            "OPTIONS": {
                "pool": {"min_size": 1, "max_size": env_int("DB_POOL_MAX", 4), "timeout": 10},
                "options": "-c statement_timeout=60000 -c lock_timeout=10000"
                " -c idle_in_transaction_session_timeout=60000",
                **{name: query[name] for name in tls if name in query},
            },
        }
    raise ImproperlyConfigured("DATABASE_URL 只支持 sqlite:// 与 postgres://。")


DATABASES = {"default": database(env("DATABASE_URL", f"sqlite:///{VAR_DIR / 'db.sqlite3'}"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "xianning.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ANONYMOUS_USER_NAME = None  # guardian would make an active account for nobody
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign_in"
if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"xianning.passwords.{name}"}
    for name in ("LengthValidator", "GuessableValidator", "ClassesValidator", "HistoryValidator")
]

# One clerk's typing errors lock that clerk at that address, not the office behind the address.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_TEMPLATE = "lockout.html"
AXES_USERNAME_CALLABLE = "xianning.forms.axes_username"
AXES_CLIENT_IP_CALLABLE = "xianning.access.client_address"
AXES_WHITELIST_CALLABLE = "xianning.accounts.guard.is_known"
AXES_VERBOSE = False
TRUSTED_PROXIES = env_int("TRUSTED_PROXIES", 0)
# From which networks the three administrators work (CIDR, IPv4 or IPv6); empty: from everywhere.
ADMIN_NETWORKS = env_list("ADMIN_NETWORKS")

# Local policy: how personnel files may be sent besides by a named person (courier, ems).
ARCHIVE_MEANS = env_list("ARCHIVE_MEANS")

# The demo has no telephones: there the second factor is offered, not demanded.
SECOND_FACTOR = env_bool("SECOND_FACTOR", default=not DEMO)
OTP_TOTP_ISSUER = "咸宁退休人员移交"
# 等保 mode: character classes, age and repetition of passwords (ASVS 6.2.5 advises against them).
DENGBAO = env_bool("DENGBAO")
SESSION_IDLE = 30 * 60  # seconds; administrators half of it
STEP_UP = 5 * 60  # seconds for which a repeated proof of identity holds
SESSION_LIMIT = 3  # browsers of one user at a time
SESSION_COOKIE_AGE = 12 * 3600  # from signing in, not from the last use
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
if SECURE:
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_NAME = "__Host-csrf"
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SECURE_SSL_REDIRECT = env_bool("SSL_REDIRECT", default=True)
    if env_bool("TRUST_FORWARDED_PROTO"):
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "object-src": [NONE],
    }
}

LANGUAGE_CODE = "zh-hans"
TIME_ZONE = "Asia/Shanghai"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if TESTING or DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_MAX_AGE = 365 * 24 * 3600
WHITENOISE_MANIFEST_STRICT = False
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = TESTING or DEBUG
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
DATA_UPLOAD_MAX_MEMORY_SIZE = 25 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 3000
DATA_UPLOAD_MAX_NUMBER_FILES = 5
# Bounded, and never in the clear below /tmp.
FILE_UPLOAD_HANDLERS = ["xianning.uploads.handlers.BoundedUploadHandler"]
FILE_UPLOAD_TEMP_DIR = None

SIMPLE_HISTORY_HISTORY_ID_USE_UUID = False
SIMPLE_HISTORY_HISTORY_CHANGE_REASON_USE_TEXT_FIELD = True

TASKS = {
    "default": {
        "BACKEND": "django_tasks.backends.immediate.ImmediateBackend"
        if TESTING
        else "django_tasks_db.DatabaseBackend"
    }
}

REVEAL_QUOTA = env_int("REVEAL_QUOTA", 30)  # people an hour before a second proof of identity
EXPORT_ROWS_ALONE = env_int("EXPORT_ROWS_ALONE", 1000)  # beyond: a second person approves
EXPORT_HOURS = 24  # how long a made file may be fetched, once
# How long a finished case keeps its personal data (an office sets what its archive rules say).
RETENTION_YEARS = env_int("RETENTION_YEARS", 10)
AUDIT_DAYS, PROCESSING_DAYS = env_int("AUDIT_DAYS", 400), 3 * 366
AUDIT_ANCHORS = Path(env("AUDIT_ANCHORS", str(VAR_DIR / "anchors")))
JOB_LEASE = env_int("JOB_LEASE", 60)  # seconds

SILENCED_SYSTEM_CHECKS: list[str] = []
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "xianning.logs.Lines",
            "format": "{asctime} {levelname} {name} {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"xianning": {"level": "INFO"}, "axes": {"level": "ERROR"}},
}
