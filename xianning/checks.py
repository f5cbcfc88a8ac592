"""What must be true before the first request: system checks, groups, and the right data keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from xianning import access, privacy
from xianning.models import AccessLog, Installation
from xianning.roles import RIGHTS, ROLES

OUR_APPS = ("xianning", "communities", "enterprises", "transfers", "archives", "party")


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
    """A model of ours whose field is neither private nor open is an error (第十一条)."""
    return [
        Error(f"{model._meta.label} 的字段 {name} 没有声明隐私级别。", id="xianning.E003")
        for app in OUR_APPS
        for model in apps.get_app_config(app).get_models()
        if hasattr(model, "Privacy")
        for name in sorted(privacy.undeclared_fields(model))
    ]


def keys_are_there(**_: Any) -> Sequence[CheckMessage]:
    if settings.PRIVACY_KEYS and settings.SECRET_KEY:
        return []
    return [Error("缺少 SECRET_KEY 或 FIELD_KEYS（见 README 设置一节）。", id="xianning.E004")]


def register_all() -> None:
    register(every_url_declares_who, Tags.urls)
    register(every_field_is_classified, Tags.models)
    register(keys_are_there, Tags.security)


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


def require_right_start() -> None:
    """What the web server needs: the right keys, and no demo beside a real database (or reverse)."""
    require_right_keys()
    is_demo = Installation.objects.get_demo_state()
    if is_demo is not None and is_demo != settings.DEMO:
        raise ImproperlyConfigured(WRONG_KIND[settings.DEMO])


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
