"""Keys, the two providers, sealed texts and bytes, and blind indexes (第十一条).

A sealed text reads ``v2:aes:<kid>:<base64url of nonce, ciphertext and tag>``; sealed bytes have the
same head and then the bytes themselves. The head names what the value was written with: ``aes`` is
AES-256-GCM, ``sm`` is SM4-GCM (GB/T 32907). It also names what the value is bound to:

- ``v1``: the head and the label of the place (a file's random name, a purpose);
- ``v2``: the head, the label (``app.Model.field``) and the row, as ``label#row``.

Nobody can move a value to another place and have it read there. The setting FIELD_ALGORITHM and the
active key of the ring say how new values are written; `manage.py rotate_keys` brings the old ones
along. Fields of the time before ``v2`` stay readable until then; a change of the data key together
with that rotation ends it, because a new key has never sealed a field under ``v1``.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import re
import secrets
from binascii import b2a_base64
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from collections.abc import Callable

_KID = re.compile(r"[A-Za-z0-9_-]{1,16}")
_HEAD = re.compile(rb"(v[12]):([a-z0-9]{1,8}):([A-Za-z0-9_-]{1,16}):")
_KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
# Texts are filled up to a multiple of this, so that the length does not tell "1" from "10".
_BLOCK_BYTES = 32
_FILL = tuple(bytes(length) for length in range(_BLOCK_BYTES))
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class NotReadable(Exception):
    """A sealed value was altered, belongs elsewhere, or its key is not in the ring.

    Carries the label of the place and the key's id, never anything of the value.
    """

    def __init__(self, label: str, kid: str) -> None:
        super().__init__(f"{label} 的内容无法解密（密钥编号 {kid}）：内容被改动，或数据密钥不符。")
        self.label = label
        self.kid = kid


# --- providers ------------------------------------------------------------------------------------


class Provider(Protocol):
    """Authenticated encryption with one key. `decrypt` raises InvalidTag or ValueError.

    A certified module (密码机, SDF or PKCS#11) takes the place of ours by one more entry in
    `PROVIDERS`.
    """

    def encrypt(self, data: bytes, associated: bytes) -> bytes: ...

    def decrypt(self, data: bytes | memoryview, associated: bytes) -> bytes: ...


class AesGcm:
    """AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce in front of the ciphertext."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)  # kept: making one costs more than using it

    def encrypt(self, data: bytes, associated: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, data, associated)

    def decrypt(self, data: bytes | memoryview, associated: bytes) -> bytes:
        return self._aead.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], associated)


class Sm4Gcm:
    """SM4-GCM (GB/T 32907, RFC 8998): random 96-bit nonce, ciphertext, 128-bit tag.

    Its 128-bit key is derived from the 256-bit data key by HKDF with SM3 (RFC 5869).
    """

    def __init__(self, key: bytes) -> None:
        derived = HKDF(hashes.SM3(), 16, salt=None, info=b"xianning sm4-gcm").derive(key)
        self._key = algorithms.SM4(derived)

    def encrypt(self, data: bytes, associated: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        worker = Cipher(self._key, modes.GCM(nonce)).encryptor()
        worker.authenticate_additional_data(associated)
        return nonce + worker.update(data) + worker.finalize() + worker.tag

    def decrypt(self, data: bytes | memoryview, associated: bytes) -> bytes:
        if len(data) < _NONCE_BYTES + _TAG_BYTES:
            raise ValueError("too short for a nonce and a tag")
        nonce, tag = bytes(data[:_NONCE_BYTES]), bytes(data[-_TAG_BYTES:])
        worker = Cipher(self._key, modes.GCM(nonce, tag)).decryptor()
        worker.authenticate_additional_data(associated)
        return worker.update(data[_NONCE_BYTES:-_TAG_BYTES]) + worker.finalize()


def _hmac_sha256(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _hmac_sm3(key: bytes, data: bytes) -> bytes:
    worker = HMAC(key, hashes.SM3())
    worker.update(data)
    return worker.finalize()


PROVIDERS: dict[str, Callable[[bytes], Provider]] = {"aes": AesGcm, "sm": Sm4Gcm}
# The keyed digest that goes with each: both give 256 bits.
DIGESTS: dict[str, Callable[[bytes, bytes], bytes]] = {"aes": _hmac_sha256, "sm": _hmac_sm3}


def algorithm() -> str:
    """What new values are written with. Raises ImproperlyConfigured for an unknown setting."""
    name = getattr(settings, "FIELD_ALGORITHM", "aes")
    if name not in PROVIDERS:
        raise ImproperlyConfigured(f"FIELD_ALGORITHM 只能是 {' 或 '.join(PROVIDERS)}。")
    return str(name)


# --- keys -----------------------------------------------------------------------------------------


class Keys:
    """The ring of data keys: one writes, all read; and the keys of the blind indexes.

    INDEXES are the index keys, newest first: the first one writes, all find.
    """

    def __init__(self, active: str, data: dict[str, bytes], indexes: list[bytes]) -> None:
        self.active = active
        self._indexes = indexes
        self._providers = {
            (name, kid): make(key) for name, make in PROVIDERS.items() for kid, key in data.items()
        }
        self._purposes: dict[tuple[str, int, str], bytes] = {}

    def __repr__(self) -> str:
        return f"<Keys active={self.active}>"

    def provider(self, algorithm: str, kid: str) -> Provider:
        """Raises KeyError when the ring has no such algorithm or key."""
        return self._providers[algorithm, kid]

    def digest(self, algorithm: str, number: int, value: bytes, purpose: str) -> str:
        """The keyed digest of VALUE by the index key NUMBER (0 is the active one)."""
        return DIGESTS[algorithm](self._purpose_key(algorithm, number, purpose), value).hex()

    def digests(self, first: str, value: bytes, purpose: str) -> list[str]:
        """Of every algorithm and index key; the one new values are written with comes first."""
        names = [first, *(name for name in DIGESTS if name != first)]
        return [
            self.digest(name, number, value, purpose)
            for number in range(len(self._indexes))
            for name in names
        ]

    def oldest(self) -> str:
        """Tells the oldest index key from another one, without telling the key.

        What was written by it and cannot be written again (the audit, codes on paper) is verified
        with `digests`, so it may never leave the ring.
        """
        return self.digest("aes", len(self._indexes) - 1, b"", "oldest index key")

    def _purpose_key(self, algorithm: str, number: int, purpose: str) -> bytes:
        """The key of one purpose, derived from the index key: purposes cannot be compared."""
        place = (algorithm, number, purpose)
        key = self._purposes.get(place)
        if key is None:
            key = DIGESTS[algorithm](self._indexes[number], b"blind index of " + purpose.encode())
            self._purposes[place] = key
        return key


@lru_cache(maxsize=8)
def load_keys(text: str) -> Keys:
    """Read ``{"active": "k1", "keys": {"k1": "<base64>"}, "index": "<base64>"}``.

    Every key is 32 bytes in base64. ``"index_previous"`` lists the former index keys, newest first;
    they stay there for good (`Keys.oldest`). Raises ImproperlyConfigured with a sentence without
    the keys.
    """
    if not text.strip():
        raise ImproperlyConfigured("没有数据密钥：请设置 FIELD_KEYS 或 FIELD_KEYS_FILE。")
    try:
        document = json.loads(text)
        active, encoded, index = document["active"], dict(document["keys"]), document["index"]
        former = list(document.get("index_previous", []))
    except (ValueError, KeyError, TypeError):
        raise ImproperlyConfigured(
            "FIELD_KEYS 应为 JSON：active（密钥编号）、keys（编号与密钥）、index（索引密钥）。"
        ) from None
    data = {kid: _decode_key(value, kid) for kid, value in encoded.items()}
    indexes = [_decode_key(index, "index")]
    indexes += [_decode_key(each, "index_previous") for each in former]
    if not isinstance(active, str) or active not in data:
        raise ImproperlyConfigured("FIELD_KEYS 的 active 不在 keys 之中。")
    if len({*data.values(), *indexes}) != len(data) + len(indexes):
        raise ImproperlyConfigured("FIELD_KEYS 中有相同的密钥：每个编号和索引各用一个密钥。")
    return Keys(active, data, indexes)


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


def head(*, of_row: bool) -> str:
    """How every value begins that is sealed now: by this it is known which ones are old."""
    return f"v{2 if of_row else 1}:{algorithm()}:{keys().active}:"


def _associated(start: bytes, label: str, row: str) -> bytes:
    place = f"{label}#{row}" if start.startswith(b"v2") else label
    return start + place.encode()


def seal_bytes(data: bytes, label: str, row: str = "") -> bytes:
    """Encrypt DATA with the active key for the place LABEL, and there for ROW when one is given.

    The length stays visible.
    """
    start = head(of_row=bool(row)).encode()
    provider = keys().provider(algorithm(), keys().active)
    return start + provider.encrypt(data, _associated(start, label, row))


def unseal_bytes(sealed: bytes, label: str, row: str = "") -> bytes:
    """What `seal_bytes` was given. Raises NotReadable."""
    match = _HEAD.match(sealed)
    if match is None:
        raise NotReadable(label, "未知")
    kid = match[3].decode()
    try:
        provider = keys().provider(match[2].decode(), kid)
        # A view: a file of 40 MB need not be copied to be cut.
        body = memoryview(sealed)[match.end() :]
        return provider.decrypt(body, _associated(match[0], label, row))
    except (KeyError, InvalidTag, ValueError):
        raise NotReadable(label, kid) from None


class Sealer:
    """Seals many texts as `seal` does, with one look at the settings and the ring."""

    def __init__(self) -> None:
        self._encrypt = keys().provider(algorithm(), keys().active).encrypt
        self._heads = {of_row: head(of_row=of_row) for of_row in (True, False)}
        self._places: dict[str, bytes] = {}  # label → what the text is bound to, before the row

    def __call__(self, text: str, label: str, row: str = "") -> str:
        start = self._heads[bool(row)]
        place = f"{start}{label}#{row}" if row else f"{start}{label}"
        return start + self._encoded(text, place.encode())

    def _encoded(self, text: str, place: bytes) -> str:
        data = text.encode() + b"\x80"
        sealed = self._encrypt(data + _FILL[-len(data) % _BLOCK_BYTES], place)
        body = b2a_base64(sealed, newline=False).translate(_URL_SAFE)
        return body.rstrip(b"=").decode("ascii")

    def for_row(self, row: str) -> Callable[[str, str], str]:
        """The same for the values of one ROW: a function of text and label."""
        start, encoded, places = self._heads[True], self._encoded, self._places
        end = row.encode()

        def seal_value(text: str, label: str) -> str:
            place = places.get(label)
            if place is None:
                place = places[label] = f"{start}{label}#".encode()
            return start + encoded(text, place + end)

        return seal_value


@lru_cache(maxsize=4)
def _sealer(_algorithm: str, _ring: str) -> Sealer:
    return Sealer()


def sealer() -> Sealer:
    """The sealer of the present settings."""
    return _sealer(algorithm(), settings.PRIVACY_KEYS)


def seal(text: str, label: str, row: str = "") -> str:
    """Encrypt TEXT for the place LABEL (and ROW); the result is ASCII and fit for a URL."""
    return sealer()(text, label, row)


def unseal(sealed: str, label: str, row: str = "") -> str:
    """What `seal` was given. Raises NotReadable."""
    ascii_text = sealed.encode("ascii", "replace")
    end = _end_of_head(ascii_text)
    start, body = ascii_text[:end], ascii_text[end:]
    try:
        raw = base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4))
    except binascii.Error:
        raw = b""
    # The decoder skips strange characters and spare bits: only one spelling of a value is accepted.
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != body:
        raw = b""
    return unseal_bytes(start + raw, label, row).rstrip(b"\0")[:-1].decode()


def _end_of_head(sealed: bytes) -> int:
    match = _HEAD.match(sealed)
    return match.end() if match else 0


# --- blind index ----------------------------------------------------------------------------------


def blind_index(value: str, purpose: str) -> str:
    """HMAC of VALUE in 64 hexadecimal digits, with a key of its own for each PURPOSE.

    SHA-256, or SM3 with the other algorithm. For writing; to look something up use
    `blind_indexes`. Finds equal values only; give the standard spelling. Never for yes/no or other
    small ranges: there equal values tell what they are.
    """
    return keys().digest(algorithm(), 0, value.encode(), purpose)


def blind_indexes(value: str, purpose: str) -> list[str]:
    """Every spelling under which VALUE may be stored, the present one first.

    While `rotate_keys` is under way some rows have the old index (key or algorithm) and some the
    new one; a query finds both with ``__in``. Without that, a known person would look unknown.
    """
    return keys().digests(algorithm(), value.encode(), purpose)


_CHECK = "key check"


def make_key_check() -> str:
    """A text to store in a new database, by which `key_check_fits` knows its keys again.

    `rotate_keys` writes a new one when everything is under the present keys.
    """
    return f"{seal(_CHECK, _CHECK)} {blind_index(_CHECK, _CHECK)} {keys().oldest()}"


def key_check_fits(text: str) -> bool:
    """Whether the present ring reads the check, finds by its index, and has the oldest index key.

    A check of the time before `index_previous` does not name the oldest key.
    """
    sealed, _, digests = text.partition(" ")
    index, _, oldest = digests.partition(" ")
    try:
        readable = unseal(sealed, _CHECK) == _CHECK
    except NotReadable:
        return False
    return readable and index in blind_indexes(_CHECK, _CHECK) and oldest in ("", keys().oldest())


def indexes_are_current(key_check: str) -> bool:
    """Whether the blind indexes of the database with this check were made as they are made now."""
    return key_check.split(" ")[1:2] == [blind_index(_CHECK, _CHECK)]
