"""第六条第1项: editions of the list, what changed since, and the list that was valid on any day."""

from __future__ import annotations

import io
import random
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.db import DatabaseError, transaction
from django.urls import reverse
from django.utils import timezone
from pypdf import PdfReader

from communities.models import Area
from enterprises import editions
from enterprises.models import Edition, EditionEntry, Enterprise, Refused
from tests.factories import enterprise_of, make_transfer
from xianning import demo, standards
from xianning.models import AuditEvent, Notice, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
LIST = "/enterprises/editions/"


def city() -> Area:
    return Area.objects.get(pk=demo.CITY)


def gzw() -> User:
    return User.objects.get(username="gzw")


def publish() -> Edition:
    return editions.publish(city(), by=gzw())


def _at(day: date, hour: int = 10) -> Any:
    moment = timezone.make_aware(datetime(day.year, day.month, day.day, hour))
    return time_machine.travel(moment, tick=False)


def test_an_edition_is_numbered_frozen_and_acknowledged(sign_in: Callable[[str], Client]) -> None:
    answer = sign_in("gzw").post(
        reverse("enterprises:edition_publish", args=[demo.CITY]), {"note": "咸国资发1号"}
    )
    edition = Edition.objects.get()
    assert answer["Location"] == edition.get_absolute_url()
    assert (edition.serial, edition.note) == (1, "咸国资发1号")
    listed = Enterprise.objects.filter(authority=demo.CITY).confirmed()
    names = set(edition.entries.values_list("name", flat=True))
    assert names == {entry.name for entry in listed}
    assert "第 1 版" in Notice.objects.filter(role="hr", area=demo.CITY).latest("pk").text
    assert "签收名单版次" in sign_in("rs").get(reverse("home")).content.decode()
    entry = enterprise_of("qiye")
    entry.amend(by=gzw(), reason="更名", name="咸宁市更名后测试厂")
    assert set(edition.entries.values_list("name", flat=True)) == names  # as it was
    sign_in("rs").post(reverse("enterprises:edition_acknowledge", args=[edition.pk]))
    edition.refresh_from_db()
    assert edition.acknowledged_by == User.objects.get(username="rs")
    with pytest.raises(Refused, match="不能重复签收"):
        editions.acknowledge(edition, by=User.objects.get(username="rs"))
    assert {"edition_publish", "edition_acknowledge"} <= set(
        AuditEvent.objects.values_list("action", flat=True)
    )
    paper = sign_in("shenji").get(f"{edition.get_absolute_url()}?format=pdf").content
    words = "".join(page.extract_text() for page in PdfReader(io.BytesIO(paper)).pages)
    assert "国有企业名单" in words


def test_the_database_lets_nobody_change_what_was_published() -> None:
    edition = publish()
    editions.acknowledge(edition, by=User.objects.get(username="rs"))
    rows = Edition.objects.filter(pk=edition.pk)
    for change in (
        lambda: rows.update(note="x"),
        lambda: rows.update(serial=9),
        lambda: rows.update(acknowledged_at=None, acknowledged_by=None),
        lambda: rows.delete(),
        lambda: EditionEntry.objects.filter(edition=edition).update(name="x"),
        lambda: EditionEntry.objects.filter(edition=edition).delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_what_changed_since_is_told_with_its_stranded_cases(
    sign_in: Callable[[str], Client],
) -> None:
    make_transfer()
    publish()
    with pytest.raises(Refused, match="没有不同"):
        publish()
    entry = enterprise_of("qiye")
    entry.amend(by=gzw(), reason="破产", status="bankrupt", department="咸宁市经信局（测试）")
    page = sign_in("gzw").get(LIST).content.decode()
    assert "经营状态由“正常经营”改为“破产”" in page
    assert f"移交主体由“{entry.name}”改为“咸宁市经信局（测试）”" in page
    assert "件案卷正在办理" not in page
    entry.refresh_from_db()
    entry.amend(by=gzw(), reason="移出", removed_on=timezone.localdate())
    page = sign_in("gzw").get(LIST).content.decode()
    assert "还有 1 件案卷正在办理" in page
    assert publish().serial == 2


def test_only_its_own_sasac_publishes_and_its_own_hr_acknowledges(
    sign_in: Callable[[str], Client],
) -> None:
    with pytest.raises(Refused, match="发布（第六条第1项）"):
        editions.publish(city(), by=User.objects.get(username="gzw_xianan"))
    jiayu = Area.objects.get(pk=demo.JIAYU)
    Enterprise.objects.filter(authority=jiayu).update(confirmed_at=None, confirmed_by=None,
                                                      acknowledged_at=None, acknowledged_by=None)  # fmt: skip
    edition = publish()
    with pytest.raises(Refused, match="签收（第六条第1项）"):
        editions.acknowledge(edition, by=User.objects.get(username="rs_xianan"))
    assert "发布新版名单" not in sign_in("rs").get(LIST).content.decode()
    page = sign_in("gzw").get(edition.get_absolute_url()).content.decode()
    assert ">签收</button>" not in page
    assert sign_in("gzw_chibi").get(edition.get_absolute_url()).status_code == 404
    assert sign_in("gzw_chibi").get(LIST, {"authority": demo.CITY}).status_code == 404


def test_a_list_of_nobody_is_not_published() -> None:
    Enterprise.objects.filter(authority=demo.CITY).update(
        confirmed_at=None, confirmed_by=None, acknowledged_at=None, acknowledged_by=None
    )
    with pytest.raises(Refused, match="没有已确认的企业"):
        publish()


def test_a_case_keeps_the_edition_it_began_under(sign_in: Callable[[str], Client]) -> None:
    before = make_transfer()
    first = publish()
    case = make_transfer()
    enterprise_of("qiye").amend(by=gzw(), reason="换人", retiree_count=7)
    publish()
    assert "没有发布编号的名单" in editions.basis(before)
    assert editions.basis(case) == str(first)
    page = sign_in("qiye").get(reverse("transfers:detail", args=[case.pk])).content.decode()
    assert "国有企业名单第 1 版" in page


@pytest.mark.parametrize("seed", [1, 2])
def test_the_list_of_any_day_equals_a_plain_recount(seed: int) -> None:
    rng, day = random.Random(seed), date(2026, 2, 2)
    kept: dict[date, dict[str, tuple[str, str]]] = {}
    with _at(day):
        for n in range(3):
            entry = Enterprise.enter(
                by=gzw(), name=f"测试厂{n}", level="city", holding="sole", county_id=demo.XIANAN,
                credit_code=standards.make_credit_code(f"91421200MATE{n:05d}"), authority=city(),
                contact="测试",
            )  # fmt: skip
    for _ in range(15):
        day += timedelta(days=rng.randint(1, 3))
        with _at(day):
            entry = rng.choice(list(Enterprise.objects.filter(name__startswith="测试厂")))
            deed = rng.random()
            try:
                if deed < 0.4:
                    entry.confirm(by=gzw())
                elif deed < 0.6:
                    entry.amend(by=gzw(), retiree_count=rng.randint(1, 999))
                elif deed < 0.8:
                    entry.amend(by=gzw(), removed_on=None if entry.removed_on else day)
                else:
                    publish()
            except Refused:
                pass
            known = Enterprise.objects.filter(name__startswith="测试厂")
            kept[day] = {
                each.name: (each.transferor, str(each.retiree_count))
                for each in known
                if each.confirmed_at and not each.removed_on
            }
    for past, wanted in kept.items():
        rows = {row.name: (row.transferor, str(row.retiree_count))
                for row in editions.rows_on(city(), past) if row.name.startswith("测试厂")}  # fmt: skip
        assert rows == wanted, past
    assert len({str(found) for found in kept.values()}) > 3
