"""第九条: rooms and facilities on their way from the enterprise to the community, and their sums."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from communities.models import Area
from enterprises import venues
from enterprises.models import Enterprise, Refused, Venue
from tests.factories import enterprise_of
from transfers import reports
from xianning import demo
from xianning.models import AuditEvent, Notice, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db


def user(name: str) -> User:
    return User.objects.get(username=name)


def file(community: str = demo.GUIHUA, **given: Any) -> Venue:
    facts = {"name": "活动室", "kind": "room", "address": "温泉路1号", "way": "free",
             "community": Area.objects.get(pk=community)}  # fmt: skip
    return venues.file(enterprise_of("qiye"), facts | given, by=user("qiye"))


def receive(venue: Venue, by: str = "shequ", *, received: bool = True, note: str = "") -> None:
    venues.answer(venue, by=user(by), received=received, note=note)


def test_a_room_is_filed_returned_corrected_and_received() -> None:
    room = file()
    assert Notice.objects.filter(
        role="community", area_id=demo.GUIHUA, text__contains="活动室"
    ).exists()
    with pytest.raises(Refused, match="须写明原因"):
        receive(room, received=False, note=" ")
    receive(room, received=False, note="没有原件")
    room.refresh_from_db()
    assert (room.state, room.note, room.answered_by) == ("returned", "没有原件", user("shequ"))
    with pytest.raises(Refused, match="已退回，不能重复"):
        receive(room)
    venues.change(room, {"papers": "原件已补"}, by=user("qiye"))
    room.refresh_from_db()
    assert (room.state, room.papers, room.answered_on) == ("open", "原件已补", None)
    receive(room, by="jiedao")  # the street in its community's stead
    room.refresh_from_db()
    assert (room.state, room.answered_on) == ("received", timezone.localdate())
    for deed in (
        lambda: venues.change(room, {"name": "x"}, by=user("qiye")),
        lambda: venues.withdraw(room, by=user("qiye"), reason="x"),
    ):
        with pytest.raises(Refused, match="已接收，不能再更改"):
            deed()
    states = list(room.history.order_by("history_date").values_list("state", flat=True))
    assert states == ["open", "returned", "open", "received"]
    actions = AuditEvent.objects.filter(object_id=str(room.pk)).values_list("action", flat=True)
    assert {*actions} - {"created", "changed"} == {
        "venue_filed",
        "venue_returned",
        "venue_changed",
        "venue_received",
    }


def test_only_the_transferor_files_and_only_the_receiver_answers() -> None:
    room = file()
    for who, deed, words in (
        ("qiye_chibi", lambda by: venues.change(room, {}, by=by), r"由.*登记"),
        ("qiye_chibi", lambda by: venues.withdraw(room, by=by, reason="x"), r"由.*登记"),
        ("shequ_chibi", lambda by: venues.answer(room, by=by, received=True, note=""), r"由.*接收"),
        ("gzw", lambda by: venues.answer(room, by=by, received=True, note=""), r"由.*接收"),
    ):
        with pytest.raises(Refused, match=words):
            deed(user(who))
    venues.withdraw(room, by=user("qiye"), reason="不移交了")
    with pytest.raises(Refused, match="已撤回"):
        receive(room)
    Enterprise.objects.filter(pk=enterprise_of("qiye").pk).update(removed_on=date(2026, 1, 1))
    with pytest.raises(Refused, match="已移出名单"):
        file()


def test_who_sees_a_venue() -> None:
    here, far = file(), file(demo.BEIJIE)
    for name, wanted in (
        ("qiye", {here, far}), ("gzw", {here, far}), ("rs", {here, far}), ("shenji", {here, far}),
        ("shequ", {here}), ("jiedao", {here}), ("shequ_chibi", {far}), ("qiye_chibi", set()),
        ("gzw_chibi", set()), ("dangzu", set()),
    ):  # fmt: skip
        assert {*Venue.objects.visible_to(user(name))} == wanted, name


def test_the_totals_are_those_of_a_plain_recount_without_what_was_withdrawn() -> None:
    first = file(area=Decimal("320.50"), value=Decimal(860000))
    file(area=Decimal(48), value=None)
    file(demo.BEIJIE, area=None, value=Decimal("0.40"))
    venues.withdraw(file(area=Decimal(999)), by=user("qiye"), reason="重复登记")
    receive(first)
    rows = Venue.objects.visible_to(user("gzw"))
    lines = {line.name: (line.count, line.area, line.value, line.received)
             for line in venues.totals(rows, 6)}  # fmt: skip
    assert lines == {
        "咸安区": (2, Decimal("368.50"), Decimal(860000), 1),
        "赤壁市": (1, 0, Decimal("0.40"), 0),
        "合计": (3, Decimal("368.50"), Decimal("860000.40"), 1),
    }
    assert [line.count for line in venues.totals(rows, 12)] == [2, 1, 3]
    assert venues.totals(rows.none(), 6) == []
    content = reports.figures(Area.objects.get(pk=demo.CITY), timezone.localdate().replace(day=1))
    found = reports.tables(content)[2].total
    assert found == {"count": 3, "received": 1, "square_metres": 320, "yuan": 860000}


@pytest.mark.parametrize(
    "wrong",
    [{"way": "exchange"}, {"exchanged_for": "二楼"}, {"state": "returned"}, {"state": "received"},
     {"area": 0}, {"value": -1}],
)  # fmt: skip
def test_the_database_refuses_what_contradicts_itself(wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Venue.objects.filter(pk=file().pk).update(**wrong)


def test_the_pages_of_each_side(sign_in: Callable[[str], Client]) -> None:
    clerk, worker = sign_in("qiye"), sign_in("shequ")
    add = reverse("enterprises:venue_add")
    typed = {"enterprise": str(enterprise_of("qiye").pk), "name": "门球场", "kind": "sports",
             "address": "温泉路2号", "community": demo.GUIHUA, "way": "free", "area": "600"}  # fmt: skip
    for wrong, words in (
        ({"name": ""}, "请填写"), ({"area": "0"}, "面积须大于 0"), ({"area": "-1"}, "大于"),
        ({"way": "exchange"}, "请写明调换何物"), ({"exchanged_for": "二楼"}, "移交方式请选调换"),
        ({"community": "没有的社区"}, "没有"), ({"enterprise": str(enterprise_of("qiye_chibi").pk)}, ""),
    ):  # fmt: skip
        page = clerk.post(add, typed | wrong)
        assert page.status_code == 422, wrong
        assert words in page.content.decode(), wrong
        assert "温泉路2号" in page.content.decode()
    assert not Venue.objects.exists()
    clerk.post(add, typed)
    room = Venue.objects.get()
    url = room.get_absolute_url()
    assert "门球场" in worker.get(reverse("enterprises:venues"), {"state": "open"}).content.decode()
    assert (
        "门球场"
        not in worker.get(reverse("enterprises:venues"), {"state": "received"}).content.decode()
    )
    assert worker.get(reverse("enterprises:venues"), {"state": "x"}).status_code == 404
    far = worker.get(reverse("enterprises:venues"), {"in": demo.CHIBI}).content.decode()
    assert "门球场" not in far
    answer = reverse("enterprises:venue_answer", args=[room.pk])
    assert worker.post(answer, {"return": "1"}).status_code == 422
    silent = clerk.post(reverse("enterprises:venue_withdraw", args=[room.pk]), {})
    assert silent.status_code == 422
    assert "撤回须写明原因" in silent.content.decode()
    assert worker.post(answer, {"return": "1", "note": "缺批文"}).status_code == 302
    assert "缺批文" in clerk.get(url).content.decode()
    edit = reverse("enterprises:venue_edit", args=[room.pk])
    assert "咸安区温泉街道" in clerk.get(edit).content.decode()
    assert clerk.post(edit, typed | {"papers": "批文〔2026〕1号"}).status_code == 302
    assert worker.post(answer, {"receive": "1"}).status_code == 302
    assert (
        clerk.post(reverse("enterprises:venue_withdraw", args=[room.pk]), {"note": "x"}).status_code
        == 422
    )
    assert clerk.get(edit).status_code == 302
    assert sign_in("shequ_chibi").get(url).status_code == 404
    assert sign_in("qiye_chibi").get(edit).status_code == 404
    other = file(demo.BEIJIE, name="北街活动室")
    roster = worker.get(reverse("roster", args=["venues"])).content.decode()
    assert "门球场" in roster
    assert other.name not in roster
    city = sign_in("gzw").get(reverse("enterprises:venues")).content.decode()
    assert "600.00" in city
