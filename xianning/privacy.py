"""Private values: encrypted fields, blind indexes, masks, and who declares what (第十一条).

A sealed text reads ``v1:aes:<kid>:<base64url of nonce, ciphertext and tag>``. The version names
what the value is bound to: in ``v1`` the header and the label of the place (``app.Model.field``,
a file's name, a purpose), so that nobody can move a value to another place and have it read there.
Binding to the row as well becomes a ``v2`` beside it; old values stay readable, each names its own.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import re
import secrets
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django import forms
from django.conf import settings
from django.core import checks
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.fields.mixins import CheckFieldDefaultMixin
from django.db.models.lookups import Exact, Lookup

from xianning import standards

if TYPE_CHECKING:
    from collections.abc import Callable

_VERSION = "v1"
_ALGORITHM = "aes"  # of new values; each stored value names the one it was written with
_KID = re.compile(r"[A-Za-z0-9_-]{1,16}")
_HEAD = re.compile(rb"v1:([a-z0-9]{1,8}):([A-Za-z0-9_-]{1,16}):")
_KEY_BYTES = 32
_NONCE_BYTES = 12
# Texts are filled up to a multiple of this, so that the length does not tell "1" from "10".
_BLOCK_BYTES = 32


class NotReadable(Exception):
    """A sealed value was altered, belongs elsewhere, or its key is not in the ring.

    Carries the label of the place and the key's id, never anything of the value.
    """

    def __init__(self, label: str, kid: str) -> None:
        super().__init__(f"{label} 的内容无法解密（密钥编号 {kid}）：内容被改动，或数据密钥不符。")
        self.label = label
        self.kid = kid


# --- keys -----------------------------------------------------------------------------------------


class Provider(Protocol):
    """Authenticated encryption with one key. `decrypt` raises InvalidTag or ValueError."""

    def encrypt(self, data: bytes, associated: bytes) -> bytes: ...

    def decrypt(self, data: bytes, associated: bytes) -> bytes: ...


class AesGcm:
    """AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce in front of the ciphertext."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)  # kept: making one costs more than using it

    def encrypt(self, data: bytes, associated: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, data, associated)

    def decrypt(self, data: bytes, associated: bytes) -> bytes:
        return self._aead.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], associated)


PROVIDERS: dict[str, Callable[[bytes], Provider]] = {"aes": AesGcm}


class Keys:
    """The ring of data keys: one writes, all read; and the key of the blind indexes."""

    def __init__(self, active: str, data: dict[str, bytes], index: bytes) -> None:
        self.active = active
        self._index = index
        self._providers = {
            (name, kid): make(key) for name, make in PROVIDERS.items() for kid, key in data.items()
        }
        self._purposes: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"<Keys active={self.active}>"

    def provider(self, algorithm: str, kid: str) -> Provider:
        """Raises KeyError when the ring has no such algorithm or key."""
        return self._providers[algorithm, kid]

    def index_key(self, purpose: str) -> bytes:
        """The key of one purpose, derived from the index key: purposes cannot be compared."""
        key = self._purposes.get(purpose)
        if key is None:
            key = hmac.digest(self._index, b"blind index of " + purpose.encode(), "sha256")
            self._purposes[purpose] = key
        return key


@lru_cache(maxsize=8)
def load_keys(text: str) -> Keys:
    """Read ``{"active": "k1", "keys": {"k1": "<base64>"}, "index": "<base64>"}``.

    Every key is 32 bytes in base64. Raises ImproperlyConfigured with a sentence without the keys.
    """
    if not text.strip():
        raise ImproperlyConfigured("没有数据密钥：请设置 FIELD_KEYS 或 FIELD_KEYS_FILE。")
    try:
        document = json.loads(text)
        active, encoded, index = document["active"], dict(document["keys"]), document["index"]
    except (ValueError, KeyError, TypeError):
        raise ImproperlyConfigured(
            "FIELD_KEYS 应为 JSON：active（密钥编号）、keys（编号与密钥）、index（索引密钥）。"
        ) from None
    data = {kid: _decode_key(value, kid) for kid, value in encoded.items()}
    index_key = _decode_key(index, "index")
    if not isinstance(active, str) or active not in data:
        raise ImproperlyConfigured("FIELD_KEYS 的 active 不在 keys 之中。")
    if len({*data.values(), index_key}) != len(data) + 1:
        raise ImproperlyConfigured("FIELD_KEYS 中有相同的密钥：每个编号和索引各用一个密钥。")
    return Keys(active, data, index_key)


def _decode_key(encoded: Any, kid: str) -> bytes:
    if not _KID.fullmatch(kid):
        raise ImproperlyConfigured("FIELD_KEYS 的密钥编号只能是 1 至 16 个字母、数字、- 或 _。")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (ValueError, TypeError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise ImproperlyConfigured(f"FIELD_KEYS 中 {kid} 的密钥不是 32 字节的 base64。")
    return key


def keys() -> Keys:
    """The ring of the present settings; a changed setting gives a new ring."""
    return load_keys(settings.PRIVACY_KEYS)


def new_keys() -> str:
    """A fresh document for `load_keys`: one data key and the index key."""
    data, index = (base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode() for _ in range(2))
    return json.dumps({"active": "k1", "keys": {"k1": data}, "index": index})


# --- sealing --------------------------------------------------------------------------------------


def seal_bytes(data: bytes, label: str) -> bytes:
    """Encrypt DATA with the active key for the place LABEL; the length stays visible."""
    ring = keys()
    head = f"{_VERSION}:{_ALGORITHM}:{ring.active}:".encode()
    return head + ring.provider(_ALGORITHM, ring.active).encrypt(data, head + label.encode())


def unseal_bytes(sealed: bytes, label: str) -> bytes:
    """What `seal_bytes` was given. Raises NotReadable."""
    match = _HEAD.match(sealed)
    if match is None:
        raise NotReadable(label, "未知")
    algorithm, kid = match[1].decode(), match[2].decode()
    try:
        return (
            keys()
            .provider(algorithm, kid)
            .decrypt(sealed[match.end() :], match[0] + label.encode())
        )
    except (KeyError, InvalidTag, ValueError):
        raise NotReadable(label, kid) from None


def seal(text: str, label: str) -> str:
    """Encrypt TEXT for the place LABEL; the result is ASCII and fit for a URL."""
    data = text.encode() + b"\x80"
    sealed = seal_bytes(data + bytes(-len(data) % _BLOCK_BYTES), label)
    end = _end_of_head(sealed)
    return (sealed[:end] + base64.urlsafe_b64encode(sealed[end:]).rstrip(b"=")).decode()


def unseal(sealed: str, label: str) -> str:
    """What `seal` was given. Raises NotReadable."""
    ascii_text = sealed.encode("ascii", "replace")
    end = _end_of_head(ascii_text)
    head, body = ascii_text[:end], ascii_text[end:]
    try:
        raw = base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4))
    except binascii.Error:
        raw = b""
    # The decoder skips strange characters and spare bits: only one spelling of a value is accepted.
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != body:
        raw = b""
    return unseal_bytes(head + raw, label).rstrip(b"\0")[:-1].decode()


def _end_of_head(sealed: bytes) -> int:
    match = _HEAD.match(sealed)
    return match.end() if match else 0


def blind_index(value: str, purpose: str) -> str:
    """HMAC-SHA256 of VALUE in 64 hexadecimal digits, with a key of its own for each PURPOSE.

    Finds equal values only; give the standard spelling. Never for yes/no or other small ranges:
    there equal values tell what they are.
    """
    return hmac.digest(keys().index_key(purpose), value.encode(), "sha256").hex()


_CHECK = "key check"


def make_key_check() -> str:
    """A text to store in a new database, by which `key_check_fits` knows its keys again.

    After a rotation write a new one before the old data key leaves the ring.
    """
    return f"{seal(_CHECK, _CHECK)} {blind_index(_CHECK, _CHECK)}"


def key_check_fits(text: str) -> bool:
    """Whether the present ring reads the check and gives the same blind index."""
    sealed, _, index = text.partition(" ")
    try:
        readable = unseal(sealed, _CHECK) == _CHECK
    except NotReadable:
        return False
    return readable and hmac.compare_digest(index.encode(), blind_index(_CHECK, _CHECK).encode())


# --- fields ---------------------------------------------------------------------------------------


class _NoLookup(Lookup):
    """Stands for every comparison that the database cannot make on sealed values."""

    def __init__(self, lhs: Any, rhs: Any) -> None:
        raise FieldError(
            f"{lhs.output_field}：不支持 {self.lookup_name} 查询。加密字段只能查是否为空，"
            "盲索引只能查是否相等；请用 blind_index() 的结果查 BlindIndexField。"
        )


@lru_cache
def _refuse(name: str) -> type[Lookup]:
    """A class and not an exception, because tools ask for lookups that nobody runs."""
    return type("NoLookup", (_NoLookup,), {"lookup_name": name})


class _ExactlyEmpty(Exact):
    """``field=""`` is the one comparison an encrypted text allows: empty is stored as empty."""

    def get_prep_lookup(self) -> Any:
        if self.rhs is None or self.rhs == "":  # None becomes isnull
            return self.rhs
        return _refuse("exact")(self.lhs, self.rhs)


class EncryptedField(models.TextField):
    """What the encrypted fields share: the label they seal with, and what they refuse.

    LABEL is ``app.Model.field`` of the model that declares the field. A historical copy keeps the
    label of its original. Whoever renames a model or field gives the old one: ``label="..."``.
    """

    non_db_attrs = (*models.TextField.non_db_attrs, "label", "max_length")

    def __init__(self, *args: Any, label: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label = label

    def contribute_to_class(
        self, cls: type[models.Model], name: str, private_only: bool = False
    ) -> None:
        super().contribute_to_class(cls, name, private_only)
        if self.label is None and not cls._meta.abstract:
            self.label = f"{cls._meta.label}.{name}"

    def deconstruct(self) -> Any:
        """A label of another place (history, rename) goes into the migration; keys never do."""
        name, path, args, kwargs = super().deconstruct()
        model = getattr(self, "model", None)
        if self.label is not None and (
            model is None or self.label != f"{model._meta.label}.{name}"
        ):
            kwargs["label"] = self.label
        return name, path, args, kwargs

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        found = super().check(**kwargs)
        if self.unique or getattr(self, "db_index", False):
            text = "加密字段不能设唯一或索引，请另设盲索引（BlindIndexField）。"
            found.append(checks.Error(text, obj=self, id="xianning.E010"))
        return found

    def get_lookup(self, lookup_name: str) -> Any:
        """Only isnull; the others raise FieldError when a query uses them."""
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else _refuse(lookup_name)

    def value_to_string(self, obj: models.Model) -> str:
        """Serializers write files in plain text, so they get nothing. Raises FieldError."""
        raise FieldError(f"{self}：加密字段不能用 dumpdata 导出，请备份数据库。")

    def _seal(self, text: str) -> str:
        assert self.label is not None, "an encrypted field works on a model only"
        return seal(text, self.label)

    def _unseal(self, sealed: str) -> str:
        assert self.label is not None, "an encrypted field works on a model only"
        return unseal(sealed, self.label)


class EncryptedTextField(EncryptedField):
    """Text that the database sees encrypted only; an empty text is stored as empty.

    ``max_length`` bounds the plain text, in characters, and makes the form field a single line.
    Reading raises NotReadable when the stored value was altered or belongs elsewhere.
    """

    description = "加密文本"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.max_length is not None:
            self.validators.append(MaxLengthValidator(self.max_length))

    def get_lookup(self, lookup_name: str) -> Any:
        return _ExactlyEmpty if lookup_name == "exact" else super().get_lookup(lookup_name)

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return self._seal(text) if text else text

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return self._unseal(value) if value else value

    def formfield(self, **kwargs: Any) -> Any:
        if self.max_length is not None and self.choices is None:
            kwargs.setdefault("widget", forms.TextInput)
        return super().formfield(**kwargs)


class EncryptedJSONField(CheckFieldDefaultMixin, EncryptedField):
    """A list or dict, stored as encrypted JSON text; an empty one is encrypted too.

    Reading raises NotReadable when the stored value was altered or belongs elsewhere.
    """

    description = "加密的 JSON"
    empty_strings_allowed = False
    _default_hint = ("list", "[]")

    def to_python(self, value: Any) -> Any:
        return value

    def get_prep_value(self, value: Any) -> str | None:
        if value is None:
            return None
        return self._seal(json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return None if value is None else json.loads(self._unseal(value))

    def formfield(self, **kwargs: Any) -> Any:
        # Not TextField's form field: the value is a list or dict.
        return models.Field.formfield(self, **{"form_class": forms.JSONField, **kwargs})


class BlindIndexField(models.CharField):
    """A `blind_index` beside an encrypted field. Anything else is refused, so is half a value."""

    description = "盲索引"
    _SHAPE = re.compile(r"[0-9a-f]{64}")
    _LOOKUPS = frozenset({"exact", "in", "isnull"})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_length"] = 64
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_length"]
        return name, path, args, kwargs

    def get_lookup(self, lookup_name: str) -> Any:
        """Equality only; the others raise FieldError when a query uses them."""
        known = lookup_name in self._LOOKUPS
        return super().get_lookup(lookup_name) if known else _refuse(lookup_name)

    def get_prep_value(self, value: Any) -> Any:
        """Raises ValueError (without the value) for text that is no blind index."""
        text = super().get_prep_value(value)
        if text and not self._SHAPE.fullmatch(text):
            raise ValueError(f"{self}：盲索引只能存放 blind_index() 的结果。")
        return text


# --- masks ----------------------------------------------------------------------------------------

REGISTERED, NOT_REGISTERED, NOT_SHOWN = "已登记", "未登记", "不显示"
_MOBILE = re.compile("1[3-9][0-9]{9}")


def _mask_phone(number: str) -> str:
    """Only of a single mobile number the last two digits.

    They let a clerk recognise a number, and leave some 10^4 numbers even to somebody who knows the
    prefixes sold in the city. The usual first three and last four leave a few dozen. A landline's
    last two leave about a hundred, because the exchange follows from the address: it shows nothing.
    """
    return f"{'*' * 9}{number[-2:]}" if _MOBILE.fullmatch(number) else REGISTERED


def _mask_text(_text: str) -> str:
    """Nothing: a part of an address, a diagnosis or a name of kin is already the fact."""
    return REGISTERED


_MASKS: dict[str, Callable[[str], str]] = {
    # First and last character: with the birth date beside it, any more leaves too few numbers.
    "id": standards.mask_id,
    "phone": _mask_phone,
    "address": _mask_text,
    "text": _mask_text,
}


def mask(value: str, kind: str) -> str:
    """What of a private VALUE may be shown without a reason on record.

    KIND is ``id``, ``phone``, ``address``, ``text`` (已登记 or 未登记 only) or ``hidden`` (not even
    whether there is one). Raises KeyError for another kind. Names of retirees are open: without
    them an office cannot work, so there is no mask for them.
    """
    if kind == "hidden":
        return NOT_SHOWN
    show = _MASKS[kind]
    return show(value) if value else NOT_REGISTERED


# --- declarations ---------------------------------------------------------------------------------


def _declarations(model: type[models.Model]) -> tuple[dict[str, str], set[str]]:
    """The ``class Privacy`` of a model; a historical model answers with its original's."""
    declared = getattr(getattr(model, "instance_type", model), "Privacy", None)
    return dict(getattr(declared, "private", {})), set(getattr(declared, "open", ()))


def private_fields(model: type[models.Model]) -> dict[str, str]:
    """Private field → kind of mask, as the model (or the original of a history) declares."""
    return _declarations(model)[0]


def undeclared_fields(model: type[models.Model]) -> set[str]:
    """Columns not declared either private or open: in neither, in both, or encrypted yet open.

    Left out are keys without meaning (automatic and UUID) and the columns a history adds itself.
    """
    private, open_fields = _declarations(model)
    original = getattr(model, "instance_type", model)
    columns = {
        field.name
        for field in original._meta.concrete_fields
        if not (field.primary_key and isinstance(field, (models.AutoField, models.UUIDField)))
    }
    encrypted = {f.name for f in original._meta.concrete_fields if isinstance(f, EncryptedField)}
    return columns - (private.keys() ^ open_fields) | (encrypted - private.keys())
