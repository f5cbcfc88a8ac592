"""Consultation and lending register of the agency: who, why, what, from–to, overdue."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from archives.models import FileLoan, PersonnelFile
from tests.factories import make_transfer
from tests.test_archive_batches import SIX, user
from tests.test_concurrency import race
from transfers import workflow
from transfers.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

WHO = {"kind": "lend", "person": "查档员", "office": "赤壁市某厂", "letter": "介绍信3号",
       "purpose": "核对工龄", "what": "九-1 工资类"}  # fmt: skip


def stored() -> PersonnelFile:
    """A file that the agency has taken in."""
    case = make_transfer(at="archives")
    facts: dict[str, Any] = {"accepted_by": "陶社保", "accepted_on": timezone.localdate(),
                             "location": "2库/15柜/3层", "remarks": "", "got": SIX}  # fmt: skip
    workflow.complete(case, "archives", by=user("shebao"), archive_number=case.number, **facts)
    return PersonnelFile.of(case)


def lent(days: int = 0) -> FileLoan:
    today = timezone.localdate()
    return FileLoan.give(stored(), by=user("shebao"), taken_on=today - timedelta(days=days + 1),
                         due_on=today - timedelta(days=days), **WHO)  # fmt: skip


@pytest.mark.django_db
class TestTheRegister:
    def test_a_file_is_given_once_and_given_again_when_it_is_back(
        self, sign_in: Callable[[str], Client]
    ) -> None:
        file, agency, today = stored(), sign_in("shebao"), timezone.localdate()
        url = reverse("archives:loan_give", args=[file.transfer_id])
        typed = WHO | {"taken_on": today, "due_on": today + timedelta(days=5)}
        assert agency.get(url).status_code == 200
        assert agency.post(url, typed).status_code == 302
        loan = FileLoan.objects.get()
        page = agency.post(url, typed, follow=True).content.decode()
        assert "此档案由赤壁市某厂查档员借出，应于" in page
        assert FileLoan.objects.count() == 1
        for _ in range(2):  # the second press is harmless
            agency.post(reverse("archives:loan_back", args=[loan.pk]), {"note": "完好"})
        loan.refresh_from_db()
        assert (loan.back_on, loan.back_note) == (today, "完好")
        agency.post(url, typed | {"kind": "read"})
        assert list(FileLoan.objects.values_list("kind", "back_on")) == [
            ("read", None),
            ("lend", today),
        ]

    @pytest.mark.parametrize(
        ("typed", "says"),
        [
            ({"due": -1}, "归还期限不能早于起始日期"),
            ({"taken": 1, "due": 2}, "起始日期不能晚于今天"),
            ({"purpose": ""}, "field-error"),
        ],
    )
    def test_what_is_wrong_is_told_and_the_typing_stays(
        self, typed: dict[str, Any], says: str, sign_in: Callable[[str], Client]
    ) -> None:
        file, today = stored(), timezone.localdate()
        data = WHO | {key: value for key, value in typed.items() if key == "purpose"} | {
            "taken_on": today + timedelta(days=typed.get("taken", 0)),
            "due_on": today + timedelta(days=typed.get("due", 0)),
        }  # fmt: skip
        url = reverse("archives:loan_give", args=[file.transfer_id])
        page = sign_in("shebao").post(url, data)
        assert page.status_code == 422
        assert says in page.content.decode()
        assert "赤壁市某厂" in page.content.decode()
        assert not FileLoan.objects.exists()

    def test_only_the_agency_that_keeps_a_file_gives_it_and_only_once_it_is_in(self) -> None:
        file, underway = stored(), PersonnelFile.of(make_transfer(at="archives"))
        for who, which, says in (
            ("shebao_chibi", file, "由其登记查阅和借出"), ("qiye", file, "由其登记查阅和借出"),
            ("shebao", underway, "尚未接收入库"),
        ):  # fmt: skip
            with pytest.raises(Refused, match=says):
                FileLoan.give(which, by=user(who), taken_on=timezone.localdate(),
                              due_on=timezone.localdate(), **WHO)  # fmt: skip
        loan = lent()
        with pytest.raises(Refused, match="登记归还"):
            loan.take_back(by=user("shebao_chibi"), note="")
        loan.take_back(by=user("shebao"), note="")
        with pytest.raises(Refused, match="归还"):
            loan.take_back(by=user("shebao"), note="")

    def test_what_is_late_is_listed_for_its_own_agency(
        self, sign_in: Callable[[str], Client]
    ) -> None:
        late, fresh = lent(days=3), lent()
        assert list(FileLoan.objects.overdue()) == [late]
        assert late.is_overdue
        assert not fresh.is_overdue
        page = sign_in("shebao").get(reverse("archives:loans"), {"state": "overdue"})
        assert page.context["page"].rows == [late]
        assert "逾期未还" in page.content.decode()
        assert not FileLoan.objects.visible_to(user("shebao_chibi")).exists()

    def test_the_database_lets_no_file_be_in_two_hands(self) -> None:
        loan = lent()
        with pytest.raises(IntegrityError), transaction.atomic():
            FileLoan.objects.create(
                file=loan.file, registered_by=loan.registered_by, taken_on=loan.taken_on,
                due_on=loan.due_on, **WHO,
            )  # fmt: skip

    def test_the_list_asks_as_often_for_nine_as_for_three(
        self, sign_in: Callable[[str], Client]
    ) -> None:
        agency, asked = sign_in("shebao"), []
        for more in (3, 6):
            for _ in range(more):
                lent()
            with CaptureQueriesContext(connection) as queries:
                agency.get(reverse("archives:loans"))
            asked.append(len(queries))
        assert asked[0] == asked[1]


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_officers_give_one_file_to_one() -> None:
    file, by, today = stored(), user("shebao"), timezone.localdate()
    give = partial(FileLoan.give, file, by=by, taken_on=today, due_on=today, **WHO)
    said = race([give, give])
    assert len([answer for answer in said if isinstance(answer, Refused)]) == 1
    assert FileLoan.objects.count() == 1
