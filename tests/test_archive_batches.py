"""Personnel files in batches (第六条第4项): packed, sent, checked file by file, receipted."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from archives import batches
from archives.models import PersonnelFile
from tests.crowd import amend
from tests.factories import make_transfer, staff_of
from tests.test_concurrency import race
from transfers import workflow
from transfers.models import Handover, Transfer
from transfers.models.handovers import Counts
from transfers.refusal import Refused
from xianning import walk
from xianning.models import AccessLog, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

SIX = Counts(1, 0, 26, 84)
HOW: dict[str, Any] = {"means": "person", "carrier": "许档员"}


def user(name: str) -> User:
    return User.objects.get(username=name)


def cases(count: int = 3, clerk: str = "qiye") -> list[Transfer]:
    return [make_transfer(at="deliver", clerk=clerk) for _ in range(count)]


def packed(people: list[Transfer]) -> Handover:
    """A counted batch that only has to be sent."""
    handover = batches.pack(people, by=user("qiye"))
    for item in handover.items.all():
        batches.recount(item, by=user("qiye"), counts=SIX, missing="")
    return handover


def sent(people: list[Transfer]) -> Handover:
    return batches.send(packed(people), by=user("qiye"), handed_on=timezone.localdate(), **HOW)


def states(people: list[Transfer], key: str) -> list[str]:
    return [str(workflow.rows_of(case)[key].state) for case in people]


def filled(handover: Handover, **head: Any) -> dict[str, Any]:
    """What the enterprise types for every file of the batch."""
    data: dict[str, Any] = {"means": "person", "carrier": "许档员", "send": "1",
                            "handed_on": timezone.localdate()} | head  # fmt: skip
    for item in handover.items.all():
        row = {"volumes": 1, "duplicates": 0, "pieces": 26, "pages": 84, "missing": ""}
        data |= {f"{item.pk}-{name}": value for name, value in row.items()}
    return data


def checked(handover: Handover, **head: Any) -> dict[str, Any]:
    """What the agency types when every file is as it was sent and nothing is decided yet."""
    data: dict[str, Any] = {"accepted_on": timezone.localdate(), "accepted_by": "陶社保"} | head
    for item in handover.items.filter(state="waiting"):
        data |= {f"{item.pk}-{name}": count for name, count in item.counts._asdict().items()}
    return data


def deed(handover: Handover, name: str) -> str:
    return reverse("archives:deed", args=[handover.pk, name])


@pytest.mark.django_db
class TestThePages:
    def test_a_batch_goes_from_the_queue_to_the_receipt(
        self, sign_in: Callable[[str], Client]
    ) -> None:
        people, clerk, agency = cases(), sign_in("qiye"), sign_in("shebao")
        queue = clerk.get(f"{reverse('transfers:list')}?waiting=deliver").content.decode()
        assert reverse("archives:pack") in queue
        answer = clerk.post(reverse("archives:pack"), {"case": [case.pk for case in people]})
        handover = Handover.objects.get()
        at = reverse("archives:batch", args=[handover.pk])
        assert answer["Location"] == at
        assert agency.get(at).status_code == 404  # nobody else knows of it yet
        assert states(people, "deliver") == ["open"] * 3

        first = handover.items.get(position=1)
        data = filled(handover) | {f"{first.pk}-missing": "招工登记表：企业搬迁时遗失\n工资表:虫蛀"}
        assert clerk.post(deed(handover, "fill"), data).status_code == 302
        handover.refresh_from_db()
        assert (handover.number, handover.carrier) == (f"档转字〔{handover.year}〕第1号", "许档员")
        assert PersonnelFile.of(people[0]).missing == "招工登记表：企业搬迁时遗失；工资表：虫蛀"
        assert states(people, "archives") == ["open"] * 3

        one, two, three = handover.items.all()
        data = checked(handover, first_number="2026-0099", shelf="2库/15柜/3层") | {
            f"{one.pk}-decision": "accept", f"{two.pk}-decision": "accept", f"{two.pk}-pages": 83,
        }  # fmt: skip
        page = agency.post(deed(handover, "check"), data)
        assert page.status_code == 422
        assert "页数送 84、收 83：请说明差异，或选择退回。" in page.content.decode()
        assert states(people, "archives") == ["open"] * 3
        agency.post(deed(handover, "check"), data | {f"{two.pk}-words": "末页缺失"})
        shown = agency.get(at).content.decode()
        assert "部分已查收" in shown
        assert "待查收 1 份" in shown
        data = checked(handover) | {
            f"{three.pk}-decision": "missing",
            f"{three.pk}-words": "缺转正表",
        }
        agency.post(deed(handover, "check"), data)

        handover.refresh_from_db()
        assert handover.state == "closed"
        rows = list(PersonnelFile.objects.order_by("item__position").values_list(
            "archive_number", "location", "item__state", "item__reason"))  # fmt: skip
        assert rows == [
            ("2026-0099", "2库/15柜/3层", "accepted", ""),
            ("2026-0100", "2库/15柜/3层", "noted", "数量差异：页数送 84、收 83，末页缺失"),
            ("", "", "returned", "缺转正表"),
        ]
        assert states(people, "archives") == ["done", "done", "blocked"]
        assert states(people, "deliver") == ["done", "done", "open"]
        seen = clerk.get(reverse("archives:batch", args=[handover.pk])).content.decode()
        assert "办结，回执退回" in seen
        assert "材料缺少" in seen

        again = batches.pack([people[2]], by=user("qiye"))  # what came back goes in a new batch
        assert again.items.get().transfer == people[2]
        assert handover.items.get(position=3).state == "returned"

    def test_the_rest_is_accepted_with_one_press(self, sign_in: Callable[[str], Client]) -> None:
        people = cases()
        handover = sent(people)
        taken = make_transfer(at="archives")
        workflow.complete(taken, "archives", by=user("shebao"), got=SIX, accepted_by="陶社保",
                          accepted_on=timezone.localdate(), archive_number="2026-0002",
                          location="", remarks="")  # fmt: skip
        data = checked(handover, first_number="2026-0001", rest="on")
        sign_in("shebao").post(deed(handover, "check"), data)
        numbers = handover.items.values_list("file__archive_number", flat=True)
        assert list(numbers) == ["2026-0001", "2026-0003", "2026-0004"]
        assert states(people, "archives") == ["done"] * 3

    @pytest.mark.parametrize(
        ("typed", "says"),
        [
            ({"carrier": "本人"}, "不得由退休人员本人自带"),
            ({"carrier": "NAME"}, "不得由退休人员本人自带"),
            ({"means": "ems"}, "选择一个有效的选项"),
            ({"means": "here"}, "选择一个有效的选项"),
            ({"missing": "招工登记表"}, "须写明材料名称和缺少的原因"),
            ({"missing": "招工登记表："}, "须写明材料名称和缺少的原因"),
            ({"handed_on": "2099-01-01"}, "转递日期不能晚于今天"),
            ({"pages": "-1"}, "大于或等于"),
        ],
    )
    def test_what_is_wrong_is_said_beside_it_and_the_typing_stays(
        self, typed: dict[str, str], says: str, sign_in: Callable[[str], Client]
    ) -> None:
        people = cases(1)
        handover = batches.pack(people, by=user("qiye"))
        item = handover.items.get()
        data = filled(handover)
        for name, value in typed.items():
            key = name if name in data else f"{item.pk}-{name}"
            data[key] = people[0].retiree.name if value == "NAME" else value
        page = sign_in("qiye").post(deed(handover, "fill"), data)
        assert page.status_code == 422
        assert says in page.content.decode()
        assert 'value="26"' in page.content.decode()
        assert Handover.objects.get().state == "packing"

    def test_local_policy_lets_files_go_by_courier(
        self, sign_in: Callable[[str], Client], settings: Any
    ) -> None:
        settings.ARCHIVE_MEANS = ["ems"]
        handover = batches.pack(cases(1), by=user("qiye"))
        data = filled(handover, means="ems", carrier="EMS 1234567890")
        assert sign_in("qiye").post(deed(handover, "fill"), data).status_code == 302
        assert Handover.objects.get().means == "ems"

    def test_a_file_that_was_not_counted_holds_the_batch_back(
        self, sign_in: Callable[[str], Client]
    ) -> None:
        people = cases(2)
        handover = batches.pack(people, by=user("qiye"))
        data = filled(handover) | {f"{handover.items.get(position=2).pk}-pieces": ""}
        page = sign_in("qiye").post(deed(handover, "fill"), data, follow=True)
        assert f"请先填写{people[1].retiree.name}的档案材料份数" in page.content.decode()
        assert Handover.objects.get().state == "packing"
        assert states(people, "deliver") == ["open", "open"]

    def test_each_side_has_its_deeds_and_strangers_none(
        self, sign_in: Callable[[str], Client]
    ) -> None:
        handover = sent(cases(1))
        for who, name, status in (
            ("shebao", "fill", 403), ("qiye", "check", 403), ("qiye_chibi", "fill", 404),
            ("shebao_chibi", "check", 404), ("qiye", "burn", 404), ("shequ", "check", 403),
        ):  # fmt: skip
            assert sign_in(who).post(deed(handover, name)).status_code == status, (who, name)

    def test_packing_is_undone_without_a_trace_on_the_cases(
        self, sign_in: Callable[[str], Client]
    ) -> None:
        people = cases(2)
        handover = batches.pack(people, by=user("qiye"))
        with pytest.raises(Refused, match="已装入一批待移交档案"):
            workflow.complete(people[0], "deliver", by=user("qiye"), counts=SIX, missing="",
                              handed_on=timezone.localdate(), **HOW)  # fmt: skip
        item = handover.items.get(position=1)
        data = filled(handover) | {f"{item.pk}-leave": "on"}
        del data["send"]
        sign_in("qiye").post(deed(handover, "fill"), data)
        assert handover.items.get().transfer == people[1]
        sign_in("qiye").post(deed(handover, "drop"))
        assert not Handover.objects.exists()
        assert not PersonnelFile.objects.exists()
        assert states(people, "deliver") == ["open", "open"]

    def test_the_paper_is_on_record_for_everybody_in_the_batch(
        self, sign_in: Callable[[str], Client]
    ) -> None:
        people = cases(2)
        handover, clerk = packed(people), sign_in("qiye")
        url = reverse("archives:batch_paper", args=[handover.pk, "note"])
        assert clerk.post(url).status_code == 302  # not sent: nothing to print
        assert not AccessLog.objects.filter(kind="paper").exists()
        batches.send(handover, by=user("qiye"), handed_on=timezone.localdate(), **HOW)
        assert clerk.post(url).content.startswith(b"%PDF")
        assert clerk.post(url.replace("note", "burn")).status_code == 404
        logged = AccessLog.objects.filter(kind="paper").values_list("transfer", flat=True)
        assert set(logged) == {case.pk for case in people}


@pytest.mark.django_db
def test_a_batch_is_sent_whole_or_not_at_all() -> None:
    people = cases(2)
    handover = packed(people)
    amend(people[1], user("qiye"), home_phone="13900000001")  # he has to sign anew
    with pytest.raises(Refused, match=f"{people[1].retiree.name}：须先完成“基本信息确认”"):
        batches.send(handover, by=user("qiye"), handed_on=timezone.localdate(), **HOW)
    assert Handover.objects.get().number == ""
    assert states(people, "deliver") == ["open", "blocked"]


@pytest.mark.django_db
def test_files_for_two_agencies_are_two_batches() -> None:
    here, other = cases(1), cases(1, "qiye_chibi")
    with pytest.raises(Refused, match="只能由一个移交单位送往一个接收地"):
        batches.pack(here + other, by=user("qiye"))
    with pytest.raises(Refused, match="没有选中"):
        batches.pack([], by=user("qiye"))


@pytest.mark.django_db
def test_what_cannot_be_packed_or_taken_back_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    (here, more), gone = cases(2), make_transfer(at="archives")
    with pytest.raises(Refused, match=f"{gone.retiree.name}：“移交人事档案”已由"):
        batches.pack([gone], by=user("qiye"))
    handover = packed([here])
    elsewhere = make_transfer(at="deliver", clerk="qiye_chibi")
    with pytest.raises(Refused, match="的档案接收地不是"):
        PersonnelFile.pack(handover, elsewhere, by=user("qiye"), counts=SIX)
    monkeypatch.setattr(batches, "MOST_FILES", 1)
    with pytest.raises(Refused, match="一批最多 1 份档案"):
        batches.pack([more], by=user("qiye"))
    handover = batches.send(handover, by=user("qiye"), handed_on=timezone.localdate(), **HOW)
    batches.withdraw(handover, by=user("qiye"), reason="装错了。")
    with pytest.raises(Refused, match="已撤回，不能撤回"):
        batches.withdraw(handover, by=user("qiye"), reason="装错了。")


@pytest.mark.django_db
def test_what_was_taken_out_meanwhile_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    handover = packed(cases(2))
    item = handover.items.get(position=1)
    monkeypatch.setattr(
        "archives.batches.handovers.lock_cases",
        lambda _keys: batches.take_out(item, by=user("qiye")),
    )
    with pytest.raises(Refused, match="此批的内容刚有变化"):
        batches.send(handover, by=user("qiye"), handed_on=timezone.localdate(), **HOW)


@pytest.mark.django_db
def test_one_number_is_given_once() -> None:
    facts: dict[str, Any] = {
        "accepted_on": timezone.localdate(), "accepted_by": "陶社保", "location": "",
             "remarks": "", "archive_number": "2026-0001", "got": SIX}  # fmt: skip
    first, second = (make_transfer(at="archives") for _ in range(2))
    workflow.complete(first, "archives", by=user("shebao"), **facts)
    with pytest.raises(Refused, match="档案编号 2026-0001 已使用"):
        workflow.complete(second, "archives", by=user("shebao"), **facts)


def test_numbers_run_on_from_the_last_digits() -> None:
    numbers = batches.numbers_from("DA-2026-0099号")
    assert [next(numbers) for _ in range(2)] == ["DA-2026-0099号", "DA-2026-0100号"]
    with pytest.raises(Refused, match="须以数字结尾"):
        next(batches.numbers_from("咸安"))


@pytest.mark.django_db
def test_a_page_asks_as_often_for_twelve_files_as_for_three(
    sign_in: Callable[[str], Client],
) -> None:
    few, many = sent(cases(3)), sent(cases(12))
    for who in ("qiye", "shebao"):
        client, asked = sign_in(who), []
        for handover in (few, many):
            client.get(reverse("archives:batch", args=[handover.pk]))
            with CaptureQueriesContext(connection) as queries:
                client.get(reverse("archives:batch", args=[handover.pk]))
            asked.append(len(queries))
        assert asked[0] == asked[1]


@pytest.mark.django_db
def test_the_list_asks_as_often_for_twelve_batches_as_for_three(
    sign_in: Callable[[str], Client],
) -> None:
    client, asked = sign_in("shebao"), []
    for more in (3, 9):
        for _ in range(more):
            sent(cases(1))
        with CaptureQueriesContext(connection) as queries:
            page = client.get(reverse("archives:batches"))
        asked.append(len(queries))
    assert len(page.context["page"].rows) == 12
    assert asked[0] == asked[1]


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_withdrawn_batch_is_not_accepted_whoever_comes_first() -> None:
    clerk, agency = user("qiye"), staff_of("qiye")["insurance"]
    receipt = {"accepted_on": timezone.localdate(), "accepted_by": "陶社保"}
    for turn in range(5):
        people = cases(3)
        handover = sent(people)
        items = list(handover.items.select_related("transfer__retiree").order_by("-position"))
        decisions = [
            batches.Decision(item, got=SIX, number=f"{turn}-{item.position}") for item in items
        ]
        said = race([
            partial(batches.withdraw, handover, by=clerk, reason="装错了。"),
            partial(batches.check, handover, decisions, by=agency, **receipt),
            partial(workflow.withdraw, people[0], "deliver", by=clerk, code="other", reason="错了。"),
        ])  # fmt: skip
        wrong = [a for a in said if isinstance(a, Exception) and not isinstance(a, Refused)]
        assert not wrong
        handover.refresh_from_db()
        assert handover.state in ("closed", "withdrawn")
        for case, item in zip(people, handover.items.all(), strict=True):
            rows = workflow.rows_of(case)
            done = (rows["deliver"].state, rows["archives"].state)
            assert done == (("done", "done") if item.state == "accepted" else ("open", "blocked"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("at", "key", "who", "shown"),
    [
        ("deliver", "deliver", "qiye", ("26", "84")),
        ("archives", "archives", "shebao", ("26", "84")),
    ],
)
def test_what_was_counted_is_shown_before_it_is_final(
    at: str, key: str, who: str, shown: tuple[str, ...], sign_in: Callable[[str], Client]
) -> None:
    case = make_transfer(at=at)
    page = sign_in(who).post(
        reverse("transfers:act", args=[case.pk, key]), walk.answers(case, key)
    ).content.decode()  # fmt: skip
    assert "请核对" in page
    said = re.findall(r"<dd>\s*(\S+)\s*</dd>", page)
    assert set(shown) <= set(said)
    assert Transfer.objects.get(pk=case.pk).steps.get(step=key).state == "open"
