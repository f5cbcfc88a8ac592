"""管理台账: what a community sees of its people, changes of one and of many, and what they touch."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from communities import care, events, ledger, ledger_filters
from communities.ledger import Wish
from communities.ledger_forms import TYPED, EntryForm
from communities.models import Area, Reception, SavedView
from communities.rosters import LEDGER
from tests.factories import make_transfer
from transfers.models import Retiree, StepEvent, Transfer, TransferStep
from transfers.refusal import Refused
from xianning import demo, exports, standards
from xianning.models import AuditEvent, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

pytestmark = pytest.mark.django_db
LIST = "communities:ledger"
KEEPER = "shequ"


def user(name: str = KEEPER) -> User:
    return User.objects.get(username=name)


def entered(at: str = "done", **given: Any) -> Reception:
    """An entry of the ledger of the first community; at `archives` the case is still open."""
    case = make_transfer(at=at if at == "done" else "community", **given)
    if at != "done":
        from tests.factories import staff_of
        from xianning import walk

        case = walk.take(case, "community", staff_of("qiye")["community"])
    return Reception.objects.select_related("transfer__retiree", "community").get(transfer=case)


def names(response: Any) -> set[str]:
    return {entry.transfer.retiree.name for entry, _cells in response.context["lines"]}


def shown(client: Client, **query: Any) -> set[str]:
    response = client.get(reverse(LIST), query)
    assert response.status_code == 200
    return names(response)


def set_person(entry: Reception, **values: Any) -> None:
    person = Retiree.objects.get(pk=entry.transfer.retiree_id)
    for name, value in values.items():
        setattr(person, name, value)
    person.save()


def confirm(client: Client, url: str, **data: Any) -> Any:
    """Fill in, look at before and after, press the second button."""
    check = client.post(url, data)
    assert check.status_code == 200
    assert "请核对" in check.content.decode()
    more = {"as_of": check.context["as_of"], "confirmed": "1"}
    return client.post(url, data | more, follow=True)


# --- the list -----------------------------------------------------------------------------------


def test_the_list_shows_the_people_of_the_community_masked(
    sign_in: Callable[[str], Client],
) -> None:
    mine, other = entered(name="甲一"), entered(name="乙二", clerk="qiye_chibi")
    client = sign_in(KEEPER)
    assert shown(client) == {"甲一"}
    everything = {"col": [column.heading for column in LEDGER.columns]}
    page = client.get(reverse(LIST), everything).content.decode()
    person = mine.transfer.retiree
    for secret in (person.id_number, person.home_phone, person.home_address, person.contact1_phone):
        assert secret
        assert secret not in page
    assert mine.ledger_number in page
    assert client.get(other.get_absolute_url()).status_code == 404
    assert shown(sign_in("jiedao")) == {"甲一"}  # the street above
    assert sign_in("qiye").get(reverse(LIST)).status_code == 403


def test_each_filter_finds_its_people_and_no_others(sign_in: Callable[[str], Client]) -> None:
    client = sign_in(KEEPER)
    old, ill, away, member, stale = (
        entered(name=name, party_member=name == "党员")
        for name in ("老人", "病人", "外地", "党员", "久未")
    )
    for entry in (ill, away, member, stale):
        set_person(entry, birth_date=date(1960, 5, 5), special_groups=[], residence="local")
    set_person(old, birth_date=date(1930, 1, 1), special_groups=[], residence="local")
    set_person(ill, special_groups=["ill", "lives_alone"])
    set_person(away, residence="elsewhere")
    long_ago = timezone.localdate() - timedelta(days=400)
    stale.verified_on = long_ago
    stale.save()
    assert shown(client) == {"老人", "病人", "外地", "党员", "久未"}
    assert shown(client, group="ill") == shown(client, group="lives_alone") == {"病人"}
    assert shown(client, group="hardship") == set()
    assert shown(client, aged="80") == {"老人"}
    assert shown(client, living="elsewhere") == {"外地"}
    assert shown(client, member="yes") == {"党员"}
    assert "党员" not in shown(client, member="no")
    assert shown(client, state="stale") == {"久未"}
    assert shown(client, verified_before=long_ago + timedelta(days=1)) == {"久未"}
    assert shown(client, verified_before=long_ago) == set()
    assert shown(client, state="closed") == set()
    events.report(ill.transfer, by=user(), kind="died", happened_on=timezone.localdate())
    assert shown(client, state="closed") == {"病人"}
    assert "病人" not in shown(client, state="active")
    assert len(shown(client, enterprise=old.transfer.enterprise_id)) == 5
    assert shown(client, enterprise=old.pk) == set()
    assert len(shown(client, community=demo.GUIHUA)) == 5
    assert shown(client, community=demo.WANNIAN) == set()
    for wrong in ("group=x", "state=x", "community=1", "enterprise=1", "verified_before=x", "sort=name",
                  "col=密码", "q=x", "aged=1", "living=x", "member=x"):  # fmt: skip
        assert client.get(f"{reverse(LIST)}?{wrong}").status_code == 404, wrong


def test_whose_certification_is_due_within_sixty_days_and_that_it_was_done(
    sign_in: Callable[[str], Client],
) -> None:
    """待遇领取资格认证: every twelve months; the community helps and writes down the day."""
    today = timezone.localdate()
    days = {"今到": 0, "将到": 60, "未到": 61, "逾期": -1, "没有": None}
    people = {}
    for name, ahead in days.items():
        people[name] = entered(name=name)
        last = None if ahead is None else care.birthday(today + timedelta(days=ahead), -1)
        set_person(people[name], certified_on=last)
    client = sign_in(KEEPER)
    assert shown(client, certify="soon") == {"今到", "将到"}
    assert shown(client, certify="over") == {"逾期"}
    assert shown(client, certify="none") == {"没有"}
    assert client.get(f"{reverse(LIST)}?certify=x").status_code == 404
    home = client.get(reverse("home")).content.decode()
    assert "资格认证（60 天内到期）" in home
    late = people["逾期"]
    confirm(client, reverse("communities:ledger_change", args=[late.pk]), certified="on")
    assert Retiree.objects.get(pk=late.transfer.retiree_id).certified_on == today
    assert shown(client, certify="over") == set()
    events.report(people["将到"].transfer, by=user(), kind="died", happened_on=today)
    assert shown(client, certify="soon") == {"今到"}


def test_the_longest_not_verified_come_first_when_asked(
    sign_in: Callable[[str], Client],
) -> None:
    first, second = entered(name="甲一"), entered(name="乙二")
    for entry, days in ((first, 10), (second, 500)):
        entry.verified_on = timezone.localdate() - timedelta(days=days)
        entry.save()
    page = sign_in(KEEPER).get(reverse(LIST), {"sort": "verified"})
    assert [entry for entry, _cells in page.context["lines"]] == [second, first]


def test_a_name_or_number_is_found_and_stands_in_no_address(
    sign_in: Callable[[str], Client],
) -> None:
    entry, _other = entered(name="欧阳建国"), entered(name="甲一")
    client = sign_in(KEEPER)
    for words in ("建国", "欧阳建国", entry.transfer.retiree.id_number):
        found = client.post(reverse(LIST), {"q": words}, follow=True)
        assert names(found) == {"欧阳建国"}
        assert words not in found.redirect_chain[0][0]
    assert entry.transfer.retiree.id_number not in found.content.decode()
    assert client.post(reverse(LIST), {"q": ""}, follow=True).status_code == 200


def test_pages_go_on_by_key(
    sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xianning.pages.keyset.__kwdefaults__", {
        "size": 2, "count": False, "by_time": "", "key": "pk"})  # fmt: skip
    made = {entered(name=name).transfer.retiree.name for name in ("甲一", "乙二", "丙三")}
    client = sign_in(KEEPER)
    for start in ("?", "?sort=verified"):
        first = client.get(reverse(LIST) + start)
        second = client.get(reverse(LIST) + first.context["page"].next_url)
        assert names(first) | names(second) == made
        assert len(names(second)) == 1


def test_three_and_twelve_rows_cost_equally_many_queries(
    sign_in: Callable[[str], Client],
) -> None:
    client = sign_in(KEEPER)
    everything = {"col": [column.heading for column in LEDGER.columns], "group": "ill"}

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(reverse(LIST), everything).status_code == 200
        assert not [q for q in queries if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
        return len(queries)

    def add(people: int) -> None:
        for _ in range(people):
            set_person(entered(party_member=True), special_groups=["ill"])

    add(3)
    count()
    few = count()
    add(9)
    assert count() <= few


def test_the_desk_asks_as_much_for_twelve_people_as_for_three(
    sign_in: Callable[[str], Client],
) -> None:
    client = sign_in(KEEPER)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            page = client.post(reverse("communities:desk"), {"q": "建国"})
        assert page.status_code == 200
        return len(queries)

    for number in range(2):
        make_transfer(at="community", name=f"王建国{'一二'[number]}")
    entered(name="李建国")
    few = count()
    for letter in "三四五六七八九十":
        make_transfer(at="community", name=f"王建国{letter}")
    entered(name="赵建国")
    assert count() <= few


def test_a_group_is_sought_among_so_many_only_and_by_keepers_only(
    monkeypatch: pytest.MonkeyPatch, sign_in: Callable[[str], Client]
) -> None:
    for name in ("甲一", "乙二"):
        entered(name=name)
    rows = Reception.objects.all()
    with pytest.raises(standards.NotValid, match="仅供街道、社区"):
        ledger_filters.narrow(rows, user("rs"), "group=ill")
    monkeypatch.setattr(ledger_filters, "MOST_OPENED", 1)
    page = sign_in(KEEPER).get(reverse(LIST), {"group": "ill"})
    assert "最多查" in page.content.decode()
    assert names(page) == set()


# --- columns, views, export ---------------------------------------------------------------------


def test_columns_are_chosen_and_kept_with_a_view_of_ones_own(
    sign_in: Callable[[str], Client],
) -> None:
    entered(name="甲一")
    client = sign_in(KEEPER)
    query = "col=姓名&col=专管员&living=local&q=secret&after=x"
    saved = client.post(
        reverse("communities:ledger_view_save"), {"name": "常用的", "address": query}, follow=True
    )
    view = SavedView.objects.get()
    assert (view.query, view.columns) == ("living=local", ["姓名", "专管员"])  # no name is kept
    assert [c.heading for c in saved.context["columns"]] == ["姓名", "专管员"]
    again = {"name": "常用的", "address": "state=stale"}
    client.post(reverse("communities:ledger_view_save"), again)
    assert SavedView.objects.get().query == "state=stale"  # the same name is written anew
    assert not SavedView.objects.visible_to(user("jiedao")).exists()
    other = {"name": "常用的", "address": "state=closed"}
    sign_in("jiedao").post(reverse("communities:ledger_view_save"), other)
    view.refresh_from_db()
    assert view.query == "state=stale"  # another's of the same name is another
    SavedView.objects.exclude(pk=view.pk).delete()
    drop = reverse("communities:ledger_view_drop", args=[view.pk])
    assert sign_in("jiedao").post(drop).status_code == 404
    assert "常用的" not in sign_in("jiedao").get(reverse(LIST)).content.decode()
    assert sign_in(KEEPER).post(drop).status_code == 302
    assert not SavedView.objects.exists()


def test_a_view_needs_a_name_and_there_are_only_so_many(
    sign_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, url = sign_in(KEEPER), reverse("communities:ledger_view_save")
    client.post(url, {"name": "", "address": ""})
    client.post(url, {"name": "错", "address": "state=x"})
    assert not SavedView.objects.exists()
    monkeypatch.setattr("communities.ledger_views.VIEWS_EACH", 1)
    client.post(url, {"name": "一", "address": ""})
    client.post(url, {"name": "二", "address": ""})
    assert SavedView.objects.get().name == "一"


def test_the_narrowed_list_goes_into_the_export(sign_in: Callable[[str], Client]) -> None:
    one, _two = entered(name="甲一"), entered(name="乙二")
    set_person(one, special_groups=["ill"])
    client = sign_in(KEEPER)
    link = client.get(reverse(LIST), {"group": "ill"}).context["export_url"]
    page = client.get(link)
    assert [line[2] for line in page.context["lines"]] == ["甲一"]
    assert page.context["form"]["query"].value() == "group=ill"
    wish = exports.Wish(LEDGER, "xlsx", query="group=ill")
    made = exports.ask(user(), wish, queue=False)
    assert made.rows == 1
    assert exports.in_words(made.filters) == "台账中按条件筛选的人"
    assert exports.make(made, lambda *_: None).rows == 1
    with pytest.raises(exports.Refused, match="仅供街道、社区"):
        exports.ask(user("rs"), wish, queue=False)
    assert sign_in("rs").get(link).status_code == 404


# --- one entry ----------------------------------------------------------------------------------


def test_a_correction_goes_to_the_person_and_its_history_is_told(
    sign_in: Callable[[str], Client],
) -> None:
    entry, client = entered(), sign_in(KEEPER)
    url = reverse("communities:ledger_change", args=[entry.pk])
    page = client.get(url).content.decode()
    for name in TYPED:
        value = getattr(entry.transfer.retiree, name)
        assert not value or name.endswith("relation") or value not in page
    answer = confirm(client, url, home_phone="13900000001", remarks="新电话", verified="on",
                     added=["lives_alone"], officer="李专管")  # fmt: skip
    assert answer.status_code == 200
    entry = Reception.objects.get(pk=entry.pk)
    person = entry.transfer.retiree
    assert person.home_phone == "13900000001"
    assert "lives_alone" in person.special_groups
    assert Transfer.objects.with_phone("13900000001").get() == entry.transfer
    assert (entry.remarks, entry.officer) == ("新电话", "李专管")
    assert (entry.verified_on, entry.verified_by) == (timezone.localdate(), user())
    told = AuditEvent.objects.get(action="ledger_change")
    assert told.object_id == str(entry.pk)
    assert "常住地电话" in told.facts["fields"]
    lines = ledger.timeline(entry)
    assert {str(user())} <= {line.who for line in lines}
    changes = {c.label: (c.before, c.after) for line in lines for c in line.changes}
    assert changes["备注"] == ("未填", "新电话")
    assert "13900000001" not in str(changes["常住地电话"])  # masked there, too
    history = client.get(entry.get_absolute_url()).content.decode()
    assert "新电话" in history
    assert "13900000001" not in history


def test_a_printed_change_ends_the_signature_and_another_does_not() -> None:
    entry = entered(at="archives")
    case = entry.transfer
    ledger.change(entry, Wish(entry={"remarks": "甲"}, verified=True), by=user())
    case.refresh_from_db()
    assert (case.form_version, bool(case.valid_form)) == (1, True)
    ledger.change(entry, Wish(person={"home_phone": "13900000001"}), by=user())
    case.refresh_from_db()
    assert (case.form_version, case.valid_form) == (2, None)
    states = dict(TransferStep.objects.filter(transfer=case).values_list("step", "state"))
    assert (states["confirm"], states["community"]) == ("open", "done")
    told = StepEvent.objects.filter(transfer=case, verb__in=("amend", "invalidate"))
    assert {(event.verb, event.step) for event in told} == {
        ("amend", "community"), ("invalidate", "confirm"),
    }  # fmt: skip


def test_a_finished_handover_stays_finished_when_only_its_paper_is_outdated() -> None:
    entry = entered()
    ledger.change(entry, Wish(person={"home_phone": "13900000001"}), by=user())
    case = Transfer.objects.get(pk=entry.transfer_id)
    assert (case.state, case.form_version, case.valid_form) == ("done", 2, None)
    assert not TransferStep.objects.filter(transfer=case, state="open").exists()


def test_what_is_no_longer_true_is_taken_out(sign_in: Callable[[str], Client]) -> None:
    entry, client = entered(), sign_in(KEEPER)
    url = reverse("communities:ledger_change", args=[entry.pk])
    both = client.post(url, {"cleared": ["contact1_name"], "contact1_name": "新人"})
    assert (both.status_code, "只选一种" in both.content.decode()) == (422, True)
    assert client.post(url, {}).status_code == 422  # nothing to change
    assert client.post(url, {"home_phone": "12"}).status_code == 422
    assert client.post(url, {"officer_phone": "12"}).status_code == 422
    clash = client.post(url, {"added": ["ill"], "dropped": ["ill"]})
    assert "不能既增加又取消" in clash.content.decode()
    confirm(client, url, cleared=["contact1_name"])
    assert Retiree.objects.get(pk=entry.transfer.retiree_id).contact1_name == ""
    back = client.post(url, {"remarks": "甲", "change": "1"})
    assert 'value="甲"' in back.content.decode()


def test_what_cannot_be_changed_is_refused_with_its_sentence(
    sign_in: Callable[[str], Client],
) -> None:
    entry = entered()
    wish = Wish(entry={"remarks": "甲"})
    with pytest.raises(Refused, match="登记和更改"):
        ledger.change(entry, wish, by=user("shequ_wannian"))
    seen = timezone.now()
    ledger.change(entry, wish, by=user("jiedao"))  # the street may in its stead
    with pytest.raises(Refused, match="他人更改"):
        ledger.change(entry, Wish(entry={"remarks": "乙"}), by=user(), since=seen)
    set_person(entry, home_phone="13900000002")
    with pytest.raises(Refused, match="他人更改"):
        ledger.change(
            entry, Wish(verified=True), by=user(), since=timezone.now() - timedelta(seconds=60)
        )
    assert ledger.change(entry, wish, by=user()) == []  # nothing new, nothing written
    assert AuditEvent.objects.filter(action="ledger_change").count() == 1
    events.report(entry.transfer, by=user(), kind="died", happened_on=timezone.localdate())
    with pytest.raises(Refused, match="已不在本社区管理"):
        ledger.change(entry, Wish(verified=True), by=user())
    client = sign_in(KEEPER)
    refused = client.get(reverse("communities:ledger_change", args=[entry.pk]), follow=True)
    assert "已不在本社区管理" in refused.content.decode()


def test_the_record_of_a_person_is_corrected_by_who_keeps_him_only() -> None:
    from transfers import workflow

    values = {"home_phone": "13900000001"}
    with pytest.raises(Refused, match="没有在社区报到"):
        workflow.correct(make_transfer(at="community"), values, by=user())
    with pytest.raises(Refused, match="核实和更正"):
        workflow.correct(entered().transfer, values, by=user("qiye"))
    assert workflow.correct(entered().transfer, {}, by=user()) == []


def test_nothing_is_written_before_it_was_looked_at(sign_in: Callable[[str], Client]) -> None:
    entry, client = entered(), sign_in(KEEPER)
    url = reverse("communities:ledger_change", args=[entry.pk])
    for as_of in ("", "x", "2026-01-01"):
        blind = client.post(url, {"remarks": "甲", "confirmed": "1", "as_of": as_of})
        assert blind.status_code == 403
    assert not AuditEvent.objects.filter(action="ledger_change").exists()


def test_the_form_never_holds_what_is_on_record() -> None:
    entry = entered()
    form = EntryForm(entry=entry, by=user())
    assert not form.initial
    assert not [name for name in TYPED if form[name].value()]


def test_the_data_of_who_was_erased_is_not_written_anew() -> None:
    entry = entered()
    set_person(entry, erased_at=timezone.now())
    entry = Reception.objects.get(pk=entry.pk)
    with pytest.raises(Refused, match="依法删除"):
        ledger.change(entry, Wish(person={"home_phone": "13900000001"}), by=user())


def test_what_another_community_reported_before_is_not_told_here(
    sign_in: Callable[[str], Client],
) -> None:
    entry, client = entered(), sign_in(KEEPER)
    today = timezone.localdate()
    event = events.report(entry.transfer, by=user(), kind="sentenced", happened_on=today)
    assert "被判刑" in client.get(entry.get_absolute_url()).content.decode()
    event.community_id = demo.BEIJIE
    event.save()
    assert "被判刑" not in client.get(entry.get_absolute_url()).content.decode()


# --- many ---------------------------------------------------------------------------------------


def test_many_are_changed_after_before_and_after_were_shown(
    sign_in: Callable[[str], Client],
) -> None:
    one, two = entered(name="甲一"), entered(name="乙二")
    foreign = entered(clerk="qiye_chibi")
    for entry in (one, two):
        set_person(entry, special_groups=[], residence="local")
    client, url = sign_in(KEEPER), reverse("communities:ledger_bulk")
    ticked = {"entry": [one.pk, two.pk, foreign.pk]}
    asked = client.post(url, ticked)
    assert {entry.pk for entry in asked.context["entries"]} == {one.pk, two.pk}
    assert client.post(url, ticked | {"answered": "1"}).status_code == 422
    answers = ticked | {"answered": "1", "added": ["lives_alone"], "residence": "elsewhere",
                        "verified": "on", "remarks": "走访"}  # fmt: skip
    check = client.post(url, answers)
    text = check.content.decode()
    assert "异地居住人员" in text
    assert "本地居住人员" in text
    assert Reception.objects.filter(remarks="走访").count() == 0
    done = client.post(
        url, answers | {"confirmed": "1", "as_of": check.context["as_of"]}, follow=True
    )
    assert "已更改 2 人" in done.content.decode()
    assert AuditEvent.objects.filter(action="ledger_change").count() == 2
    for entry in (one, two):
        person = Retiree.objects.get(pk=entry.transfer.retiree_id)
        assert (person.special_groups, person.residence) == (["lives_alone"], "elsewhere")
        assert entry.history.count() == 2
        assert person.history.first().history_user == user()
    assert Reception.objects.get(pk=foreign.pk).remarks == ""
    drop = ticked | {"answered": "1", "dropped": ["lives_alone"]}
    check = client.post(url, drop)
    client.post(url, drop | {"confirmed": "1", "as_of": check.context["as_of"]})
    assert Retiree.objects.get(pk=one.transfer.retiree_id).special_groups == []


def test_who_was_changed_meanwhile_is_left_out_and_named(
    sign_in: Callable[[str], Client],
) -> None:
    one, two = entered(name="甲一"), entered(name="乙二")
    client, url = sign_in(KEEPER), reverse("communities:ledger_bulk")
    gone = entered(name="丙三")
    events.report(gone.transfer, by=user(), kind="died", happened_on=timezone.localdate())
    told = client.post(url, {"entry": [gone.pk], "answered": "1", "remarks": "走访"})
    assert "已不在本社区管理" in told.content.decode()  # before it is tried
    answers = {"entry": [one.pk, two.pk], "answered": "1", "remarks": "走访"}
    check = client.post(url, answers)
    ledger.change(two, Wish(entry={"remarks": "别人写的"}), by=user("jiedao"))
    done = client.post(
        url, answers | {"confirmed": "1", "as_of": check.context["as_of"]}, follow=True
    ).content.decode()
    assert "已更改 1 人" in done
    assert "乙二：核对之后" in done
    two.refresh_from_db()
    assert two.remarks == "别人写的"
    empty = client.post(url, {"entry": "x"}, follow=True).content.decode()
    assert "没有选中" in empty


# --- the yearly check ---------------------------------------------------------------------------


def test_home_counts_who_was_not_verified_for_a_year(sign_in: Callable[[str], Client]) -> None:
    entry, client = entered(), sign_in(KEEPER)
    home = reverse("home")
    assert "核实台账信息" not in client.get(home).content.decode()
    entry.verified_on = timezone.localdate() - timedelta(days=366)
    entry.save()
    assert entry.is_stale
    assert "核实台账信息" in client.get(home).content.decode()
    assert "核实台账信息" not in sign_in("qiye").get(home).content.decode()
    assert not Reception.objects.kept_by(user("shequ_wannian")).stale().exists()
    ledger.change(entry, Wish(verified=True), by=user())
    assert "核实台账信息" not in sign_in(KEEPER).get(home).content.decode()


def test_the_street_chooses_among_its_communities(sign_in: Callable[[str], Client]) -> None:
    entered(name="甲一")
    context = sign_in("jiedao").get(reverse(LIST)).context
    mine = Area.objects.get(pk=demo.GUIHUA)
    assert (mine.pk, mine.name) in context["communities"]
    assert sign_in(KEEPER).get(reverse(LIST)).context["communities"] == []


def test_a_page_of_the_ledger_is_found_by_an_index() -> None:
    entered()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    rows = Reception.objects.kept_by(user()).order_by("-pk")[:51]
    stale = Reception.objects.kept_by(user()).order_by("verified_on", "pk")[:51]
    for plan in (rows.explain(), stale.explain()):
        assert "Seq Scan" not in plan
        assert "reception_" in plan
