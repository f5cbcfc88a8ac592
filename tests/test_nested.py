"""A3: whatever a request names inside itself is looked up among what exists for the actor."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.cells import Answer, Asker
from tests.fingerprint import changed, fingerprint
from tests.nested import Ask, all_asks
from tests.test_matrix import LEFT
from tests.world import World, standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

PARTS = 4
# What differs from one answer to the next without saying anything.
_TOKENS = re.compile(
    r'name="(?:csrfmiddlewaretoken|token)" value="[^"]*"|nonce="[^"]*"|data-ends="[^"]*"|'
    r'\d\*{16}.|v1:(?:aes|sm)[^"&]*|hx-headers=\'[^\']*\'|data-(?:idle|left)="\d+"'
)


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """One world for the module, undone at its end."""
    with django_db_blocker.unblock(), standing() as world:
        yield world


@pytest.fixture(scope="module")
def asks(db: World) -> list[Ask]:
    return all_asks(db)


@pytest.fixture
def asker(db: World, settings: Any, sign_in: Callable[[str], Client]) -> Iterator[Asker]:
    settings.MEDIA_ROOT = db.media
    logging.disable(logging.CRITICAL)
    with Asker(db, sign_in).watching() as asker:
        yield asker
    logging.disable(logging.NOTSET)


def test_there_are_two_thousand_cells(asks: list[Ask]) -> None:
    assert len(asks) == len({ask.identity for ask in asks}) >= 2_000
    assert len({ask.group for ask in asks}) >= 12
    assert min(Counter(ask.group for ask in asks).values()) >= 5


@pytest.mark.parametrize("part", range(PARTS))
def test_a_foreign_object_inside_a_request_is_refused_or_looks_like_none(
    part: int, asks: list[Ask], asker: Asker
) -> None:
    actors = sorted({ask.actor for ask in asks})[part::PARTS]
    for actor in actors:
        asker.client(actor)
    before = fingerprint(exclude=LEFT | {"media"})
    plain: dict[tuple[str, ...], str] = {}
    wrong: list[str] = []
    for ask in asks:
        if ask.actor in actors:
            wrong += judged(asker, ask, plain)
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:30])
    assert changed(before, fingerprint(exclude=LEFT | {"media"})) == []


def path_of(asker: Asker, ask: Ask, query: str) -> str:
    path = ask.path or asker.path(ask.name, ask.key)
    return f"{path}?{quote(query, safe='=&')}" if query else path


def judged(asker: Asker, ask: Ask, plain: dict[tuple[str, ...], str]) -> list[str]:
    """What is wrong with the answer; PLAIN keeps answers that several are compared with."""
    answer = asker.fetch(
        ask.actor, ask.method, path_of(asker, ask, ask.query), ask.data, page=False
    )
    if answer.written:
        return [f"{ask}: wrote {answer.written}"]
    asked = f"{path_of(asker, ask, ask.query)} {ask.value} {ask.data}"
    leak = "" if ask.name == "audit" else asker.leak(ask.actor, answer.body, asked=asked)
    if leak:
        return [f"{ask}: shows {leak!r}"]
    if ask.rule == "same":
        return _compared(asker, ask, answer, plain)
    return [] if _is_right(ask.rule, answer) else [f"{ask}: {ask.rule} expected, {answer.status}"]


def _is_right(rule: str, answer: Answer) -> bool:
    if rule == "404":
        return answer.status == 404
    if rule == "refused":  # with a page that says why, or back to where one came from
        return answer.status in (302, 400, 403, 404, 409, 422)
    if rule == "ours":
        target = answer.response.get("Location", "")
        return answer.status == 302 and target.startswith("/") and target[1:2] not in ("/", "\\")
    return answer.status == 200


def _compared(
    asker: Asker, ask: Ask, answer: Answer, plain: dict[tuple[str, ...], str]
) -> list[str]:
    like = (ask.actor, ask.name, ask.key, ask.method, ask.like)
    if like not in plain:
        data = json.loads(ask.like) if ask.method == "POST" else {}
        query = "" if ask.method == "POST" else ask.like
        other = asker.fetch(ask.actor, ask.method, path_of(asker, ask, query), data, page=False)
        plain[like] = _told(asker, ask, other)
    mine = _told(asker, ask, answer)
    if mine == plain[like]:
        return []
    return [f"{ask}: differs: {_difference(mine, plain[like])}"]


def _told(asker: Asker, ask: Ask, answer: Answer) -> str:
    """The answer (and where it leads), without tokens and without what the actor sent himself."""
    body = answer.body
    if answer.status == 302:
        body = asker.fetch(ask.actor, "GET", answer.response["Location"]).body
    for value in filter(None, {ask.value, *ask.data.values(), *_like_values(ask)}):
        body = body.replace(str(value), "·")
    # The form of the filters keeps what else stands in the address.
    kept = re.escape(ask.query.partition("=")[0])
    body = re.sub(rf'<input type="hidden" name="{kept}" value="[^"]*">', "", body)
    return f"{answer.status} {' '.join(_TOKENS.sub('', body).split())}"


def _like_values(ask: Ask) -> list[str]:
    if ask.method == "POST":
        return [str(value) for value in json.loads(ask.like or "{}").values()]
    return [ask.like.partition("=")[2]]


def _difference(one: str, other: str) -> str:
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), -1)
    return f"{one[max(0, at - 60) : at + 60]!r} / {other[max(0, at - 60) : at + 60]!r}"
