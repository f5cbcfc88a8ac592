"""What the writer of an import compares once more, under its lock, before it writes anything."""

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
from xianning.models import User

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
