"""第六条 typed by hand: who may do what, after what. The table of the code is not read here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from archives.models import PersonnelFile
from tests.factories import make_transfer, staff_of, values_for
from transfers import workflow
from transfers.models import ImportBatch, SignedForm, Transfer, TransferStep
from transfers.workflow import STEPS
from xianning import demo, walk
from xianning.models import Notice, User
from xianning.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from tests.conftest import People

pytestmark = pytest.mark.django_db

# act → (article, who may do it, what must be done before). Typed from 第四条–第六条.
GRID = {
    "declare": ("第六条第2项", {"enterprise"}, {"enterprise"}),
    "verify": ("第六条第2项", {"hr"}, {"enterprise", "declare"}),
    "confirm": ("第六条第3项", {"enterprise"}, {"enterprise", "declare", "verify"}),
    "deliver": ("第六条第4项", {"enterprise"}, {"enterprise", "declare", "verify", "confirm"}),
    "archives": ("第六条第4项", {"insurance"},
                 {"enterprise", "declare", "verify", "confirm", "deliver"}),
    "community": ("第六条第5项", {"community", "street"},
                  {"enterprise", "declare", "verify", "confirm"}),
    "letter": ("第六条第6项", {"enterprise"}, {"enterprise", "declare", "verify", "confirm"}),
    "party": ("第六条第6项", {"party"},
              {"enterprise", "declare", "verify", "confirm", "letter"}),
}  # fmt: skip
RETURNS = {"verify": "declare", "confirm": "declare", "archives": "deliver",
           "community": "confirm", "party": "letter"}  # fmt: skip
WHY = {"code": "wrong_facts", "reason": "退休年月与档案不一致。"}


@pytest.mark.parametrize("act", GRID)
def test_only_the_body_that_the_article_names_may_act(act: str, staff: dict[str, User]) -> None:
    article, who, _before = GRID[act]
    case = make_transfer(at=act, party_member=True) if act != "declare" else _undeclared()
    assert workflow.STEPS[act].article == article
    for role in ROLES:
        with transaction.atomic():
            if role in who:
                assert walk.take(case, act, staff[role]).pk == case.pk
                assert workflow.rows_of(case)[act].state == "done"
            else:
                with pytest.raises(workflow.Refused, match=f"（{article}）"):
                    walk.take(case, act, staff[role])
            transaction.set_rollback(True)


def _undeclared() -> Transfer:
    case = make_transfer(party_member=True)
    workflow.withdraw(case, "declare", by=staff_of("qiye")["enterprise"], **WHY)
    return case


@pytest.mark.parametrize("act", [a for a in GRID if a != "declare"])
def test_the_same_role_elsewhere_may_not_act(act: str, people: People) -> None:
    case = make_transfer(at=act, party_member=True)
    elsewhere = staff_of("qiye_chibi")
    with pytest.raises(workflow.Refused, match="办理（第六条"):
        walk.take(case, act, elsewhere[next(iter(GRID[act][1] & elsewhere.keys()))])


# act → (role and place of its desk, what is open after it, where it may be returned to, whether it
# is done for many people at once), typed from 第四条–第六条 for a member of the Party in 桂花路.
ROWS = {
    "enterprise": ("sasac", demo.CITY, "declare", "", False),
    "declare": ("enterprise", "", "verify", "", True),
    "verify": ("hr", demo.CITY, "confirm", "declare", True),
    "confirm": ("enterprise", "", "deliver community letter", "declare", False),
    "deliver": ("enterprise", "", "archives community letter", "", False),
    "archives": ("insurance", demo.XIANAN, "community letter", "deliver", False),
    "community": ("community", demo.GUIHUA, "letter", "confirm", False),
    "letter": ("enterprise", "", "party", "", False),
    "party": ("party", demo.GUIHUA, "", "letter", False),
}  # fmt: skip


def _opened(case: Transfer) -> set[str]:
    return {key for key, row in workflow.rows_of(case).items() if row.state == "open"}


def test_a_case_walks_through_the_rows_of_the_article(people: People) -> None:
    case, staff = _undeclared(), staff_of("qiye")
    for act, (role, place, following, _back, _many) in ROWS.items():
        row = workflow.rows_of(case)[act]
        assert (row.role, row.area_id or "", bool(row.enterprise_id)) == (role, place, not place)
        if act != "enterprise":
            case = walk.take(case, act, staff[role])
        assert _opened(case) == set(following.split()), act
    assert case.state == "done"


@pytest.mark.parametrize("act", ROWS)
def test_a_step_is_returned_to_the_one_that_the_article_names_or_not_at_all(act: str) -> None:
    role, _place, _following, target, _many = ROWS[act]
    case = make_transfer(at=act, party_member=True) if act not in FIRST else _undeclared()
    by = staff_of("qiye").get(role) or User.objects.get(username="gzw")
    with transaction.atomic():
        if target:
            workflow.send_back(case, act, by=by, **WHY)
            assert _opened(case) >= {target}
            assert workflow.rows_of(case)[target].returned
        else:
            with pytest.raises(workflow.Refused, match="之前没有可以退回的步骤"):
                workflow.send_back(case, act, by=by, **WHY)


FIRST = ("enterprise", "declare")


@pytest.mark.parametrize("act", ROWS)
def test_only_what_the_table_names_is_done_for_many_at_once(
    act: str, sign_in: Callable[[str], Client]
) -> None:
    role, _place, _following, _back, many = ROWS[act]
    clerk = {"sasac": "gzw", "hr": "rs", "enterprise": "qiye", "insurance": "shebao",
             "community": "shequ", "party": "dangzu"}[role]  # fmt: skip
    answer = sign_in(clerk).post(reverse("transfers:bulk", args=[act]))
    assert answer.status_code == (302 if many else 403)


def test_nobody_is_declared_without_a_receiver(people: People) -> None:
    """第五条: each line has its receiver."""
    case = make_transfer(party_member=True)
    workflow.withdraw(case, "declare", by=people["qiye"], **WHY)
    for column, words in (("community", "接收社区"), ("archive_area", "人事档案接收地"),
                          ("party_area", "长期居住地")):  # fmt: skip
        with transaction.atomic():
            Transfer.objects.filter(pk=case.pk).update(**{column: None})
            with pytest.raises(workflow.Refused, match=words):
                workflow.complete(case, "declare", by=people["qiye"])
            transaction.set_rollback(True)


@pytest.mark.parametrize("act", ["letter", "party"])
def test_who_is_no_member_has_no_relation_to_move(act: str) -> None:
    rows = workflow.rows_of(make_transfer(at="deliver", party_member=False))
    assert rows[act].state == "skipped"


@pytest.mark.parametrize("act", GRID)
def test_an_act_waits_for_what_the_article_puts_before_it(act: str) -> None:
    assert workflow.before(act) == GRID[act][2]


def test_steps_four_five_and_six_open_together_after_three() -> None:
    rows = workflow.rows_of(make_transfer(at="deliver", party_member=True))
    assert {key for key, row in rows.items() if row.state == "open"} == {
        "deliver", "community", "letter",
    }  # fmt: skip


def test_a_case_is_done_without_step_six_when_the_person_is_not_a_member() -> None:
    case = make_transfer(at="done", party_member=False)
    rows = workflow.rows_of(case)
    assert case.state == "done"
    assert {rows["letter"].state, rows["party"].state} == {"skipped"}
    with pytest.raises(workflow.Refused, match="不是中共党员"):
        _complete_anyhow(case, "letter", staff_of("qiye")["enterprise"])


def _complete_anyhow(case: Transfer, key: str, by: User) -> None:
    Transfer.objects.filter(pk=case.pk).update(state="open", closed_at=None)
    workflow.complete(case, key, by=by)


@pytest.mark.parametrize(("act", "target"), RETURNS.items())
def test_a_return_reopens_the_step_before_and_needs_a_reason(act: str, target: str) -> None:
    case = make_transfer(at=act, party_member=True)
    row = workflow.rows_of(case)[act]
    by = staff_of("qiye")[row.role]
    for bad in ({"code": "", "reason": "缺"}, {"code": "missing", "reason": " "}):
        with pytest.raises(workflow.Refused, match=r"请(选择|填写)原因"):
            workflow.send_back(case, act, by=by, **bad)
    workflow.send_back(case, act, by=by, **WHY)
    rows = workflow.rows_of(case)
    assert rows[target].state == "open"
    assert rows[target].returned
    assert rows[act].state == "blocked"
    event = case.events.last()
    assert event is not None
    assert (event.verb, event.step, event.reason) == ("send_back", act, WHY["reason"])
    told = Notice.objects.filter(transfer=case, text__contains=WHY["reason"]).get()
    assert told.role == rows[target].role
    # It is repeated and then goes on as if nothing had happened.
    done = walk.to(Transfer.objects.get(pk=case.pk), "done", staff_of("qiye"))
    assert done.state == "done"


def test_returning_from_check_in_makes_the_signature_not_valid() -> None:
    case = make_transfer(at="community", party_member=True)
    workflow.send_back(case, "community", by=staff_of("qiye")["community"], **WHY)
    assert case.valid_form is None
    assert SignedForm.objects.get(transfer=case).invalid_reason == WHY["reason"]


def test_an_act_is_taken_back_only_while_nothing_follows_from_it() -> None:
    case = make_transfer(at="archives", party_member=True)
    clerk = staff_of("qiye")["enterprise"]
    with pytest.raises(workflow.Refused, match="“移交人事档案”已办理"):
        workflow.withdraw(case, "confirm", by=clerk, **WHY)
    with pytest.raises(workflow.Refused, match="只有其可以撤回"):
        workflow.withdraw(case, "deliver", by=staff_of("qiye")["hr"], **WHY)
    workflow.withdraw(case, "deliver", by=clerk, **WHY)
    rows = workflow.rows_of(case)
    assert (rows["deliver"].state, rows["archives"].state) == ("open", "blocked")


# Where a case stands, what is tried at which step by whom, and the sentence that refuses it.
REFUSED = [
    ("confirm", "complete", "verify", "rs", "不能重复办理"),
    ("ended", "complete", "verify", "rs", "终止，不能再办理"),
    ("deliver", "complete", "letter", "qiye", "不是中共党员"),
    ("verify", "complete", "confirm", "qiye", "须先完成“核定退休待遇”"),
    ("verify", "complete", "verify", "rs_chibi", "人社部门办理（第六条第2项）"),
    ("verify", "send_back", "declare", "qiye", "之前没有可以退回的步骤"),
    ("done", "send_back", "community", "shequ", "不能退回"),
    ("verify", "send_back", "community", "shequ", "须先完成"),
    ("verify", "send_back", "verify", "rs_chibi", "只有其可以退回"),
    ("ended", "withdraw", "declare", "qiye", "已终止，不能撤回"),
    ("verify", "withdraw", "verify", "rs", "尚未办理，不能撤回"),
    ("verify", "withdraw", "enterprise", "gzw", "不能在案卷中撤回"),
    ("confirm", "withdraw", "verify", "rs_chibi", "只有其可以撤回"),
    ("confirm", "withdraw", "declare", "qiye", "已办理，不能再撤回"),
    ("done", "amend", "", "qiye", "不能更改信息"),
    ("verify", "amend", "", "rs", "由移交单位.*登记和更改"),
    ("ended", "end", "", "qiye", "终止，不能终止"),
    ("verify", "end", "", "rs", "只有移交单位"),
    ("verify", "end", "", "qiye_chibi", "只有移交单位"),
    ("received", "end", "", "qiye", "“街道社区接收”已办理，不能终止"),
]


def _case_at(place: str) -> Transfer:
    if place in ("ended", "received"):
        case = make_transfer(at="verify" if place == "ended" else "community")
        people = staff_of("qiye")
        if place == "received":
            return walk.take(case, "community", people["community"])
        workflow.end(case, by=people["enterprise"], code="other", reason="重复登记。")
        return Transfer.objects.get(pk=case.pk)
    return make_transfer(at=place)


@pytest.mark.parametrize(("place", "verb", "act", "username", "sentence"), REFUSED)
def test_what_cannot_be_done_is_refused_with_its_sentence_and_changes_nothing(
    place: str, verb: str, act: str, username: str, sentence: str, people: People
) -> None:
    case, by = _case_at(place), people[username]
    before = list(case.steps.order_by("pk").values()), case.events.count()
    deeds: dict[str, Callable[[], Any]] = {
        "complete": lambda: workflow.complete(case, act, by=by),
        "send_back": lambda: workflow.send_back(case, act, by=by, **WHY),
        "withdraw": lambda: workflow.withdraw(case, act, by=by, **WHY),
        "amend": lambda: workflow.amend(case, None, by=by),  # type: ignore[arg-type]
        "end": lambda: workflow.end(case, by=by, code="other", reason="重复登记。"),
    }
    with pytest.raises(workflow.Refused, match=sentence):
        deeds[verb]()
    assert (list(case.steps.order_by("pk").values()), case.events.count()) == before


@pytest.mark.parametrize(("verb", "act", "username"), [
    ("send_back", "verify", "rs"), ("withdraw", "declare", "qiye"), ("end", "", "qiye"),
])  # fmt: skip
def test_who_undoes_something_says_why(verb: str, act: str, username: str, people: People) -> None:
    case, key = make_transfer(), (act,) if act else ()
    for why, sentence in (({"code": "", "reason": "缺"}, "请选择原因"),
                          ({"code": "other", "reason": " "}, "请填写原因")):  # fmt: skip
        with pytest.raises(workflow.Refused, match=sentence):
            getattr(workflow, verb)(case, *key, by=people[username], **why)


def test_nobody_acts_on_a_case_while_its_import_is_written(people: People) -> None:
    case = make_transfer()
    batch = ImportBatch.objects.create(
        enterprise=case.enterprise, uploaded_by=people["qiye"], state="writing"
    )
    Transfer.objects.filter(pk=case.pk).update(batch=batch)
    with pytest.raises(workflow.Refused, match="正在写入或撤销"):
        workflow.withdraw(case, "declare", by=people["qiye"], **WHY)


def test_no_case_starts_for_an_enterprise_that_is_not_confirmed(people: People) -> None:
    from enterprises.models import Enterprise

    enterprise = Enterprise.objects.get(confirmed_at=None)
    with pytest.raises(workflow.Refused, match="尚未经国资部门确认"):
        walk.file_person(values_for(), enterprise, people["qiye"])
    assert not Transfer.objects.exists()


def test_a_printed_change_asks_for_a_new_signature_and_another_does_not() -> None:
    from transfers.retiree_form import RetireeForm

    case = make_transfer(at="community", party_member=False)
    clerk = staff_of("qiye")["enterprise"]

    def change(**new: str) -> list[str]:
        nonlocal case
        case = Transfer.objects.get(pk=case.pk)
        shown = RetireeForm(enterprise=case.enterprise, transfer=case)
        data = {f.name: _as_typed(f.value()) for f in shown}
        form = RetireeForm(data | new, enterprise=case.enterprise, transfer=case)
        assert form.is_valid(), form.errors
        return workflow.amend(case, form, by=clerk)

    assert change() == []
    assert change(personnel_kind="cadre" if case.retiree.personnel_kind != "cadre" else "worker")
    assert case.valid_form is not None
    assert change(home_phone="13900000001") == ["常住地电话"]
    case = Transfer.objects.get(pk=case.pk)
    rows = workflow.rows_of(case)
    assert case.valid_form is None
    assert case.form_version == 2
    assert (rows["confirm"].state, rows["community"].state) == ("open", "blocked")
    with pytest.raises(ValueError, match="重新打印并签字"):
        walk.take(case, "confirm", clerk, version=1)
    assert walk.to(case, "community", staff_of("qiye")).valid_form is not None


def _as_typed(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def test_the_database_itself_refuses_a_done_step_without_a_name() -> None:
    case = make_transfer()
    with pytest.raises(IntegrityError), transaction.atomic():
        TransferStep.objects.filter(transfer=case, step="verify").update(state="done")
    with pytest.raises(IntegrityError), transaction.atomic():
        TransferStep.objects.create(transfer=case, step="verify", role="hr", state="blocked")


def test_an_archive_number_is_used_once_by_one_agency_and_tells_another_nothing() -> None:
    """第六条第4项; security.md A5: `already used` must not tell what another agency received."""
    first, twin = make_transfer(at="archives"), make_transfer(at="archives")
    elsewhere = make_transfer(at="archives", clerk="qiye_chibi")
    number = f"DA-{first.number}"  # what walk.py gives the first
    by = staff_of("qiye")["insurance"]
    walk.take(first, "archives", by)
    agency = STEPS["archives"].form
    assert agency is not None
    for case, sentence in ((twin, "此档案编号已使用，请换一个。"), (elsewhere, "")):
        form = agency({"archive_number": f" {number} "}, transfer=case, by=by)
        assert form.errors.get("archive_number", [""]) == [sentence]

    files = {case: PersonnelFile.objects.get(transfer=case) for case in (first, twin, elsewhere)}
    assert [file.area_id for file in files.values()] == [
        case.archive_area_id for case in (first, twin, elsewhere)
    ]
    files[elsewhere].archive_number = files[twin].archive_number = number
    files[elsewhere].save()
    with pytest.raises(IntegrityError, match="archive_number"), transaction.atomic():
        files[twin].save()
