"""What a form does not ask, nobody can answer; rows of a workbook reach no further than the page."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

import pytest

from enterprises import imports as enterprise_list
from tests import payloads, workbooks
from tests.cells import Asker
from tests.factories import values_for
from tests.matrix import ENTERPRISE_LISTS, SEES
from tests.world import World, standing, undone
from transfers.imports import checking
from transfers.models import RightsRequest, Transfer, TransferStep
from xianning import demo
from xianning.models import Office, User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """One world for the module, undone at its end."""
    with django_db_blocker.unblock(), standing() as world:
        yield world


@pytest.fixture
def asker(db: World, settings: Any, sign_in: Callable[[str], Client]) -> Asker:
    settings.MEDIA_ROOT = db.media
    return Asker(db, sign_in)


# Page, actor, object → model whose row is written, and its columns that the page does not ask for.
# Of `new` the newest row is looked at.
PROTECTED: tuple[tuple[str, str, str, type[Any], str, str], ...] = (
    ("transfers:add", "clerk", "", Transfer, "new",
     "enterprise authority state number filed_by batch form_version treatment_verified_on"),
    ("transfers:act", "hr", "own_verify/verify", Transfer, "own_verify",
     "enterprise authority state community party_area archive_area number retiree"),
    ("transfers:act", "hr", "own_verify/verify", TransferStep, "own_verify",
     "step role area enterprise done_by done_office"),
    ("transfers:send_back", "community", "own_open/community", Transfer, "own_open",
     "enterprise authority state community number"),
    ("transfers:end", "clerk", "own_verify", Transfer, "own_verify",
     "enterprise authority community number filed_by"),
    ("transfers:rights", "clerk", "own_done", RightsRequest, "new",
     "transfer recorded_by state answer answered_by answered_at"),
    ("transfers:rights_answer", "clerk", "copy", RightsRequest, "copy",
     "transfer kind recorded_by answered_by asked_on"),
    ("user_edit", "system_admin", "own", User, "own",
     "username is_superuser is_staff must_change_password groups user_permissions"),
    ("user_add", "system_admin", "", User, "new",
     "is_superuser is_staff groups user_permissions must_change_password"),
    ("office_edit", "system_admin", "own", Office, "own", "role area enterprise"),
)  # fmt: skip


@pytest.mark.parametrize(("name", "actor", "key", "model", "row", "columns"), PROTECTED)
def test_a_column_that_the_form_does_not_ask_for_stays_as_it_is(
    name: str, actor: str, key: str, model: type[Any], row: str, columns: str, asker: Asker
) -> None:
    """A4: a POST with every column of the model changes only those of the form."""
    data = payloads_of(asker.world, name, actor, key)
    wanted = columns.split()
    path = asker.path(name, key)
    asker.client(actor)
    found = []
    for more in ({}, {column: _evil(asker.world, model, column) for column in wanted}):
        with undone():
            with asker.watching():
                answer = asker.fetch(actor, "POST", path, data | more)
            assert answer.written, answer.status
            written = _row(asker.world, model, row, key)
            found.append({column: _value(written, column) for column in wanted})
    assert found[0] == found[1]


def payloads_of(world: World, name: str, actor: str, key: str) -> dict[str, Any]:
    from tests.matrix import ROWS

    return dict(ROWS[name].sends(world, actor, key))


def _row(world: World, model: type[Any], row: str, key: str) -> Any:
    if row == "new":
        return model.objects.order_by("-pk").first()
    if model is TransferStep:
        return model.objects.get(transfer=world.get("case", row), step=key.partition("/")[2])
    kinds = {Transfer: "case", RightsRequest: "rights", User: "user", Office: "office"}
    return model.objects.get(pk=world.id_of(kinds[model], row))


def _value(row: Any, column: str) -> Any:
    field = row._meta.get_field(column)
    if field.many_to_many:
        return sorted(str(each.pk) for each in getattr(row, column).all())
    value = field.value_from_object(row)
    if column in ("number", "password") and row._state.adding is False and len(str(value)) > 20:
        return "a digest"  # salted anew each time
    return value


def _evil(world: World, model: type[Any], column: str) -> str:
    """A value that would do harm: somebody else's row, a right, another state."""
    field = model._meta.get_field(column)
    if field.is_relation:
        other = {"Enterprise": ("enterprise", "county"), "User": ("user", "far"),
                 "Transfer": ("case", "county_done"), "Office": ("office", "far")}  # fmt: skip
        named = field.related_model.__name__
        if named in other:
            return world.id_of(*other[named])
        return demo.BEIJIE if named == "Area" else "1"
    kind = field.get_internal_type()
    return {"BooleanField": "on", "DateField": "2020-01-01", "DateTimeField": "2020-01-01 00:00",
            "PositiveSmallIntegerField": "99"}.get(kind, "done" if column == "state" else "evil")  # fmt: skip


# --- a tick is no permission ---------------------------------------------------------------------


@pytest.mark.parametrize("actor", ["hr", "hr_child"])
def test_ticking_foreign_cases_beside_ones_own_does_only_ones_own(actor: str, asker: Asker) -> None:
    world, own = asker.world, {"hr": {"own_verify", "other_street_verify"},
                               "hr_child": {"child_verify"}}[actor]  # fmt: skip
    data = payloads.bulk(world, actor, f"{min(own)}/verify")
    data["case"] = [world.id_of("case", key) for key in SEES]
    before = {s.pk: s.state for s in TransferStep.objects.all()}
    asker.client(actor)
    with undone():
        asker.fetch(actor, "POST", asker.path("transfers:bulk", "own_verify/verify"), data)
        rows = TransferStep.objects.select_related("transfer")
        touched = {str(s.transfer_id) for s in rows if before[s.pk] != s.state}
    assert touched == {world.id_of("case", key) for key in own}


# --- rows of workbooks ---------------------------------------------------------------------------


@pytest.mark.parametrize("actor", ["clerk", "clerk_sibling", "clerk_child", "clerk_county"])
def test_a_row_that_names_somebody_elses_retiree_is_an_error_that_tells_nothing(
    actor: str, asker: Asker
) -> None:
    """第六条第2项: the number of a person whom another enterprise hands over is refused, unnamed."""
    world = asker.world
    foreign = [key for key in SEES if actor not in SEES[key] and key != "own_ended"]
    people = []
    for key in foreign:
        person = world.get("case", key).retiree
        values = values_for("qiye", demo.GUIHUA, name=person.name)
        values |= {"id_number": person.id_number, "sex": "", "born": "", "retired": "2020-01",
                   "work_started": "1985-01"}  # fmt: skip
        values.pop("community")
        people.append(values)
    enterprise = Office.objects.get(users=world.users[actor], role="enterprise").enterprise
    assert enterprise
    report = checking.check(workbooks.make_workbook(people), enterprise, world.users[actor])
    told = report.as_json()
    numbers = [error for error in told["errors"] if "其他移交单位" in error["message"]]
    assert len(numbers) >= len(foreign) - 1  # of a finished case nothing is told either
    assert told["new"] + told["updated"] <= 1
    words = " ".join(error["message"] for error in told["errors"])
    assert not any(name in words for name in world.names.values())


@pytest.mark.parametrize("actor", ["sasac", "sasac_child", "sasac_county"])
def test_a_row_that_names_an_enterprise_of_another_list_is_refused(
    actor: str, asker: Asker
) -> None:
    """第六条第1项: each SASAC lists its own level; an entry elsewhere is named only by its list."""
    world = asker.world
    texts = payloads._texts(actor)
    rows = []
    for key, who in ENTERPRISE_LISTS.items():
        entry = world.get("enterprise", key)
        if actor not in who:
            rows.append(texts | {"统一社会信用代码": entry.credit_code, "名单所属地区": ""})
    for code in (demo.CITY, demo.XIANAN, demo.CHIBI, demo.JIAYU, "420000000000"):
        if code != payloads._AUTHORITY.get(actor, demo.CITY):
            rows.append(texts | {"名单所属地区": code})
    headings = [*texts, "名单所属地区"]
    book = workbooks.table(headings, *[[row[heading] for heading in headings] for row in rows])
    logging.disable(logging.CRITICAL)
    found = enterprise_list.check(io.BytesIO(book).read(), "名单.xlsx", world.users[actor])
    logging.disable(logging.NOTSET)
    wrong = {problem.row for problem in found.problems}
    assert wrong == set(range(2, len(rows) + 2))
