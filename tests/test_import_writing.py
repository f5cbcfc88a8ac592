"""What an import refuses: in another state, for another enterprise, on what has changed since."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from enterprises.models import Enterprise
from tests.factories import enterprise_of, make_transfer, values_for
from tests.workbooks import make_workbook
from transfers import workflow
from transfers.imports import checking, sessions, writing
from transfers.models import ImportBatch, Transfer
from xianning import jobs
from xianning.models import Job, User
from xianning.sandbox import Rejected

if TYPE_CHECKING:
    from tests.conftest import People

pytestmark = pytest.mark.django_db


def _row(**given: Any) -> dict[str, Any]:
    return values_for(**given) | {"employment_kind": "全民"}


@pytest.fixture
def enterprise() -> Enterprise:
    return enterprise_of("qiye")


@pytest.fixture
def writer(enterprise: Enterprise, people: People) -> writing.Writer:
    return writing.Writer(enterprise, people["qiye"])


def _leave(enterprise: Enterprise) -> None:
    user = User.objects.get(username="qiye")
    enterprise.offices.get(users=user).dismiss(user)


def _strike(enterprise: Enterprise) -> None:
    Enterprise.objects.filter(pk=enterprise.pk).update(removed_on=timezone.localdate())


@pytest.mark.parametrize(
    ("change", "sentence"), [(_leave, "您的岗位不为"), (_strike, "移出国有企业")]
)
def test_nothing_is_written_for_an_enterprise_that_is_left_or_off_the_list(
    change: Any, sentence: str, enterprise: Enterprise, people: People
) -> None:
    report = checking.check(make_workbook([_row()]), enterprise, people["qiye"])
    change(enterprise)
    with pytest.raises(workflow.Refused, match=sentence):
        writing.write(report, by=User.objects.get(username="qiye"))
    assert not Transfer.objects.exists()


def test_nobody_begins_an_import_for_the_enterprise_of_another(people: People) -> None:
    with pytest.raises(PermissionDenied, match="您的岗位不为"):
        sessions.upload(make_workbook([_row()]), "名单.xlsx", enterprise_of("qiye_chibi"),
                        people["qiye"])  # fmt: skip
    assert not ImportBatch.objects.exists()


def test_new_people_wait_when_the_enterprise_was_confirmed_anew(
    writer: writing.Writer, enterprise: Enterprise
) -> None:
    """Their first step is packed with the time of the confirmation."""
    Enterprise.objects.filter(pk=enterprise.pk).update(confirmed_at=timezone.now())
    block = writing.Block([], 1, 0, "", "")
    with pytest.raises(workflow.Refused, match="没有写入任何内容"):
        writer._write_strangers(block, Enterprise.objects.get(pk=enterprise.pk))


def test_who_returns_is_on_record_and_has_no_live_case(writer: writing.Writer) -> None:
    case = make_transfer()
    for person in (case.retiree_id, uuid4()):
        rows: Any = [SimpleNamespace(person=person)]
        with pytest.raises(workflow.Refused, match="没有写入任何内容"):
            writer._known(rows)


def test_a_change_is_that_of_the_preview_and_of_the_same_case(
    writer: writing.Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer.form, "changes", lambda _case: ["常住地电话"])
    monkeypatch.setattr(workflow, "amend", lambda *_, **__: [])
    case = make_transfer()
    data = _row() | {"id_number": case.retiree.id_number}
    for pk, changes in ((uuid4(), ["常住地电话"]), (case.pk, ["长期居住地"])):
        rows: Any = [SimpleNamespace(data=data, case=pk, changes=changes)]
        with pytest.raises(workflow.Refused, match="没有写入任何内容"):
            writer._write_changes(rows)


# --- what a session refuses ----------------------------------------------------------------------------

GOOD = {
    "whole_file_is_wrong": False,
    "errors": [],
    "new": 1,
    "updated": 0,
    "heading_rows": {"a": 1},
}
# What is tried with a session in which state, what is different about it, and the sentence.
REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("confirm", "failed", {}, sessions._OTHER),
    ("confirm", "done", {}, sessions._OTHER),
    ("confirm", "checked", {"whole_file_is_wrong": True}, "整表的问题"),
    ("confirm", "checked", {"errors": [{}]}, "有错误的行尚未改正"),
    ("confirm", "checked", {"new": 0}, "没有需要写入的内容"),
    ("cancel", "done", {}, sessions._OTHER),
    ("go_on", "checked", {}, sessions._OTHER),
    ("undo", "checked", {}, sessions._OTHER),
    ("check_again", "done", {}, sessions._OTHER),
    ("check_again", "checked", {"file": ""}, sessions._GONE),
    ("drop", "done", {}, "不能放弃"),
    ("drop", "writing", {}, "不能放弃"),
    ("mark", "checked", {"file": ""}, "上传的文件已不在"),
    ("mark", "checked", {"heading_rows": {}}, "文件没有检查过"),
]


@pytest.mark.parametrize(("verb", "state", "different", "sentence"), REFUSED)
def test_a_session_in_another_state_refuses_and_stays_as_it_is(
    verb: str, state: str, different: dict[str, Any], sentence: str,
    people: People, enterprise: Enterprise,
) -> None:  # fmt: skip
    report: Any = GOOD | different
    batch = ImportBatch.objects.create(
        enterprise=enterprise, uploaded_by=people["qiye"], file_name="名单.xlsx", sha256="x", state=state,
        file=report.pop("file", "somewhere"), report=report,
    )  # fmt: skip
    by = {} if verb in ("cancel", "drop") else {"by": people["qiye"]}
    with pytest.raises(workflow.Refused, match=sentence):
        getattr(sessions, verb)(batch, **by)
    assert (ImportBatch.objects.get(pk=batch.pk).state, Job.objects.count()) == (state, 0)


def test_who_left_the_enterprise_is_given_no_marked_file(
    people: People, enterprise: Enterprise
) -> None:
    report: Any = GOOD
    batch = ImportBatch.objects.create(
        enterprise=enterprise, uploaded_by=people["qiye"], file_name="名单.xlsx", sha256="x",
        state="checked", file="somewhere", report=report,
    )  # fmt: skip
    job = sessions.mark(batch, by=people["qiye"])
    enterprise.offices.get(users=people["qiye"]).dismiss(people["qiye"])
    job.owner = User.objects.get(username="qiye")
    with pytest.raises(Rejected, match=sessions._GONE):
        sessions.run_mark(jobs.Progress(job), batch=str(batch.pk))
