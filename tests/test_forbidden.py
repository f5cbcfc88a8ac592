"""Constructs that no source of ours uses, and the few places that write past the history (S6, T6).

Each rule reads the syntax tree, not the letters, and is shown a sample that it must find.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps

from tests.factories import make_transfer
from tests.routes import routes

if TYPE_CHECKING:
    from collections.abc import Callable

OUR_APPS = ("xianning", "communities", "enterprises", "transfers", "archives", "party")
ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(
    path
    for app in OUR_APPS
    for path in (ROOT / app).rglob("*.py")
    if "migrations" not in path.parts
)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))

QUERIES = {
    "filter", "exclude", "get", "get_or_create", "update_or_create", "create", "update", "order_by",
    "annotate", "alias", "aggregate", "values", "values_list", "only", "defer", "Q", "distinct",
    "get_object_or_404", "get_list_or_404", "complex_filter", "select_related",
}  # fmt: skip
FROM_OUTSIDE = re.compile(r"\b(request|GET|POST|FILES|META|COOKIES|headers|cleaned_data|params)\b")


def name_of(node: ast.expr) -> str:
    """The last word of what is called: `a.b.c(…)` → c."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def is_fixed(node: ast.expr) -> bool:
    """A text that no value can change."""
    return isinstance(node, ast.Constant)


def called(*names: str, on: str = "") -> Callable[[ast.AST], bool]:
    def rule(node: ast.AST) -> bool:
        if not isinstance(node, ast.Call) or name_of(node.func) not in names:
            return False
        owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        return not on or owner == on

    return rule


def built_in(*names: str) -> Callable[[ast.AST], bool]:
    return lambda node: (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
    )


def imported(*modules: str) -> Callable[[ast.AST], bool]:
    def rule(node: ast.AST) -> bool:
        names = [alias.name for alias in getattr(node, "names", []) if isinstance(alias, ast.alias)]
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *[f"{node.module}.{name}" for name in names]]
        elif not isinstance(node, ast.Import):
            return False
        return any(name == m or name.startswith(f"{m}.") for name in names for m in modules)

    return rule


def named(*names: str) -> Callable[[ast.AST], bool]:
    return lambda node: (
        (isinstance(node, ast.Name) and node.id in names)
        or (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(node, ast.Constant) and node.value in names)
    )


def shell(node: ast.AST) -> bool:
    return isinstance(node, ast.keyword) and node.arg == "shell" and not (
        isinstance(node.value, ast.Constant) and node.value.value is False
    )  # fmt: skip


def expands_what_came_from_outside(node: ast.AST) -> bool:
    """CVE-2025-64459: names of columns and connectors must never be typed by a stranger."""
    if not isinstance(node, ast.Call) or name_of(node.func) not in QUERIES:
        return False
    spread = [k.value for k in node.keywords if k.arg is None]
    spread += [a.value for a in node.args if isinstance(a, ast.Starred)]
    names = [key for s in spread if isinstance(s, ast.Dict) for key in s.keys if key is not None]
    whole = [s for s in spread if not isinstance(s, ast.Dict)]
    # `**{f"{column}__lt": day}` is ours when the name is; the values may be anybody's.
    return any(FROM_OUTSIDE.search(ast.unparse(part)) for part in [*names, *whole]) or any(
        k.arg in {"_connector", "_negated"} and not is_fixed(k.value) for k in node.keywords
    )


def builds_sql(node: ast.AST) -> bool:
    executes = called("execute", "executemany", "executescript", "RunSQL")(node)
    return executes and bool(node.args) and not is_fixed(node.args[0])  # type: ignore[attr-defined]


def renders_without_fetcher(node: ast.AST) -> bool:
    return built_in("HTML", "CSS")(node) and "url_fetcher" not in {
        k.arg
        for k in node.keywords  # type: ignore[attr-defined]
    }


def safe_of_a_value(node: ast.AST) -> bool:
    return called("SafeString", "SafeText", "SafeData")(node) and bool(node.args)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Rule:
    """What is forbidden, a sample of it, and what only looks like it."""

    finds: Callable[[ast.AST], bool]
    sample: str
    harmless: str = "x = 1"


RULES = {
    "mark_safe": Rule(named("mark_safe", "html_safe"), "mark_safe(x)", "format_html('{}', x)"),
    "SafeString": Rule(safe_of_a_value, "SafeString(x)", "SafeString()"),
    "raw": Rule(called("raw", "RawSQL"), "M.objects.raw('…')", "raw = 1"),
    "extra": Rule(called("extra"), "rows.extra(where=[x])", "f(extra=1)"),
    "pickle": Rule(
        imported("pickle", "marshal", "shelve", "dill", "jsonpickle", "cloudpickle"),
        "from pickle import loads", "import json",
    ),
    "eval": Rule(built_in("eval", "exec", "compile", "__import__"), "eval(x)", "re.compile(x)"),
    "shell": Rule(shell, "subprocess.run(x, shell=True)", "subprocess.run(x, shell=False)"),
    "os.system": Rule(called("system", "popen", on="os"), "os.system(x)", "platform.system()"),
    "expansion": Rule(
        expands_what_came_from_outside, "rows.filter(**request.GET.dict())",
        "rows.filter(**{f'{column}__lt': request.day})",
    ),
    "order_by": Rule(
        expands_what_came_from_outside, "rows.order_by(*request.GET.getlist('o'))",
        "rows.order_by(*order)",
    ),
    "connector": Rule(expands_what_came_from_outside, "Q(_connector=x)", "Q(a=x)"),
    "sql": Rule(builds_sql, "cursor.execute(f'SELECT {x}')", "cursor.execute('SELECT 1', [x])"),
    "weasyprint": Rule(imported("weasyprint"), "from weasyprint import HTML", "import pydyf"),
    "fetcher": Rule(renders_without_fetcher, "HTML(string=x)", "HTML(string=x, url_fetcher=f)"),
    "csrf_exempt": Rule(
        named("csrf_exempt", "csp_exempt", "xframe_options_exempt"), "@csrf_exempt\ndef f(): ...",
    ),
    "network": Rule(
        imported("urllib.request", "http.client", "requests", "httpx", "ftplib", "smtplib"),
        "from urllib import request", "from urllib.parse import quote",
    ),
    "mktemp": Rule(called("mktemp", on="tempfile"), "tempfile.mktemp()", "tempfile.mkstemp()"),
    "old digests": Rule(called("md5", "sha1", on="hashlib"), "hashlib.md5(x)", "hashlib.sha256(x)"),
    "false history": Rule(named("bulk_update_with_history"), "bulk_update_with_history(r, M, f)"),
    "no history": Rule(
        named("skip_history_when_saving", "SIMPLE_HISTORY_ENABLED"),
        "row.skip_history_when_saving = True",
    ),
}  # fmt: skip
# Where a rule does not hold, and why: file, function, rule.
ALLOWED = {
    "xianning/pdf.py _engine weasyprint": "the only renderer: its fetcher refuses every address",
    "xianning/rotation.py _write sql": "quoted names of our own models; every value is a parameter",
    "xianning/bulk.py insert_packed sql": "quoted names of our own models; values are parameters",
    "xianning/triggers.py _found sql": "one of two constant queries, by kind of database",
    "xianning/triggers.py install sql": "made from the table of triggers, names of our own",
    "xianning/triggers.py remove sql": "made from the table of triggers, names of our own",
    "xianning/checks.py _switched_off_audit no history": "refuses to start without history",
    "transfers/subject.py _blank_person no history": "erasure by law must leave no earlier version",
}


@cache
def nodes(path: Path) -> list[tuple[str, ast.AST]]:
    """Each node of a file with the dotted name of the function or class it stands in."""
    found: list[tuple[str, ast.AST]] = []
    waiting: list[tuple[str, ast.AST]] = [("", ast.parse(path.read_text(encoding="utf-8")))]
    while waiting:
        where, node = waiting.pop()
        found.append((where, node))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            where = f"{where}.{node.name}".strip(".")
        waiting += [(where, child) for child in ast.iter_child_nodes(node)]
    return found


def found_in(path: Path, finds: Callable[[ast.AST], bool]) -> set[str]:
    here = path.relative_to(ROOT).as_posix()
    return {f"{here} {where or 'module'}" for where, node in nodes(path) if finds(node)}


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_finds_its_sample_and_not_its_neighbour(name: str) -> None:
    rule = RULES[name]
    assert any(rule.finds(node) for node in ast.walk(ast.parse(rule.sample)))
    assert not any(rule.finds(node) for node in ast.walk(ast.parse(rule.harmless)))


def test_no_source_uses_what_is_forbidden() -> None:
    found = {
        f"{place} {name}"
        for name, rule in RULES.items()
        for path in SOURCES
        for place in found_in(path, rule.finds)
    }
    assert found - ALLOWED.keys() == set()
    assert ALLOWED.keys() - found == set(), "an exception that nothing needs any more"


# --- templates ----------------------------------------------------------------------------------

UNESCAPED = re.compile(r"\|\s*(safe|safeseq)\b|\{%\s*autoescape\s+off|\{%\s*filter[^%]*\bsafe\b")


@pytest.mark.parametrize(
    "text", ["{{ x|safe }}", "{{ x | safeseq }}", "{% autoescape off %}", "{% filter safe %}"]
)
def test_the_pattern_finds_unescaped_output(text: str) -> None:
    assert UNESCAPED.search(text)


def test_no_template_gives_values_out_unescaped() -> None:
    found = [p.name for p in TEMPLATES if UNESCAPED.search(p.read_text(encoding="utf-8"))]
    assert found == []


# --- who may be asked without signing in --------------------------------------------------------


OPEN = {
    "sign_in": "who has not signed in must be able to",
    "sign_in_code": "the second half of signing in",
    "sign_out": "ends a session, whoever holds it",
    "setup": "lets the first administrators in, once, by a one-time code",
    "health": "whether the server answers",
    "communities:card_check": "anybody may check a contact card's random number",
    "party:receipt": "the receiving committee outside answers once, with the code on the letter",
}


def test_only_listed_views_need_no_account() -> None:
    open_views = {r.name for r in routes() if not getattr(r.view, "login_required", True)}
    assert open_views == OPEN.keys()


# --- writes that simple-history does not see ----------------------------------------------------


def writes_in_bulk(node: ast.AST) -> bool:
    """Calls that change rows without `Model.save()`: no history row, no `clean`, no rule.

    A queryset's `update` has named values only, so one with a positional value is a dict or digest.
    """
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    name = node.func.attr
    if name in {"update", "aupdate"}:
        return not node.args and bool(node.keywords)
    if name in {"delete", "adelete", "_raw_delete", "bulk_create", "bulk_update", "abulk_create"}:
        return True
    return name == "cursor"


@pytest.mark.parametrize(
    "text",
    ["rows.update(a=1)", "rows.update(**facts)", "rows.delete()", "M.objects.bulk_create(x)",
     "M.objects.bulk_update(x, ['a'])", "connection.cursor()", "rows._raw_delete('default')"],
)  # fmt: skip
def test_the_rule_finds_each_way_past_the_history(text: str) -> None:
    assert any(writes_in_bulk(node) for node in ast.walk(ast.parse(text)))
    harmless = ast.parse("facts.update(other); digest.update(b); row.save(); after.cursor")
    assert not any(writes_in_bulk(node) for node in ast.walk(harmless))


# File and function → what is written there, and why no history is lost.
# Tables with a history stand in capitals.
BULK_WRITERS = {
    "archives/models/catalogue.py CatalogueEntry.replace": "lines of a catalogue, one by one: the"
    " deletion is in the history of CATALOGUEENTRY",
    "archives/batches.py take_out": "PERSONNELFILE, one row: what is packed and never left",
    "archives/records.py take_out": "RECORDSENTRY, one row: a line that never left",
    "party/life.py record": "PARTYATTENDANCE, one row: the deletion is in its history",
    "communities/care.py replan": "RECEPTION: the day of the next visit, which follows from groups,"
    " visits and plans; these have their histories",
    "communities/care.py visit": "RECEPTION: the day of the last visit, whose own row has its history",
    "communities/care.py set_plans": "CAREPLAN, one row: the deletion is in its history",
    "communities/ledger_views.py ledger_view_drop": "a view that its owner forgets; audited",
    "transfers/handover_letters.py _issue": "who was named in a letter, once each",
    "transfers/handovers.py drop": "HANDOVER, HANDOVERITEM: a batch that never left, row by row",
    "transfers/handovers.py take_out": "HANDOVERITEM: out of a batch before it leaves, one row",
    "transfers/imports/choices.py save": "a meaning of a heading is forgotten; the audit has the act",
    "transfers/imports/sessions.py _write_blocks": "how far an import is",
    "transfers/imports/writing.py Writer._write_returning": "which versions undoing goes back to",
    "transfers/imports/writing.py take_back": "an import that ended nowhere or was undone: RETIREE and"
    " TRANSFER go with their histories as if never written, and the audit keeps how many and which",
    "transfers/limit_views.py write": "STEPLIMIT, one row: the deletion is in its history",
    "transfers/models/cases.py Transfer.mark_card": "TRANSFER: a column that follows from the card,"
    " whose own row has its history",
    "transfers/models/retirees.py NameGram.rewrite": "an index of names, made from the person",
    "transfers/reminders.py remind": "notices of a morning; nobody has changed anything",
    "transfers/subject.py _blank_person": "erasure by law: the history must not keep what is erased",
    "transfers/subject.py _blank_texts": "erasure by law: RECEPTION, PERSONNELFILE, PARTYMOVE too",
    "transfers/subject.py _drop_histories": "erasure by law: earlier versions are what is erased",
    "xianning/accounts/guard.py take": "counters of wrong passwords",
    "xianning/accounts/second_factor.py check": "a code is used once; devices have no history",
    "transfers/models/retirees.py RetireeQuerySet.update": "empties the digest beside what its caller"
    " writes, who is asked for himself",
    "xianning/accounts/second_factor.py new_codes": "old recovery codes end; digests only",
    "xianning/accounts/second_factor.py register": "a device that was never confirmed",
    "xianning/accounts/second_factor.py remove": "a lost device; the audit has the act",
    "xianning/accounts/sessions.py _end": "sessions of browsers; the audit has the act",
    "xianning/accounts/sessions.py renew_key": "the digest of a session's new key",
    "xianning/accounts/sessions.py sign_off": "sessions of browsers; the audit has the act",
    "xianning/accounts/sessions.py touch": "when a browser was last seen",
    "xianning/audit_seals.py _lock": "an advisory lock: reads and writes no row",
    "xianning/audit_seals.py purge_access_log": "records of processing past their three years",
    "enterprises/editions.py publish": "rows of an edition: new, and a trigger keeps them as they are",
    "xianning/bench/people.py _enterprises": "made-up enterprises of a scratch database",
    "xianning/bench/reports.py measure": "VACUUM of a scratch database: writes no row",
    "xianning/bench/__init__.py machine": "asks for the version of the database",
    "xianning/bench/people.py _analyze": "statistics of the planner: writes no row",
    "xianning/bulk.py insert_packed": "new rows with the first row of their HISTORY beside them",
    "xianning/calendar_import.py write": "days of a year from a notice; the audit has the act",
    "xianning/exports.py _drop_file": "the name of a file that is gone",
    "xianning/exports.py _end": "the state of an export, in the audit too",
    "xianning/exports.py expire": "the state of an export, in the audit too",
    "xianning/exports.py fail": "the state of an export, in the audit too",
    "xianning/exports.py fetch": "given out once, decided by the database",
    "xianning/exports.py keep": "who stands in a file; begun anew after a dead worker",
    "xianning/jobs.py Progress._renew": "the lease of a job",
    "xianning/jobs.py cleanup": "files and queue entries of jobs that are over",
    "xianning/models/accounts.py GuessBucketQuerySet.plus": "counters of wrong passwords",
    "xianning/models/accounts.py GuessBucketQuerySet.sweep": "counters of wrong passwords",
    "xianning/models/accounts.py Office.dismiss": "MEMBERSHIP: the deletion is in its history",
    "xianning/models/records.py AuditEventQuerySet.purge": "events past their days, by the triggers",
    "xianning/models/records.py AuditEventQuerySet.seal_with": "an event gets its seal, once",
    "xianning/models/work.py Sequence.next": "the next number, locked until the end",
    "xianning/passwords.py HistoryValidator.password_changed": "hashes of former passwords, at most five",
    "xianning/retention.py _delete": "notices, sign-ins and sessions past their days, none of them"
    " with a history",
    "xianning/rotation.py _finish": "the proof that the new keys fit",
    "xianning/rotation.py _write": "sealed values only: for people nothing changed, and the histories"
    " of RETIREE and the others are sealed anew with them",
    "xianning/triggers.py _found": "reads the catalogue",
    "xianning/triggers.py install": "makes triggers from the table of triggers, no row",
    "xianning/triggers.py remove": "drops triggers before a table is rebuilt, no row",
    "xianning/uploads/intake.py count_upload": "a counter of kilobytes",
    "xianning/uploads/intake.py forget_old_counts": "counters of earlier days",
    "xianning/views.py health": "SELECT 1",
}


def test_only_listed_functions_write_past_the_history() -> None:
    found = {place for path in SOURCES for place in found_in(path, writes_in_bulk)}
    assert found - BULK_WRITERS.keys() == set()
    assert BULK_WRITERS.keys() - found == set(), "a function that no longer writes so"


def tracked() -> list[Any]:
    return [
        model
        for app in OUR_APPS
        for model in apps.get_app_config(app).get_models()
        if hasattr(model, "history")
    ]


@pytest.mark.django_db
def test_the_newest_history_row_of_each_record_says_what_is_there() -> None:
    """Whatever wrote it: the loaders, the import, and a case that went through all six steps."""
    case = make_transfer(at="done", party_member=True)
    wrong = []
    for model in tracked():
        fields = [f.attname for f in model.history.model.tracked_fields]
        newest: dict[Any, Any] = {}
        for row in model.history.order_by("history_date", "history_id"):
            newest[getattr(row, model._meta.pk.attname)] = row
        for live in model.objects.all():
            past = newest.get(live.pk)
            if past is None:
                wrong.append(f"{model.__name__} {live.pk}: no history")
                continue
            wrong += [
                f"{model.__name__} {live.pk}: {name}"
                for name in fields
                if getattr(past, name) != getattr(live, name)
            ]
    assert not wrong
    assert {type(case).__name__, "Retiree", "Office"} <= {m.__name__ for m in tracked()}
