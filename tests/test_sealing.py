"""Keys, both providers, sealed texts and blind indexes: the same promises for AES and for SM4."""

from __future__ import annotations

import base64
import hmac
import json
from typing import TYPE_CHECKING

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, aead, algorithms, modes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.core.exceptions import ImproperlyConfigured
from hypothesis import example, given
from hypothesis import strategies as st

from xianning import sealing
from xianning.sealing import (
    NotReadable,
    Sm4Gcm,
    blind_index,
    blind_indexes,
    indexes_are_current,
    key_check_fits,
    load_keys,
    make_key_check,
    new_keys,
    seal,
    seal_bytes,
    unseal,
    unseal_bytes,
)

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

RARE = "㛃㻁𬭎𫖯𬀩𠅤𡋾𬱖𤧛䶮𫍽𰻝 阿依古丽·买买提"
ID = "421299195003150012"
LABEL, ROW = "transfers.Retiree.health", "0197f3c2-7c1e-7b5a-8d21-3f4e5a6b7c8d"
DATA_KEY, INDEX_KEY = b"tests-only-key-not-for-any-data0", b"tests-only-index-key-no-real-dat"


@pytest.fixture(autouse=True, params=["aes", "sm"])
def algorithm(request: pytest.FixtureRequest, settings: Settings) -> str:
    """Every test runs with both providers."""
    settings.FIELD_ALGORITHM = request.param
    return str(request.param)


def ring(**changes: object) -> str:
    return json.dumps({**json.loads(new_keys()), **changes})


def key() -> str:
    return json.loads(new_keys())["index"]


# --- sealing --------------------------------------------------------------------------------------


@given(st.text(), st.text())
@example(RARE, "transfers.Retiree.name")
@example("v1:aes:t1:AAAA", LABEL)
@example("\x00\x80\x00", LABEL)
@example("", LABEL)
def test_any_text_comes_back_and_never_looks_the_same_twice(text: str, label: str) -> None:
    once, again = seal(text, label), seal(text, label)
    assert unseal(once, label) == unseal(again, label) == text
    assert once != again
    assert once.startswith(sealing.head(of_row=False))
    assert once.isascii()


@given(st.binary(max_size=2000))
def test_any_bytes_come_back(data: bytes) -> None:
    sealed = seal_bytes(data, "scans/1")
    assert unseal_bytes(sealed, "scans/1") == data
    with pytest.raises(NotReadable):
        unseal_bytes(sealed, "scans/2")


def test_the_format_is_the_documented_one(algorithm: str) -> None:
    """Read by hand from the module's first lines, with the library alone."""
    for row, version, place in (("", "v1", LABEL), (ROW, "v2", f"{LABEL}#{ROW}")):
        *head, body = seal("良好", LABEL, row).split(":")
        assert head == [version, algorithm, "t1"]
        raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        associated = f"{':'.join(head)}:{place}".encode()
        if algorithm == "aes":
            plain = aead.AESGCM(DATA_KEY).decrypt(raw[:12], raw[12:], associated)
        else:
            key = HKDF(hashes.SM3(), 16, None, b"xianning sm4-gcm").derive(DATA_KEY)
            reader = Cipher(algorithms.SM4(key), modes.GCM(raw[:12], raw[-16:])).decryptor()
            reader.authenticate_additional_data(associated)
            plain = reader.update(raw[12:-16]) + reader.finalize()
        assert plain == "良好".encode() + b"\x80" + bytes(25)


def test_sm4_gcm_is_that_of_the_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vector of RFC 8998, appendix A.1."""
    provider = Sm4Gcm(bytes(32))
    provider._key = algorithms.SM4(bytes.fromhex("0123456789abcdeffedcba9876543210"))
    monkeypatch.setattr(sealing.os, "urandom", lambda _: bytes.fromhex("00001234567800000000abcd"))
    plain = bytes.fromhex(
        "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
        "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa"
    )
    associated = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    sealed = provider.encrypt(plain, associated)
    assert sealed[12:].hex() == (
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
        "83de3541e4c2b58177e065a9bf7b62ec"
    )
    assert provider.decrypt(sealed, associated) == plain
    with pytest.raises(ValueError, match="too short"):
        provider.decrypt(sealed[:27], associated)
    with pytest.raises(InvalidTag):
        provider.decrypt(sealed, b"")


def test_a_value_is_bound_to_its_label_and_its_row() -> None:
    with_row, without = seal("良好", LABEL, ROW), seal("良好", LABEL)
    assert unseal(with_row, LABEL, ROW) == "良好"
    # What was written before rows were bound is still read; `rotate_keys` ends that.
    assert unseal(without, LABEL, ROW) == "良好"
    elsewhere = [(LABEL, ""), (LABEL, ROW[:-1] + "e"), (LABEL + "2", ROW), (f"{LABEL}#{ROW}", "")]
    for label, row in elsewhere:
        for text in (with_row, with_row.replace("v2:", "v1:", 1)):
            with pytest.raises(NotReadable):
                unseal(text, label, row)
    with pytest.raises(NotReadable):
        unseal(without.replace("v1:", "v2:", 1), LABEL, ROW)


def test_an_unknown_algorithm_is_refused(settings: Settings) -> None:
    settings.FIELD_ALGORITHM = "des"
    for use in (lambda: seal("良好", LABEL), lambda: blind_index(ID, "id_number")):
        with pytest.raises(ImproperlyConfigured, match="FIELD_ALGORITHM 只能是 aes 或 sm"):
            use()


def test_both_algorithms_read_what_the_other_wrote(algorithm: str, settings: Settings) -> None:
    sealed, index = seal(RARE, LABEL, ROW), blind_index(ID, "id_number")
    settings.FIELD_ALGORITHM = {"aes": "sm", "sm": "aes"}[algorithm]
    assert unseal(sealed, LABEL, ROW) == RARE
    assert blind_index(ID, "id_number") != index
    assert index in blind_indexes(ID, "id_number")
    relabelled = sealed.replace(f":{algorithm}:", f":{settings.FIELD_ALGORITHM}:", 1)
    with pytest.raises(NotReadable):
        unseal(relabelled, LABEL, ROW)


def test_every_flipped_bit_and_every_cut_is_refused() -> None:
    sealed = seal("良好", LABEL, ROW)
    for position in range(len(sealed)):
        for bit in range(7):
            changed = (
                sealed[:position] + chr(ord(sealed[position]) ^ 1 << bit) + sealed[position + 1 :]
            )
            with pytest.raises(NotReadable):
                unseal(changed, LABEL, ROW)
        with pytest.raises(NotReadable):
            unseal(sealed[:position], LABEL, ROW)


@pytest.mark.parametrize(
    "text",
    [
        "", "良好", "v1", "v1:aes:t1:", "v1:aes:t1:A", "v1:aes:t1:====", "v1:aes:t1:" + "A" * 60,
        "v1:sm4:t1:" + "A" * 60, "v1:aes:t2:" + "A" * 60, "v2:aes:t1:" + "A" * 60,
        "v1:aes:t1:好", "v1:aes:t1:\x00" + "A" * 60, "v3:aes:t1:" + "A" * 60, "v2:sm:t1:" + "A" * 20,
    ],
)  # fmt: skip
def test_text_that_nobody_sealed_is_refused(text: str) -> None:
    with pytest.raises(NotReadable):
        unseal(text, LABEL)


@given(st.text())
def test_a_second_spelling_of_the_same_value_is_refused(more: str) -> None:
    sealed = seal("良好", LABEL)
    if more:
        with pytest.raises(NotReadable):
            unseal(sealed + more, LABEL)


# --- keys -----------------------------------------------------------------------------------------


def test_another_key_under_the_same_id_is_refused(settings: Settings) -> None:
    settings.PRIVACY_KEYS = new_keys()
    sealed = seal("良好", LABEL)
    settings.PRIVACY_KEYS = new_keys()
    with pytest.raises(NotReadable) as caught:
        unseal(sealed, LABEL)
    assert caught.value.kid == "k1"


def test_old_values_stay_readable_after_the_active_key_changes(settings: Settings) -> None:
    first, other = json.loads(new_keys()), json.loads(new_keys())
    settings.PRIVACY_KEYS = json.dumps(first)
    old, index, check = seal("良好", LABEL), blind_index(ID, "id_number"), make_key_check()
    both = {"k1": first["keys"]["k1"], "k2": other["keys"]["k1"]}
    settings.PRIVACY_KEYS = json.dumps({"active": "k2", "keys": both, "index": first["index"]})
    assert unseal(old, LABEL) == "良好"
    assert seal("良好", LABEL).split(":")[2] == "k2"
    assert blind_index(ID, "id_number") == index
    assert key_check_fits(check)
    settings.PRIVACY_KEYS = json.dumps(
        {"active": "k2", "keys": {"k2": both["k2"]}, "index": first["index"]}
    )
    with pytest.raises(NotReadable, match="k1"):
        unseal(old, LABEL)


def test_the_key_check_knows_its_keys_again(settings: Settings) -> None:
    right, other = json.loads(new_keys()), json.loads(new_keys())
    settings.PRIVACY_KEYS = json.dumps(right)
    check = make_key_check()
    assert key_check_fits(check)
    for wrong in ({**right, "index": other["index"]}, {**right, "keys": other["keys"]}, other):
        settings.PRIVACY_KEYS = json.dumps(wrong)
        assert not key_check_fits(check)
    settings.PRIVACY_KEYS = json.dumps(right)
    sealed, index, oldest = check.split()
    assert key_check_fits(f"{sealed} {index}")  # of the time before there were several index keys
    for text in ("", " ", sealed, check + "0", index, "好 好", f"{sealed} {oldest} {index}"):
        assert not key_check_fits(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "  ", "no json", "[]", "{}", "3", '{"active": "k1", "keys": [], "index": ""}',
        ring(active="k2"), ring(active=["k1"]), ring(index="c2hvcnQ="), ring(index=7),
        ring(keys={"k1": "c2hvcnQ="}), ring(keys={"k1": "好" * 44}), ring(keys={}),
        ring(keys={"a:b": base64.b64encode(bytes(32)).decode()}, active="a:b"),
        ring(keys={"k1": "A" * 43 + "="}, index="A" * 43 + "="),
        ring(keys={"k1": "A" * 43 + "=", "k2": "A" * 43 + "="}), ring(index_previous=["c2hvcnQ="]),
        ring(index="A" * 43 + "=", index_previous=["A" * 43 + "="]), ring(index_previous=3),
    ],
    ids=range(20),  # the documents hold random keys; the names of tests must not
)  # fmt: skip
def test_a_wrong_key_document_is_refused_with_a_sentence_that_holds_no_key(text: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        load_keys(text)
    assert "FIELD_KEYS" in str(caught.value)
    assert "c2hvcnQ" not in str(caught.value)
    assert "AAAA" not in str(caught.value)


def test_new_keys_are_new_and_do_not_show_in_a_repr() -> None:
    first, second = new_keys(), new_keys()
    made = json.loads(first)
    assert first != second
    assert len({made["keys"]["k1"], made["index"]}) == 2
    keys = load_keys(first)
    assert repr(keys) == "<Keys active=k1>"


def test_a_cipher_is_made_once_a_key_and_not_once_a_value(
    algorithm: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bytes] = []

    provider = sealing.PROVIDERS[algorithm]

    def counting(key: bytes) -> sealing.Provider:
        made.append(key)
        return provider(key)

    monkeypatch.setitem(sealing.PROVIDERS, algorithm, counting)
    settings.PRIVACY_KEYS = new_keys()
    for number in range(1000):
        assert unseal(seal(str(number), LABEL), LABEL) == str(number)
        blind_index(str(number), "id_number")
    assert len(made) == 1


# --- blind index ----------------------------------------------------------------------------------


def by_hand(algorithm: str, index_key: bytes, value: str, purpose: str) -> str:
    """The keyed digest, with the library alone."""
    data = [b"blind index of " + purpose.encode(), value.encode()]
    if algorithm == "aes":
        return hmac.new(hmac.digest(index_key, data[0], "sha256"), data[1], "sha256").hexdigest()
    inner = HMAC(index_key, hashes.SM3())
    inner.update(data[0])
    outer = HMAC(inner.finalize(), hashes.SM3())
    outer.update(data[1])
    return outer.finalize().hex()


def test_the_blind_index_is_a_keyed_digest_with_a_key_for_each_purpose(algorithm: str) -> None:
    index = blind_index(ID, "id_number")
    assert index == blind_index(ID, "id_number")
    assert index == by_hand(algorithm, INDEX_KEY, ID, "id_number")
    assert index != blind_index(ID, "phone")


def test_while_the_index_changes_both_spellings_are_known(
    algorithm: str, settings: Settings
) -> None:
    old, new = key(), key()
    settings.PRIVACY_KEYS = ring(index=old)
    ring_before, check = json.loads(settings.PRIVACY_KEYS), make_key_check()
    settings.PRIVACY_KEYS = json.dumps({**ring_before, "index": new, "index_previous": [old]})
    other = {"aes": "sm", "sm": "aes"}[algorithm]
    assert blind_indexes(ID, "id_number") == [
        by_hand(name, base64.b64decode(each), ID, "id_number")
        for each in (new, old) for name in (algorithm, other)
    ]  # fmt: skip
    assert blind_index(ID, "id_number") == blind_indexes(ID, "id_number")[0]
    assert key_check_fits(check)
    assert not indexes_are_current(check)
    check = make_key_check()
    assert indexes_are_current(check)
    # The oldest may not be lost: the audit and codes on paper are verified by it.
    settings.PRIVACY_KEYS = json.dumps({**ring_before, "index": new})
    assert not key_check_fits(check)


@given(st.text(), st.text())
def test_different_values_have_different_indexes(one: str, other: str) -> None:
    assert (blind_index(one, "p") == blind_index(other, "p")) == (one == other)
