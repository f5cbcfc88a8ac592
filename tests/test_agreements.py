"""《交接整体协议》 (第四条, 第五条): applied for, approved, signed, and what it settles otherwise."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from communities.models import Area
from enterprises import agreements
from enterprises.models import Agreement, Enterprise, Refused
from tests.factories import enterprise_of, make_transfer, values_for
from transfers import casefile, deadlines
from transfers.limit_views import write
from transfers.models import TransferStep
from transfers.retiree_form import RetireeForm
from xianning import demo
from xianning.models import AuditEvent, Notice, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
TODAY = timezone.localdate
COUNTY_SASAC = "m_gzw_xianan"


def user(name: str) -> User:
    return User.objects.get(username=name)


@pytest.fixture
def county() -> User:
    """The SASAC office of 咸安区, the county that receives."""
    return User.objects.filter(offices__role="sasac", offices__area=demo.XIANAN)[0]


def applied(**given: Any) -> Agreement:
    facts: dict[str, Any] = {
        "county": Area.objects.get(pk=demo.XIANAN), "party_b": "咸安区人民政府",
        "base_on": date(2026, 1, 1), "people": 800, "members": 200, "volumes": 795,
    }  # fmt: skip
    return agreements.apply(enterprise_of("qiye"), facts | given, by=user("qiye"))


def signed(
    county: User, number: str = "咸安协2026-1", on: date | None = None, **given: Any
) -> Agreement:
    made = applied(**given)
    agreements.answer(made, by=county, approval="咸安国资〔2026〕3号")
    agreements.sign(made, by=county, number=number, signed_on=on or TODAY())
    made.refresh_from_db()
    return made


def test_from_application_to_signature_each_party_hears_of_the_other(county: User) -> None:
    Enterprise.objects.filter(pk=enterprise_of("qiye").pk).update(
        agreement_number="", agreement_on=None
    )
    made = applied()
    told = Notice.objects.filter(role="sasac", area_id=demo.XIANAN)
    assert told.filter(text__contains="请批复（第四条）").count() == 1
    with pytest.raises(Refused, match="二者填一项"):
        agreements.answer(made, by=county)
    agreements.answer(made, by=county, note="人数与名册不符")
    made.refresh_from_db()
    assert (made.state, made.note) == ("returned", "人数与名册不符")
    with pytest.raises(Refused, match="不能登记签订"):
        agreements.sign(made, by=county, number="1", signed_on=TODAY())
    agreements.change(made, {"people": 801}, by=user("qiye"))
    agreements.answer(made, by=county, approval="咸安国资〔2026〕3号")
    with pytest.raises(Refused, match="不能重复批复"):
        agreements.answer(made, by=county, approval="再批")
    with pytest.raises(Refused, match="不能再更改"):
        agreements.change(made, {"people": 1}, by=user("qiye"))
    agreements.sign(made, by=county, number="咸安协2026-1", signed_on=TODAY())
    made.refresh_from_db()
    assert (made.state, made.people, made.party_a) == ("signed", 801, made.enterprise.transferor)
    listed = enterprise_of("qiye")
    assert (listed.agreement_number, listed.agreement_on) == ("咸安协2026-1", TODAY())
    assert Notice.objects.filter(role="enterprise", text__contains="已签订，协议号").count() == 1
    with pytest.raises(Refused, match="不能撤回"):
        agreements.withdraw(made, by=user("qiye"), note="x")
    acts = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"agreement_applied", "agreement_returned", "agreement_changed", "agreement_approved",
            "agreement_signed"} <= acts  # fmt: skip
    # A supplement has its own way and does not take the place of the first on the list.
    more = signed(county, "咸安协2026-1补", main=made)
    assert list(made.supplements.all()) == [more]
    chibi = Area.objects.get(pk=demo.CHIBI)
    with pytest.raises(Refused, match="补充协议须与原协议"):
        applied(main=made, county=chibi)
    again = applied(main=made)
    with pytest.raises(Refused, match="补充协议须与原协议"):
        agreements.change(again, {"county": chibi}, by=user("qiye"))
    assert enterprise_of("qiye").agreement_number == "咸安协2026-1"


def test_what_only_one_party_may_do_is_refused_to_the_other(county: User) -> None:
    made = applied()
    for who in (user("gzw"), user("qiye")):  # the city's SASAC lists it, the county receives
        with pytest.raises(Refused, match="由咸安区国资部门批复"):
            agreements.answer(made, by=who, approval="1号")
    with pytest.raises(Refused, match="由咸安区国资部门登记签订"):
        agreements.sign(made, by=user("gzw"), number="1", signed_on=TODAY())
    with pytest.raises(Refused, match="移交协议由"):
        agreements.apply(enterprise_of("qiye"), {}, by=county)
    for deed in (
        lambda: agreements.change(made, {"people": 1}, by=county),
        lambda: agreements.withdraw(made, by=county, note="x"),
    ):
        with pytest.raises(Refused, match="移交协议由"):
            deed()
    Enterprise.objects.filter(pk=made.enterprise_id).update(removed_on=TODAY())
    with pytest.raises(Refused, match="移出名单"):
        agreements.apply(enterprise_of("qiye"), {}, by=user("qiye"))


def test_the_database_holds_what_an_agreement_must_be(county: User) -> None:
    made = signed(county)
    for wrong in ({"people": 1}, {"note": "x"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Agreement.objects.filter(pk=made.pk).update(**wrong)
    with pytest.raises(DatabaseError), transaction.atomic():
        Agreement.objects.filter(pk=made.pk).delete()
    other = applied()
    for bad in ({"state": "signed"}, {"state": "approved"}, {"state": "returned"}, {"members": 801},
                {"limit_step": "verify"}, {"number": "7"}):  # fmt: skip
        with pytest.raises(IntegrityError), transaction.atomic():
            Agreement.objects.filter(pk=other.pk).update(**bad)
    agreements.answer(other, by=county, approval="4号")
    with pytest.raises(Refused, match="已有协议号"):
        agreements.sign(other, by=county, number=made.number, signed_on=TODAY())


def form(**given: str) -> RetireeForm:
    values = {k: v for k, v in values_for().items() if k not in ("community", "archive_area")}
    made = RetireeForm(values | given, enterprise=enterprise_of("qiye"))
    assert made.is_valid(), made.errors
    return made


def test_a_clause_settles_another_receiver_and_another_archive_until_its_day(county: User) -> None:
    before = form().cleaned_data
    community = Area.objects.filter(level="community", pk__startswith=demo.CHIBI[:6])[0]
    made = signed(county, receiver=community, archive_area=Area.objects.get(pk=demo.CITY),
                  clauses_until=TODAY(), special="医疗费按季结清")  # fmt: skip
    after = form().cleaned_data
    assert (after["community"], after["archive_area"].pk) == (community, demo.CITY)
    assert before["community"] != community
    typed = form(community=demo.GUIHUA).cleaned_data
    assert typed["community"].pk == demo.GUIHUA  # what is typed goes first
    case = make_transfer(at="verify")
    lines = {f.label: f.value for block in casefile.facts(case, "") for f in block.rows}
    assert "医疗费按季结清" in lines[f"按{made}约定（第五条）"]
    later = agreements.terms(made.enterprise, TODAY() + timedelta(days=1))
    assert (later.receiver, later.archive_area, later.sources) == (None, None, ())
    assert agreements.terms(made.enterprise, TODAY() - timedelta(days=1)).sources == ()
    # A supplement has the later word, for what it says.
    signed(county, "补1", main=made, archive_area=Area.objects.get(pk=demo.XIANAN))
    now = agreements.terms(made.enterprise)
    assert (now.receiver, now.archive_area) == (community, Area.objects.get(pk=demo.XIANAN))


def test_a_clause_settles_another_deadline_in_the_list_and_in_the_count(county: User) -> None:
    sasac = user("gzw")
    area = sasac.offices.get().area
    assert area is not None
    write(area, {"verify": 5, "warn": 1, "basis": "测试文号"}, by=sasac)
    case = make_transfer(at="verify")
    row = TransferStep.objects.get(transfer=case, step="verify")
    rows = TransferStep.objects.filter(pk=row.pk)
    soon = TODAY() + timedelta(days=20)
    usual = deadlines.Clock(soon).due(row, case)
    assert usual is not None
    assert usual.over
    assert "本地规定：5 个工作日" in usual.source
    assert deadlines.Clock(soon).overdue(rows, "verify").count() == 1
    signed(county, limit_step="verify", limit_days=60, clauses_until=soon)
    clock = deadlines.Clock(soon)
    agreed = clock.due(row, case)
    assert agreed is not None
    assert not agreed.over
    assert "约定（第五条）：60 个工作日" in agreed.source
    assert clock.overdue(rows, "verify").count() == 0
    assert deadlines.Clock(soon + timedelta(days=1)).overdue(rows, "verify").count() == 1
    late = deadlines.Clock(TODAY() + timedelta(days=19))
    TransferStep.objects.filter(pk=row.pk).update(opened_at=timezone.now() - timedelta(days=120))
    assert late.overdue(rows, "verify").count() == 1  # an agreed deadline ends, too


def test_the_door_of_article_4_is_told(county: User) -> None:
    entry = enterprise_of("qiye")
    entry.agreement_on = None
    assert entry.door == "未签订移交协议，经国资部门确认后纳入"
    entry.agreement_on = timezone.localdate(entry.confirmed_at)
    assert entry.door == "已签订移交协议，直接纳入"
    entry.confirmed_at = None
    assert entry.door == ""


def test_each_page_offers_what_its_reader_may_do_now(
    sign_in: Callable[[str], Client], county: User
) -> None:
    made = applied()
    url, buttons = made.get_absolute_url(), ("登记批复", "登记签订", "撤回申请")

    def offered(name: str) -> list[str]:
        page = sign_in(name).get(url).content.decode()
        return [button for button in buttons if button in page]

    assert offered(county.username) == ["登记批复"]
    for who, told in ((county.username, True), ("gzw", False)):
        assert ("批复移交协议" in sign_in(who).get(reverse("home")).content.decode()) is told
    assert offered("qiye") == ["撤回申请"]
    assert offered("gzw") == offered("shenji") == []
    agreements.answer(made, by=county, approval="3号")
    assert offered(county.username) == ["登记签订"]
    agreements.sign(made, by=county, number="1", signed_on=TODAY())
    assert offered(county.username) == offered("qiye") == []
    name, register = made.enterprise.name, reverse("enterprises:agreements")
    for code, shown in ((demo.XIANAN, True), (demo.CHIBI, False)):
        page = sign_in("shenji").get(register, {"in": code}).content.decode()
        assert (f">{name}</a>" in page) is shown


def test_the_pages_from_the_application_to_the_signature(
    sign_in: Callable[[str], Client], county: User
) -> None:
    clerk, officer = sign_in("qiye"), sign_in(county.username)
    data = {"enterprise": str(enterprise_of("qiye").pk), "county": demo.XIANAN,
            "base_on": "2026-01-01", "people": "80", "members": "90", "volumes": "79",
            "limit_days": "9"}  # fmt: skip
    url = reverse("enterprises:agreement_apply")
    refused = clerk.post(url, data)
    page = refused.content.decode()
    assert refused.status_code == 422
    assert "党员人数不能多于移交人数" in page
    assert "须同时填写" in page
    assert 'value="79"' in page
    fine = data | {"members": "9", "limit_step": "verify"}
    assert clerk.post(url, fine).status_code == 302
    made = Agreement.objects.get()
    assert (made.party_b, made.limit_days) == ("咸安区人民政府", 9)

    def send(client: Client, name: str, **typed: str) -> Any:
        return client.post(reverse(f"enterprises:agreement_{name}", args=[made.pk]), typed)

    assert send(officer, "answer").status_code == 422
    assert send(officer, "answer", approval="3号").status_code == 302
    assert send(clerk, "edit", **fine).status_code == 302
    assert send(officer, "sign", number="1", signed_on="2999-01-01").status_code == 422
    assert send(officer, "sign", number="协1", signed_on=str(TODAY())).status_code == 302
    shown = officer.get(reverse("enterprises:agreement", args=[made.pk])).content.decode()
    assert "现行有效" in shown
    assert "9 个工作日" in shown
    register = reverse("enterprises:agreements")
    assert made.enterprise.name in officer.get(register, {"state": "signed"}).content.decode()
    assert officer.get(register, {"state": "x"}).status_code == 404
    later = clerk.post(url, fine | {"main": str(made.pk), "county": demo.CHIBI})
    assert "补充协议须与原协议" in later.content.decode()
    assert send(clerk, "withdraw", note="x").status_code == 422
