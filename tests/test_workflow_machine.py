"""第六条 as a small model, typed by hand, walked beside the real workflow (A6).

Whatever anybody tries in whatever order: the workflow allows what the model allows, refuses the
rest without a trace, and has the same rows, state and history afterwards. LONG=1 walks 2,000
histories of 50 acts.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.crowd import amend
from tests.factories import make_transfer, staff_of
from tests.test_concurrency import answers_of
from transfers import workflow
from transfers.models import Transfer
from xianning.models import Office, User

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = bool(os.environ.get("LONG"))
HISTORIES, ACTS = (2000, 50) if LONG else (40, 50)

# --- the regulation -----------------------------------------------------------------------------

# act → who may do it: users of the demo; `both` has an office at every desk.
MAY = {
    "declare": {"qiye", "both"}, "verify": {"rs", "both"}, "confirm": {"qiye", "both"},
    "deliver": {"qiye", "both"}, "archives": {"shebao", "both"},
    "community": {"shequ", "jiedao", "both"}, "letter": {"qiye", "both"},
    "party": {"dangzu", "both"},
}  # fmt: skip
# act → what must be done directly before; steps 4, 5 and 6 stand side by side behind 3.
AFTER = {
    "declare": None, "verify": "declare", "confirm": "verify", "deliver": "confirm",
    "archives": "deliver", "community": "confirm", "letter": "confirm", "party": "letter",
}  # fmt: skip
# act → the act it can be returned to.
RETURNS = {"verify": "declare", "confirm": "declare", "archives": "deliver",
           "community": "confirm", "party": "letter"}  # fmt: skip
# act → the act of another body that it checks: never both by one person, in whatever order.
CHECKS = {"verify": "declare", "archives": "deliver", "community": "confirm", "party": "letter"}
RECEIVED = {"archives", "community", "party"}
BRANCHES = ({"declare", "verify", "confirm"}, {"deliver", "archives"}, {"community"},
            {"letter", "party"})  # fmt: skip
STRANGERS = ("qiye_chibi", "rs_chibi", "shebao_chibi", "shequ_wannian", "dangzu_chibi", "gzw",
             "yibao", "shenji")  # fmt: skip
EVERYBODY = (*sorted(set().union(*MAY.values())), *STRANGERS)


class Model:
    """Where a case stands by the article: who did what, and what was noted."""

    def __init__(self, member: bool) -> None:
        self.skipped = set() if member else {"letter", "party"}
        self.done: dict[str, str] = {"declare": "qiye"}
        self.ended = False
        self.log = [("start", "enterprise", "qiye"), ("complete", "declare", "qiye")]

    def state(self, act: str) -> str:
        if act in self.done:
            return "done"
        if act in self.skipped:
            return "skipped"
        before = AFTER[act]
        ready = before is None or before in self.done
        return "open" if ready and not self.ended else "blocked"

    @property
    def case(self) -> str:
        over = all(self.state(act) in ("done", "skipped") for act in MAY)
        return "ended" if self.ended else "done" if over else "open"

    def may_complete(self, act: str, who: str) -> bool:
        partners = [b if a == act else a for a, b in CHECKS.items() if act in (a, b)]
        own = who in [self.done.get(partner) for partner in partners]
        return self.case == "open" and self.state(act) == "open" and who in MAY[act] and not own

    def may_return(self, act: str, who: str) -> bool:
        return (self.case == "open" and act in RETURNS and self.state(act) == "open"
                and who in MAY[act])  # fmt: skip

    def may_withdraw(self, act: str, who: str) -> bool:
        followed = any(AFTER[other] == act and other in self.done for other in MAY)
        return not self.ended and act in self.done and who in MAY[act] and not followed

    def may_end(self, who: str) -> bool:
        return self.case == "open" and who in MAY["declare"] and not RECEIVED & self.done.keys()

    def send_back(self, act: str) -> None:
        target, between = RETURNS[act], AFTER[act]
        while between and between != target:
            self.done.pop(between, None)
            between = AFTER[between]
        self.done.pop(target)


# --- both side by side --------------------------------------------------------------------------

ACT, WHO = st.sampled_from(sorted(MAY)), st.sampled_from(EVERYBODY)
REASONS = st.sampled_from((
    {"code": "wrong_facts", "reason": "退休年月与档案不一致。"}, {"code": "missing", "reason": "缺档案。"},
    {"code": "", "reason": "缺"}, {"code": "missing", "reason": " "}, {"code": "x", "reason": "缺"},
))  # fmt: skip


class World:
    """Cases just filed, the people, and what each office types."""

    def __init__(self) -> None:
        self.people = {user.username: user for user in User.objects.all()}
        self.cases = {member: make_transfer(party_member=member) for member in (True, False)}
        with transaction.atomic():
            self.answers = self._typed(make_transfer(party_member=True))
            transaction.set_rollback(True)
        both = self.people["both"] = User.objects.create(username="both", full_name="兼职人")
        for name in ("qiye", "rs", "shebao", "shequ", "dangzu"):
            Office.objects.get(users=self.people[name]).admit(both)

    def _typed(self, case: Transfer) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {"declare": {"truthful": True}}
        staff = staff_of("qiye")
        for act in list(MAY)[1:]:
            by = staff[workflow.STEPS[act].role]
            found[act] = answers_of(case, act, by)
            workflow.complete(case, act, by=by, **found[act])
            case = Transfer.objects.get(pk=case.pk)
        return found


def machine(world: World) -> type[RuleBasedStateMachine]:
    """The machine over WORLD; each history is undone at its end."""

    class Histories(RuleBasedStateMachine):
        @initialize(member=st.booleans())
        def begin(self, member: bool) -> None:
            self.undo = transaction.atomic()
            self.undo.__enter__()
            self.model, self.pk = Model(member), world.cases[member].pk
            self.turn = 0

        def teardown(self) -> None:
            if hasattr(self, "undo"):
                transaction.set_rollback(True)
                self.undo.__exit__(None, None, None)

        def _try(self, allowed: bool, deed: Callable[..., Any], *args: Any, **words: Any) -> None:
            case = Transfer.objects.get(pk=self.pk)
            said = ""
            try:
                deed(case, *args, **words)
            except workflow.Refused as refusal:
                said = str(refusal)
            assert allowed == (not said), (deed, args, words, said)
            assert not said or said.endswith("。")

        def _complete(self, act: str, who: str) -> None:
            allowed = self.model.may_complete(act, who)
            self._try(allowed, workflow.complete, act, by=world.people[who], **world.answers[act])
            if allowed:
                self.model.done[act] = who
                self.model.log.append(("complete", act, who))

        @rule(choice=st.integers(0, 5), alone=st.booleans())
        def somebody_does_what_is_open(self, choice: int, alone: bool) -> None:
            open_acts = [act for act in MAY if self.model.state(act) == "open"]
            if open_acts and not self.model.ended:
                act = open_acts[choice % len(open_acts)]
                self._complete(act, "both" if alone else sorted(MAY[act] - {"both"})[0])

        @rule(act=ACT, who=WHO)
        def anybody_tries_anything(self, act: str, who: str) -> None:
            self._complete(act, who)

        @rule(act=st.sampled_from(sorted(RETURNS)), who=WHO, rightly=st.booleans(), why=REASONS)
        def somebody_returns(self, act: str, who: str, rightly: bool, why: dict[str, str]) -> None:
            who = sorted(MAY[act])[-1] if rightly else who
            has_reason = why["code"] in ("wrong_facts", "missing") and bool(why["reason"].strip())
            allowed = self.model.may_return(act, who) and has_reason
            self._try(allowed, workflow.send_back, act, by=world.people[who], **why)
            if allowed:
                self.model.send_back(act)
                self.model.log.append(("send_back", act, who))

        @rule(act=ACT, who=WHO, rightly=st.booleans(), why=REASONS)
        def somebody_takes_back(
            self, act: str, who: str, rightly: bool, why: dict[str, str]
        ) -> None:
            who = sorted(MAY[act])[-1] if rightly else who
            has_reason = why["code"] in ("wrong_facts", "missing") and bool(why["reason"].strip())
            allowed = self.model.may_withdraw(act, who) and has_reason
            self._try(allowed, workflow.withdraw, act, by=world.people[who], **why)
            if allowed:
                del self.model.done[act]
                self.model.log.append(("withdraw", act, who))

        @rule(who=WHO)
        def somebody_changes_what_is_printed(self, who: str) -> None:
            allowed = self.model.case == "open" and who in MAY["declare"]
            self.turn += 1
            phone = f"139{self.turn:08d}"
            self._try(allowed, amend, world.people[who], home_phone=phone)
            if allowed:
                if self.model.done.pop("confirm", None):
                    self.model.log.append(("invalidate", "confirm", who))
                self.model.log.append(("amend", "declare", who))

        @rule(who=st.sampled_from((*STRANGERS, "rs", "shequ", "both")), reason=st.booleans())
        def somebody_ends_it(self, who: str, reason: bool) -> None:
            allowed = self.model.may_end(who) and reason
            why = {"code": "other", "reason": "重复登记。" if reason else ""}
            self._try(allowed, workflow.end, by=world.people[who], **why)
            if allowed:
                self.model.ended = True
                self.model.log.append(("end", "declare", who))

        @invariant()
        def rows_state_and_history_are_those_of_the_model(self) -> None:
            if not hasattr(self, "model"):
                return
            case = Transfer.objects.get(pk=self.pk)
            rows = {row[0]: row[1:] for row in case.steps.values_list(
                "step", "state", "done_by__username", "returned")}  # fmt: skip
            assert rows.pop("enterprise")[0] == "done"
            wanted = {act: (self.model.state(act), self.model.done.get(act)) for act in MAY}
            assert {act: row[:2] for act, row in rows.items()} == wanted
            assert case.state == self.model.case
            assert (case.closed_at is None) == (case.state == "open")
            opened = {act for act, row in rows.items() if row[0] == "open"}
            assert all(len(opened & branch) <= 1 for branch in BRANCHES)
            assert all(row[0] == "open" for row in rows.values() if row[2])
            valid = case.forms.filter(invalid_since=None).count()
            assert valid == (("confirm" in self.model.done) and not self.model.ended)

            events = case.events.values_list("verb", "step", "by__username")
            assert list(events) == self.model.log
            done = self.model.done
            assert not [act for act, other in CHECKS.items() if done.get(act, 0) == done.get(other)]

    return Histories


@pytest.mark.django_db
def test_no_history_leaves_the_article() -> None:
    run_state_machine_as_test(
        machine(World()),
        settings=settings(
            max_examples=HISTORIES, stateful_step_count=ACTS, deadline=None,
            derandomize=not LONG, database=None,
            phases=[Phase.generate, *([Phase.shrink] if LONG else [])],  # shrinking takes minutes
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )  # fmt: skip


@pytest.mark.django_db
def test_who_handed_over_does_not_take_over_himself() -> None:
    world = World()
    case, both = world.cases[True], world.people["both"]
    workflow.withdraw(case, "declare", by=both, code="other", reason="改正。")
    workflow.complete(case, "declare", by=both)
    with pytest.raises(
        workflow.Refused, match="由您本人办理，“核定退休待遇”须由他人办理（第六条第2项）"
    ):
        workflow.complete(case, "verify", by=both, **world.answers["verify"])
    workflow.complete(case, "verify", by=world.people["rs"], **world.answers["verify"])
