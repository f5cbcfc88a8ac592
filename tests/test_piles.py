"""One paper for many people: in order, once each, on record, taken up again where it stopped."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pypdf import PdfReader

from tests.factories import make_many, make_transfer, staff_of
from transfers import piles, workflow
from transfers.models import ImportBatch, PrintedPaper, PrintPile, Transfer
from transfers.papers import PAPERS
from xianning import jobs, vault, walk
from xianning.models import AccessLog, Job, Office, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.conftest import People

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(press: Callable[..., Any]) -> Callable[..., Any]:
    """Press a button of the page of a pile; work that was queued is over afterwards."""
    return lambda user="qiye", paper="form", **data: press(user, "transfers:pile", paper, **data)


@pytest.fixture
def cases(people: dict[str, User]) -> list[Transfer]:
    """Five people who wait for their forms, in the order of the roster."""
    return sorted((make_transfer(at="confirm") for _ in range(5)), key=lambda case: case.pk)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piles, "BLOCK", 2)


def ids(cases: list[Transfer]) -> list[str]:
    return [str(case.pk) for case in cases]


def pages_of(answer: Any, client: Client) -> list[str]:
    """The text of each page of the file of the job that ANSWER leads to, without blanks."""
    result = client.get(f"{answer['Location']}result/")
    assert result.status_code == 200
    reader = PdfReader(io.BytesIO(result.content))
    return ["".join(page.extract_text().split()) for page in reader.pages]


def test_the_forms_of_a_queue_come_in_order_three_copies_each_and_are_on_record(
    ask: Callable[..., Any], sign_in: Callable[[str], Client], cases: list[Transfer]
) -> None:
    elsewhere = make_transfer(at="confirm", clerk="qiye_chibi")
    shown = ask(waiting="confirm").content.decode()
    assert "打印 5 人" in shown
    assert not PrintedPaper.objects.exists()
    answer = ask(waiting="confirm", confirmed="1", token="once")
    client = sign_in("qiye")
    pages = pages_of(answer, client)
    assert len(pages) == 15
    for place, case in enumerate(cases):
        for copy in range(3):
            page = pages[3 * place + copy]
            assert case.number in page
            assert "次打印" not in page
    printed = PrintedPaper.objects.order_by("pk")
    assert [(row.transfer_id, row.paper, row.version) for row in printed] == [
        (case.pk, "form", "1") for case in cases
    ]
    log = AccessLog.objects.filter(kind=AccessLog.Kind.PAPER)
    assert sorted(log.values_list("transfer_id", flat=True)) == sorted(case.pk for case in cases)
    assert elsewhere.pk not in printed.values_list("transfer_id", flat=True)
    assert "已打印 1 次" in client.get(cases[0].get_absolute_url()).content.decode()

    # What was printed is left out, unless it is asked for: then its face says so.
    shown = ask(waiting="confirm").content.decode()
    assert "所选的人都已打印过现行版本" in shown
    assert ask(waiting="confirm", confirmed="1").status_code == 422
    again = ask(case=ids(cases[:1]), confirmed="1", again="1")
    assert all("（第2次打印）" in page for page in pages_of(again, client))
    assert PrintedPaper.objects.count() == 6
    alone = client.post(reverse("transfers:paper", args=[cases[0].pk, "form"]))
    assert "（第3次打印）" in "".join(
        PdfReader(io.BytesIO(alone.content)).pages[0].extract_text().split()
    )


def test_a_second_press_is_the_same_pile(ask: Callable[..., Any], cases: list[Transfer]) -> None:
    first = ask(case=ids(cases[:2]), confirmed="1", token="pressed")
    second = ask(case=ids(cases[:2]), confirmed="1", again="1", token="pressed")
    assert first["Location"] == second["Location"]
    assert (PrintPile.objects.count(), PrintedPaper.objects.count()) == (1, 2)


def test_it_goes_on_where_it_was_stopped(
    ask: Callable[..., Any], sign_in: Callable[[str], Client], cases: list[Transfer],
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    made: list[int] = []
    whole = PAPERS["form"].pile
    assert whole is not None

    def counted(some: Any) -> Any:
        made.append(len(some))
        if len(made) == 2:
            raise KeyboardInterrupt  # the worker is ended
        return whole(some)

    monkeypatch.setitem(PAPERS, "form", _with_pile(counted))
    with pytest.raises(KeyboardInterrupt):
        ask(case=ids(cases), confirmed="1")
    pile = PrintPile.objects.get()
    assert [len(part["printed"]) for part in pile.parts] == [2]
    assert not PrintedPaper.objects.exists()
    Job.objects.filter(pk=str(pile.job_id)).update(state="queued")
    with django_capture_on_commit_callbacks(execute=True):
        jobs.run_job.func(str(pile.job_id))
    assert made == [2, 2, 2, 1]
    job = Job.objects.get(pk=str(pile.job_id))
    assert (job.state, PrintedPaper.objects.count()) == ("done", 5)
    assert len(list(vault.older_than(piles.FOLDER, -jobs.KEPT))) == 3
    assert piles.sweep() == 3
    assert not list(vault.older_than(piles.FOLDER, -jobs.KEPT))
    result = sign_in("qiye").get(reverse("job_result", args=[job.pk]))
    assert len(PdfReader(io.BytesIO(result.content)).pages) == 15
    # Three blocks: the fonts of the printed words are in the file once.
    assert len(result.content) < 2 * len(whole(cases[:1]))


def _with_pile(pile: Any) -> Any:
    return replace(PAPERS["form"], pile=pile)


def test_who_cannot_be_printed_is_named_with_the_reason(
    ask: Callable[..., Any], cases: list[Transfer]
) -> None:
    Transfer.objects.filter(pk=cases[0].pk).update(community=None)
    Transfer.objects.filter(pk=cases[1].pk).update(state="ended", closed_at=timezone.now())
    shown = ask(case=ids(cases)).content.decode()
    assert "打印 3 人" in shown
    assert "2 人不能打印" in shown
    assert f"{cases[0].retiree.name}（{cases[0].number}）：填写接收社区后才能打印" in shown
    assert f"{cases[1].retiree.name}（{cases[1].number}）：案卷已终止" in shown


def test_foreign_cases_are_neither_printed_nor_named(
    ask: Callable[..., Any], cases: list[Transfer]
) -> None:
    answer = ask("qiye_chibi", case=ids(cases), confirmed="1")
    assert answer.status_code == 422
    assert not any(word in answer.content.decode() for word in (*ids(cases), cases[0].number))
    assert ask("shequ", case=ids(cases)).status_code == 403
    assert ask(paper="card").status_code == 404
    assert ask(paper="letter", ready="delivery").status_code == 404
    assert ask(paper="letter", ready="nothing").status_code == 404
    assert ask(case=["x"]).status_code == 404


def test_what_waits_for_the_printer_is_counted_and_printed(
    ask: Callable[..., Any], sign_in: Callable[[str], Client], cases: list[Transfer]
) -> None:
    make_transfer(at="deliver")  # signed already
    clerk = User.objects.get(username="qiye")
    counts = {each.key: each.count for each in piles.unprinted(clerk)}
    assert (counts["form"], counts["notice"]) == ("5", "5")
    answer = ask(ready="form", confirmed="1")
    assert len(pages_of(answer, sign_in("qiye"))) == 15
    counts = {each.key: each.count for each in piles.unprinted(clerk)}
    assert (counts["form"], counts["notice"]) == ("0", "5")


def test_letters_that_are_out_wait_for_the_printer_once_a_letter(
    ask: Callable[..., Any], sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    staff = staff_of("qiye")
    clerk = staff["enterprise"]
    out = sorted(
        (make_transfer(at="party", party_member=True) for _ in range(2)), key=lambda c: c.pk
    )
    make_transfer(at="done", party_member=True)  # received: it needs no paper any more
    make_transfer(at="letter", party_member=True)  # not issued yet
    wanted = {each.key: each.count for each in piles.unprinted(clerk)}
    assert wanted == {"form": "0", "notice": "0", "letter": "2"}
    page = sign_in("qiye").get(reverse("transfers:letters")).content.decode()
    assert 'name="ready" value="letter"' in page
    answer = ask(paper="letter", ready="letter", confirmed="1")
    texts = pages_of(answer, sign_in("qiye"))
    assert len(texts) == 2
    for case, text in zip(out, texts, strict=True):
        assert "".join(case.retiree.name.split()) in text
        assert "回执联" in text
    assert {each.key: each.count for each in piles.unprinted(clerk)}["letter"] == "0"
    workflow.withdraw(out[0], "letter", by=clerk, code="wrong_facts", reason="日期有误，重新开具。")
    assert {each.key: each.count for each in piles.unprinted(clerk)}["letter"] == "0"
    walk.to(Transfer.objects.get(pk=out[0].pk), "party", staff)
    assert {each.key: each.count for each in piles.unprinted(clerk)}["letter"] == "1"


def test_who_has_left_the_office_fetches_nothing(
    ask: Callable[..., Any], sign_in: Callable[[str], Client], cases: list[Transfer]
) -> None:
    answer = ask(case=ids(cases[:1]), confirmed="1")
    clerk = User.objects.get(username="qiye")
    for office in clerk.offices.all():
        office.dismiss(clerk)
    assert sign_in("qiye").get(f"{answer['Location']}result/").status_code == 403


def test_more_people_cost_no_more_questions(
    ask: Callable[..., Any], people: dict[str, User]
) -> None:
    costs = []
    for count in (3, 12):
        chosen = ids(make_many(count))
        ask(case=chosen)  # what is asked once is known now
        with CaptureQueriesContext(connection) as captured:
            assert f"打印 {count} 人" in ask(case=chosen).content.decode()
        costs.append(len(captured))
    assert costs[0] == costs[1]


def test_a_pile_is_of_one_s_own_enterprises_and_of_no_import_under_way(people: People) -> None:
    mine, foreign, user = make_transfer(), make_transfer(clerk="qiye_chibi"), people["qiye"]
    batches = [
        ImportBatch.objects.create(enterprise=case.enterprise, uploaded_by=by, state="done")
        for case, by in ((mine, user), (foreign, people["qiye_chibi"]))
    ]
    for case, batch in zip((mine, foreign), batches, strict=True):
        Transfer.objects.filter(pk=case.pk).update(batch=batch)
    both, theirs = (mine.pk, foreign.pk), foreign.enterprise_id
    assert list(piles.Choice(both).cases(user)) == [mine]
    assert list(piles.Choice(batch=batches[0].pk).cases(user)) == [mine]
    assert not piles.Choice(batch=batches[1].pk).cases(user).exists()
    seen = piles.Choice(both, enterprise=theirs, batch=batches[1].pk).seen_by(user)
    assert seen == piles.Choice((mine.pk,))
    # Whom another office of his lets him see, he does not print for.
    Office.objects.get(role="community", area=foreign.community).admit(user)
    user = User.objects.get(pk=user.pk)
    assert Transfer.objects.visible_to(user).count() == 2
    assert list(piles.Choice(both).cases(user)) == [mine]
    ImportBatch.objects.update(state="writing")
    assert not piles.Choice(both).cases(user).exists()


def test_a_pile_of_no_step_is_not_found(ask: Callable[..., Any]) -> None:
    assert ask(waiting="nothing").status_code == 404


def test_a_department_of_two_enterprises_gets_a_file_for_each(
    ask: Callable[..., Any], sign_in: Callable[[str], Client], people: dict[str, User]
) -> None:
    cases = [make_transfer(at="confirm") for _ in range(3)]
    cases += [make_transfer(at="confirm", clerk="qiye_chibi") for _ in range(2)]
    clerk = User.objects.get(username="qiye")
    Office.objects.get(users__username="qiye_chibi", role="enterprise").admit(clerk)
    assert 'name="apart"' in ask(waiting="confirm").content.decode()
    answer = ask(waiting="confirm", confirmed="1", apart="1")
    result = sign_in("qiye").get(f"{answer['Location']}result/")
    assert ".zip" in result["Content-Disposition"]
    firms = {case.enterprise.transferor: case.enterprise for case in cases}
    with zipfile.ZipFile(io.BytesIO(result.content)) as made:
        assert len(made.namelist()) == 2
        for name in made.namelist():
            [firm] = [firm for firm in firms if firm in name]
            reader = PdfReader(io.BytesIO(made.read(name)))
            own = [case for case in cases if case.enterprise == firms[firm]]
            assert len(reader.pages) == 3 * len(own)
            text = "".join(page.extract_text() for page in reader.pages)
            assert all(case.number in text for case in own)
            assert not any(case.number in text for case in cases if case not in own)
    assert PrintedPaper.objects.count() == 5
