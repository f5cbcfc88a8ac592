"""Private fields: encrypted at rest, found by a blind index, masked on every page (第十一条).

A stored value reads `v1:aes:<key id>:<base64url of nonce, ciphertext and tag>`. The label of its
column is authenticated with it, so a value moved into another column is refused.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.core.validators import MaxLengthValidator
from django.db import models

if TYPE_CHECKING:
    from collections.abc import Callable

_VERSION, _ALGORITHM, _NONCE = "v1", "aes", 12


class NotReadable(Exception):
    """A stored value that the present keys cannot read, or that was altered or moved."""


# --- keys ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KeyRing:
    """The data keys: one writes, all read; the index key makes blind indexes."""

    active: str
    ciphers: dict[str, AESGCM]
    index_key: bytes

    def purpose_key(self, purpose: str) -> bytes:
        """A key of its own for each purpose, so that equal values differ between purposes."""
        return hmac.digest(self.index_key, f"xianning:{purpose}".encode(), "sha256")


def load_keys(text: str) -> KeyRing:
    """Read the key document. Raises ImproperlyConfigured when it is not usable."""
    try:
        document = json.loads(text)
        keys = {kid: base64.b64decode(key, validate=True) for kid, key in document["keys"].items()}
        index, active = base64.b64decode(document["index"], validate=True), document["active"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ImproperlyConfigured("FIELD_KEYS 不是有效的密钥文档（见 README 设置一节）。") from None
    if active not in keys or any(len(key) != 32 for key in [*keys.values(), index]):
        raise ImproperlyConfigured("FIELD_KEYS 中的密钥须为 32 字节，active 须是其中之一。")
    if any(not kid.isalnum() for kid in keys):
        raise ImproperlyConfigured("FIELD_KEYS 的密钥编号只能用字母和数字。")
    return KeyRing(active, {kid: AESGCM(key) for kid, key in keys.items()}, index)


def new_keys() -> str:
    """A key document with fresh random keys."""
    key, index = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
    return json.dumps({"active": "k1", "keys": {"k1": key}, "index": index})


_cached_ring = lru_cache(maxsize=4)(load_keys)
_cached_purpose = lru_cache(maxsize=64)(
    lambda text, purpose: hmac.new(_cached_ring(text).purpose_key(purpose), digestmod="sha256")
)


def keys() -> KeyRing:
    """The ring of the present settings."""
    return _cached_ring(settings.PRIVACY_KEYS)


# --- sealing ------------------------------------------------------------------------------------


def seal(text: str, label: str) -> str:
    """TEXT encrypted for the place LABEL."""
    ring = keys()
    nonce = secrets.token_bytes(_NONCE)
    sealed = nonce + ring.ciphers[ring.active].encrypt(nonce, text.encode(), label.encode())
    body = base64.urlsafe_b64encode(sealed).decode().rstrip("=")
    return f"{_VERSION}:{_ALGORITHM}:{ring.active}:{body}"


def unseal(stored: str, label: str) -> str:
    """The text that `seal` hid for LABEL. Raises NotReadable, which never tells the value."""
    try:
        version, algorithm, kid, body = stored.split(":")
        if (version, algorithm) != (_VERSION, _ALGORITHM):
            raise ValueError
        sealed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        cipher = keys().ciphers[kid]
        return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], label.encode()).decode()
    except (ValueError, KeyError, InvalidTag):
        raise NotReadable(f"{label}: 数据无法解密。") from None


def seal_bytes(data: bytes, label: str) -> bytes:
    """DATA (a file) encrypted for the place LABEL."""
    ring = keys()
    nonce = secrets.token_bytes(_NONCE)
    head = f"{_VERSION}:{_ALGORITHM}:{ring.active}:".encode()
    return head + nonce + ring.ciphers[ring.active].encrypt(nonce, data, label.encode())


def unseal_bytes(stored: bytes, label: str) -> bytes:
    """The file that `seal_bytes` hid for LABEL. Raises NotReadable."""
    try:
        version, algorithm, kid, body = stored.split(b":", 3)
        if (version, algorithm) != (_VERSION.encode(), _ALGORITHM.encode()):
            raise ValueError
        cipher = keys().ciphers[kid.decode()]
        return cipher.decrypt(body[:_NONCE], body[_NONCE:], label.encode())
    except (ValueError, KeyError, InvalidTag):
        raise NotReadable(f"{label}: 文件无法解密。") from None


def blind_index(value: str, purpose: str) -> str:
    """Keyed digest (64 hex characters) by which an encrypted value is found again exactly."""
    mac = _cached_purpose(settings.PRIVACY_KEYS, purpose).copy()
    mac.update(value.encode())
    return mac.hexdigest()


_CHECK = "xianning"


def make_key_check() -> str:
    """A text that only the present keys can vouch for (kept in Installation.key_check)."""
    return seal(blind_index(_CHECK, "key-check"), "key-check")


def key_check_fits(text: str) -> bool:
    """Whether the present keys are those that made TEXT, data key and index key both."""
    try:
        return hmac.compare_digest(unseal(text, "key-check"), blind_index(_CHECK, "key-check"))
    except NotReadable:
        return False


def fingerprint_of_keys() -> str:
    """Eight characters that name the present key ring without telling it."""
    return hashlib.sha256(settings.PRIVACY_KEYS.encode()).hexdigest()[:8]


# --- fields -------------------------------------------------------------------------------------


class EncryptedTextField(models.TextField):
    """Text that is encrypted in the database and plain in Python; empty stays empty."""

    def __init__(self, *args: Any, label: str = "", **kwargs: Any) -> None:
        self.label = label
        super().__init__(*args, **kwargs)
        if self.max_length is not None:
            self.validators.append(MaxLengthValidator(self.max_length))

    def contribute_to_class(self, cls: Any, name: str, *args: Any, **kwargs: Any) -> None:
        super().contribute_to_class(cls, name, *args, **kwargs)
        # A history table copies the field and keeps the label of the original column.
        if not self.label:
            self.label = f"{cls._meta.label_lower}.{name}"

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        if self.label:
            kwargs["label"] = self.label
        return name, path, args, kwargs

    def from_db_value(self, value: str | None, *_: Any) -> Any:
        return value if value in (None, "") else self.read(unseal(str(value), self.label))

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if hasattr(value, "as_sql"):
            raise FieldError(f"{self.label} 是加密字段，不能用表达式写入。")
        text = self.write(value)
        return text if text in (None, "") else seal(str(text), self.label)

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name not in ("isnull", "exact"):
            raise FieldError(f"{self.label} 是加密字段，不能按 {lookup_name} 查询。")
        return super().get_lookup(lookup_name)

    def get_prep_value(self, value: Any) -> Any:
        if value not in (None, ""):
            raise FieldError(f"{self.label} 是加密字段，只能按空值查询；请用盲索引。")
        return value

    def read(self, text: str) -> Any:
        return text

    def write(self, value: Any) -> str | None:
        return None if value is None else str(value)


class EncryptedJSONField(EncryptedTextField):
    """A list or dict of plain values, encrypted as JSON."""

    def read(self, text: str) -> Any:
        return json.loads(text)

    def write(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False)

    def from_db_value(self, value: str | None, *_: Any) -> Any:
        return self.get_default() if value in (None, "") else super().from_db_value(value)

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: Any) -> str:
        return json.dumps(self.value_from_object(obj), ensure_ascii=False)


class BlindIndexField(models.CharField):
    """Holds `blind_index(value, purpose)` of another column."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 64)
        super().__init__(*args, **kwargs)


# --- masks --------------------------------------------------------------------------------------


def _mask_id(value: str) -> str:
    # First six and last four would leave one candidate beside the birth date; one and one leave
    # more than a thousand.
    return f"{value[0]}{'*' * (len(value) - 2)}{value[-1]}" if len(value) > 2 else "*" * len(value)


def _mask_phone(value: str) -> str:
    return f"{value[0]}{'*' * 9}{value[-1]}"


_MASKS: dict[str, Callable[[str], str]] = {
    "id": _mask_id,
    "phone": _mask_phone,
    "address": lambda _value: "已登记",
    "text": lambda _value: "已登记",
    "hidden": lambda _value: "",
}


def mask(value: str, kind: str) -> str:
    """VALUE as everybody may see it; kinds are `id`, `phone`, `address`, `text`, `hidden`."""
    if not value:
        return "" if kind == "hidden" else "未登记"
    return _MASKS[kind](str(value))


# --- declarations -------------------------------------------------------------------------------


def private_fields(model: type[models.Model]) -> dict[str, str]:
    """Field → mask kind of the private fields that MODEL declares."""
    return dict(getattr(getattr(model, "Privacy", None), "private", {}))


def undeclared_fields(model: type[models.Model]) -> set[str]:
    """Fields of MODEL that its Privacy class names neither as private nor as open."""
    declared = private_fields(model).keys() | set(getattr(model.Privacy, "open", ()))  # type: ignore[attr-defined]
    return {f.name for f in model._meta.fields if f.name != "id"} - declared
