"""What must be true before the first request: system checks, groups, and the right data keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from xianning import access, privacy, triggers
from xianning.accounts import networks
from xianning.models import AccessLog, Installation
from xianning.register import gaps, level_of, our_models
from xianning.roles import LEVELS, RIGHTS, ROLES
from xianning.uploads import scanner


def url_names(resolver: URLResolver | None = None, namespace: str = "") -> list[str]:
    """Every URL name of the project, with its namespace."""
    names: list[str] = []
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLPattern):
            names.append(f"{namespace}{entry.name}")
        else:
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            names += url_names(entry, inner)
    return names


def every_url_declares_who(**_: Any) -> Sequence[CheckMessage]:
    """A URL without an entry in the access registry, or an entry without a URL, is an error."""
    names = set(url_names())
    return [
        Error(f"URL {name} 在 xianning/access.py 的 REGISTRY 中没有登记。", id="xianning.E001")
        for name in sorted(names - access.REGISTRY.keys())
    ] + [
        Error(f"REGISTRY 中的 {name} 没有对应的 URL。", id="xianning.E002")
        for name in sorted(access.REGISTRY.keys() - names)
    ]


def every_field_is_classified(**_: Any) -> Sequence[CheckMessage]:
    """A model or field of ours that is missing in the register is an error (第十一条)."""
    return [Error(f"隐私声明不全：{gap}。", id="xianning.E003") for gap in gaps()]


_NOT_OF_PEOPLE = {"staff", "office", "public"}  # values of Privacy.about


def no_role_reads_above_its_label(**_: Any) -> Sequence[CheckMessage]:
    """A role that would be shown a field whose label is above its own is an error (等保 CES-11)."""
    return [
        Error(f"{ROLES[slug].name}不得查看 {field}：字段的级别高于其权限级别。", id="xianning.E005")
        for field, level, readers in labelled_fields()
        for slug in sorted(readers)
        if LEVELS.index(level) > LEVELS.index(ROLES[slug].clearance)
    ]


def labelled_fields() -> list[tuple[str, str, set[str]]]:
    """Each declared field with its label and the roles that may ever read it, masked or whole.

    What concerns people and their cases is read by the roles that see cases; masked values whole
    by those that may reveal; the rest is read by anybody who signs in, and `hidden` by nobody.
    """
    found = []
    for model in our_models():
        declared: Any = model.Privacy  # type: ignore[attr-defined]
        for name in sorted({*declared.private, *declared.open}):
            readers = {s for s, r in ROLES.items() if r.sees or declared.about in _NOT_OF_PEOPLE}
            if declared.private.get(name) == "hidden" or declared.about == "system":
                readers = set()
            elif name in declared.private:
                readers = {slug for slug in readers if "reveal_private" in ROLES[slug].rights}
            found.append((f"{model._meta.label}.{name}", level_of(model, name), readers))
    return found


_LOCAL = {"127.0.0.1", "localhost", "[::1]"}


def wrong_settings() -> list[str]:
    """Why these settings must not serve anybody, as sentences; none when they may.

    The tests run with settings of their own, so nothing is asked of them.
    """
    if settings.TESTING:
        return []
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:  # Django's way of saying that it is empty
        key = ""
    hosts, origins = set(settings.ALLOWED_HOSTS), settings.CSRF_TRUSTED_ORIGINS
    secrets = [key, *settings.SECRET_KEY_FALLBACKS]
    here = settings.DEMO or settings.DEBUG  # for one machine, without TLS
    facts = [
        (
            not (key and settings.PRIVACY_KEYS),
            "缺少 SECRET_KEY 或 FIELD_KEYS（见 README 设置一节）。",
        ),
        (
            key and not here and any(map(_is_weak, secrets)),
            "SECRET_KEY 或 SECRET_KEY_FALLBACKS 太弱：每个应为至少 50 个字符的随机串。",
        ),
        (not hosts, "缺少 ALLOWED_HOSTS：请写明本系统的域名。"),
        (
            any(host == "*" or host.startswith(".") for host in hosts),
            "ALLOWED_HOSTS 不能含 * 或以点开头：请逐个写明本系统的域名。",
        ),
        (
            settings.DEBUG and hosts - _LOCAL,
            "DEBUG 会把内部信息显示给来访者，只能在本机（127.0.0.1、localhost）使用。",
        ),
        (settings.DEBUG and settings.SECURE, "DEBUG 不能与 SECURE 同时打开。"),
        (not (settings.SECURE or here), "正式使用时不能关闭 SECURE：登录信息会明文传输。"),
        (
            settings.SECURE and any("*" in o or not o.startswith("https://") for o in origins),
            "CSRF_TRUSTED_ORIGINS 只能是写明域名的 https:// 地址。",
        ),
    ]
    told = [sentence for wrong, sentence in facts if wrong]
    told += [problem for problem in (scanner.problem(), networks.problem()) if problem]
    return [*told, *_wrong_field_keys(), *_switched_off_audit()]


def _switched_off_audit() -> list[str]:
    """Settings that would leave deeds without a trace (等保 L3-CES1-15)."""
    facts = [
        (
            not getattr(settings, "SIMPLE_HISTORY_ENABLED", True),
            "SIMPLE_HISTORY_ENABLED 不能关闭：更改须留痕。",
        ),
        (
            "xianning.audit.AuditMiddleware" not in settings.MIDDLEWARE,
            "MIDDLEWARE 中缺少 xianning.audit.AuditMiddleware：访问须留痕。",
        ),
        (
            settings.AUDIT_DAYS < triggers.LEAST_DAYS,
            f"AUDIT_DAYS 不能少于 {triggers.LEAST_DAYS} 天。",
        ),
    ]
    return [sentence for wrong, sentence in facts if wrong]


def _is_weak(secret: str) -> bool:
    return len(secret) < 50 or len(set(secret)) < 5 or "insecure" in secret


def _wrong_field_keys() -> list[str]:
    """Why FIELD_KEYS cannot be read; an empty one is told of with the others."""
    try:
        privacy.load_keys(settings.PRIVACY_KEYS or privacy.new_keys())
    except ImproperlyConfigured as problem:
        return [str(problem)]
    return []


def settings_are_safe(**_: Any) -> Sequence[CheckMessage]:
    return [Error(sentence, id="xianning.E004") for sentence in wrong_settings()]


def settings_are_wise(**_: Any) -> Sequence[CheckMessage]:
    """What may be, but should not stay: a database on another machine without TLS."""
    if not settings.DATABASE_PLAINTEXT:
        return []
    sentence = (
        "DATABASE_PLAINTEXT 允许不加密地连接数据库：个人信息在网络上明文传输，请尽快改用 TLS。"
    )
    return [Warning(sentence, id="xianning.W001")]


def register_all() -> None:
    register(every_url_declares_who, Tags.urls)
    register(every_field_is_classified, Tags.models)
    register(no_role_reads_above_its_label, Tags.models)
    register(settings_are_safe, Tags.security)
    register(settings_are_wise, Tags.security)


def write_groups(**_: Any) -> None:
    """One group a role, holding the rights of its row (after every migrate)."""
    content_type = apps.get_model("contenttypes", "ContentType").objects.get_for_model(AccessLog)
    rights = {
        code: Permission.objects.update_or_create(
            content_type=content_type, codename=code, defaults={"name": text}
        )[0]
        for code, text in RIGHTS.items()
    }
    for role in ROLES.values():
        group, _made = Group.objects.get_or_create(name=role.slug)
        group.permissions.set(rights[code] for code in role.rights)


def require_right_keys() -> None:
    """Refuse to start when the data keys are not those this database was written with.

    Raises ImproperlyConfigured. An empty database is marked with the present keys by `install`.
    """
    row = Installation.objects.first()
    if row is not None and not privacy.key_check_fits(row.key_check):
        raise ImproperlyConfigured("FIELD_KEYS 与此数据库不符：请使用建库时的数据密钥。")


def require_triggers() -> None:
    """Refuse to start when the database would let the audit be changed. ImproperlyConfigured."""
    if lost := triggers.missing():
        names = "、".join(lost)
        raise ImproperlyConfigured(f"数据库缺少触发器 {names}：请运行 manage.py migrate。")


def require_right_start() -> None:
    """What the web server needs: safe settings, the right keys, a database of the right kind.

    A server started without `manage.py` runs no system checks, so their sentences are raised here.
    """
    if problems := wrong_settings():
        raise ImproperlyConfigured("".join(problems))
    require_right_keys()
    require_triggers()
    is_demo = Installation.objects.get_demo_state()
    if is_demo is not None and is_demo != settings.DEMO:
        raise ImproperlyConfigured(WRONG_KIND[settings.DEMO])
    if settings.DEBUG and is_demo is False:
        raise ImproperlyConfigured("正式数据库不能以 DEBUG 方式启动。")


WRONG_KIND = {
    True: "这是正式数据库，不能以演示方式启动。",
    False: "这是演示数据库，不能作正式使用。",
}


def install(*, demo: bool) -> Installation:
    """Mark an empty database as demo or real, or refuse when it is of the other kind."""
    row = Installation.objects.first()
    if row is None:
        return Installation.objects.create(is_demo=demo, key_check=privacy.make_key_check())
    if row.is_demo != demo:
        raise ImproperlyConfigured(WRONG_KIND[demo])
    require_right_keys()
    return row
