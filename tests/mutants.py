"""A switch at every guard of the program, found in the source by its kind: one at a time is off.

    refusal     `if …:` that raises a refusal, answers with its sentence, or calls a guard
    call        a guard called for its refusal alone, as a statement
    answer      a function that says whether, or why not, or which rows
    scope       one place that narrows rows with `visible_to`
    filter      one place that narrows rows with a condition made from a scope
    rule        an entry of the registry of URLs: its roles, its proof of identity
    method      `require_POST` and the like
    middleware  a door through which all requests pass
    step        a cell of the table of 第六条: role, desk, needs, guard, unless, returns_to, bulk

The first five are compiled into the living functions once, so that taking one away is a word.
"""

from __future__ import annotations

import ast
import copy
import gc
import importlib
import inspect
import pkgutil
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.db.models import Q
from django.test import Client
from django.urls import Resolver404, resolve

from transfers.workflow import STEPS, _nothing
from xianning import access, exports
from xianning.models import User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, ModuleType

PACKAGES = ("xianning", "communities", "enterprises", "transfers", "archives", "party")
# Words, formats, and what is asked at the start of the program: nothing there lets anybody in.
NOT_ABOUT_PEOPLE = re.compile(
    r"\.(migrations|management|standards|uploads|wsgi|settings|urls|checks|permission_views|sandbox|"
    r"backup|rotation|privacy|pages|casefile|xlsx)\b|imports\.(reading|choices)$"
)
# Functions that are called to learn whether one may.
GUARD = re.compile(
    r"_?(why_(not|over)\w*|may_\w+|is_mine|is_desk_of|is_fresh|concerns|decides|open_to|refuses|"
    r"sees_names|require|require_(fresh|of_\w+)|gate|inside|accounts|own_work|refuse|keeps_accounts)"
)
# What makes a condition from a scope, and what names places of a scope in one.
NARROWS = re.compile(r"(access\.)?(within|cases)|.*\.(places|desks)")
PLACES = re.compile(r"held|\.enterprises")
REFUSALS = re.compile(r"PermissionDenied|Http404|\w*Refused|NotErasable")
# These only say which button or line a page shows; what stands behind it asks for itself.
SHOWS = re.compile(
    r".*\.(column_views\.may_(choose|help)|export_views\._decides|grant_views\._keeps_accounts)"
)
# These add to answers, or read what others decide by; they refuse nobody.
NOT_A_DOOR = re.compile(
    r"whitenoise|htmx|simple_history|csp\.|clickjacking|messages|common\.|security\.|headers"
)
HERE = "__guards__"  # the name under which the switches stand in every module


# --- the switches --------------------------------------------------------------------------------


class Switches:
    """Which guard is off, and which guards decided something since `decided` was emptied."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.decided: set[str] = set()
        self.off = ""

    def holds(self, name: str) -> bool:
        self.decided.add(name)
        return name != self.off

    def lifted(self, name: str) -> bool:
        return not self.holds(name)

    def everything(self) -> Q:
        """True for every row, also beside other conditions: an empty Q would vanish among them."""
        return ~Q(pk__in=[])

    def everybody(self) -> Any:
        return User.objects.all()

    def every_roster(self) -> list[Any]:
        return list(exports.ROSTERS.values())

    @contextmanager
    def built_in(self) -> Iterator[Switches]:
        """The guards of the program have switches in the block."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Client, "request", self._noting(Client.request))
            found = modules()  # imported by now, so that their functions live
            living = functions()
            for module in found:
                self._build_into(module, living, patch)
            yield self

    def _noting(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        """What the registry and the decorators decide shows in the answer alone."""

        def request(client: Client, **asked: Any) -> Any:
            answer = ask(client, **asked)
            with suppress(Resolver404):
                match = resolve(asked["PATH_INFO"])
                view = f"{match.func.__module__}.{match.func.__qualname__}"
                self.decided |= {
                    403: {f"rule {match.view_name}"},
                    302: {f"rule {match.view_name} fresh"},
                    405: {f"method {view}"},
                }.get(answer.status_code, set())
            return answer

        return request

    def _build_into(
        self, module: ModuleType, living: list[FunctionType], patch: pytest.MonkeyPatch
    ) -> None:
        path = str(module.__file__)
        source = Path(path).read_text(encoding="utf-8")
        maker = Maker(module.__name__)
        tree = ast.fix_missing_locations(maker.visit(ast.parse(source)))
        if not maker.names:
            return
        self.names += maker.names
        plain = compile(source, path, "exec", dont_inherit=True)
        switched = compile(tree, path, "exec", dont_inherit=True)
        codes = dict(zip(_codes(plain), _codes(switched), strict=True))
        setattr(module, HERE, self)  # stays: functions made in the block may outlive it
        for function in living:
            if function.__globals__ is vars(module) and function.__code__ in codes:
                patch.setattr(function, "__code__", codes[function.__code__])


def modules() -> list[ModuleType]:
    names = [
        info.name
        for package in map(importlib.import_module, PACKAGES)
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    return [importlib.import_module(name) for name in names if not NOT_ABOUT_PEOPLE.search(name)]


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of every function inside CODE, in the order of the source."""
    for inner in code.co_consts:
        if inspect.iscode(inner):
            yield inner
            yield from _codes(inner)


def functions() -> list[FunctionType]:
    """Every living function, under whatever decorator and in whatever table it stands."""
    return [each for each in gc.get_objects() if type(each) is FunctionType]


class Maker(ast.NodeTransformer):
    """Puts a switch at each guard of a module; `names` are those of the switches."""

    def __init__(self, module: str) -> None:
        self.path = [module]
        self.names: list[str] = []

    def _switch(self, kind: str, method: str) -> ast.Call:
        place = f"{kind} {'.'.join(self.path)}"
        name = next(n for n in (f"{place}#{i}" for i in count()) if n not in self.names)
        self.names.append(name)
        return _call(method, ast.Constant(name))

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.path.append(node.name)
        self.generic_visit(node)
        self.path.pop()
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.path.append(node.name)
        self.generic_visit(node)
        if not SHOWS.fullmatch(".".join(self.path)) and (free := _freely(node)):
            lifted = self._switch("answer", "lifted")
            node.body.insert(0, ast.If(lifted, [ast.Return(free)], []))
        self.path.pop()
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        self.generic_visit(node)
        if _is_refusal(node, self.path[-1]):
            node.test = ast.BoolOp(ast.And(), [node.test, self._switch("refusal", "holds")])
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        """`return None if … else "why not"`."""
        self.generic_visit(node)
        found = node.value
        if _says_why(self.path[-1]) and isinstance(found, ast.IfExp):
            if _is_none(found.orelse):
                held = self._switch("refusal", "holds")
                found.test = ast.BoolOp(ast.And(), [found.test, held])
            elif _is_none(found.body):
                lifted = self._switch("refusal", "lifted")
                found.test = ast.BoolOp(ast.Or(), [found.test, lifted])
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Call) and GUARD.fullmatch(_name(node.value)):
            return ast.If(self._switch("call", "holds"), [node], [])
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _name(node) == "visible_to" or (_name(node) == "filter" and _is_by_scope(node)):
            assert isinstance(node.func, ast.Attribute)
            rows = ast.Attribute(copy.deepcopy(node.func.value), "all", ast.Load())
            kind = "scope" if _name(node) == "visible_to" else "filter"
            return ast.IfExp(self._switch(kind, "lifted"), ast.Call(rows, [], []), node)
        narrows = NARROWS.fullmatch(ast.unparse(node.func)) and not NARROWS.fullmatch(self.path[-1])
        if narrows or (_name(node) == "Q" and _is_by_scope(node)):
            return ast.IfExp(self._switch("filter", "lifted"), _call("everything"), node)
        return node


def _call(method: str, *args: ast.expr) -> ast.Call:
    return ast.Call(
        ast.Attribute(ast.Name(HERE, ast.Load()), method, ast.Load()), list(args), keywords=[]
    )


def _name(asked: ast.Call | ast.Name) -> str:
    """The last word of what is asked: `why_not` of `workflow.why_not(…)`."""
    word = asked.func if isinstance(asked, ast.Call) else asked
    return getattr(word, "attr", getattr(word, "id", ""))


def _is_by_scope(call: ast.Call) -> bool:
    """`filter(enterprise__in=access.scope(user).enterprises)`."""
    return any(
        each.arg and each.arg.endswith("__in") and PLACES.match(_tail(each.value))
        for each in call.keywords
    )


def _tail(value: ast.expr) -> str:
    return f".{value.attr}" if isinstance(value, ast.Attribute) else ast.unparse(value)


def _is_none(node: ast.expr | None) -> bool:
    return node is None or (isinstance(node, ast.Constant) and node.value is None)


def _says_why(function: str) -> bool:
    return re.fullmatch(r"_?(why_(not|over)|own_work|reason_is)\w*", function) is not None


def _is_refusal(node: ast.If, function: str) -> bool:
    if function.startswith("_tell"):  # whom a notice is for: it keeps nobody from anything
        return False
    for each in node.body:
        if isinstance(each, ast.Raise) and each.exc is not None:
            raised = each.exc.func if isinstance(each.exc, ast.Call) else each.exc
            if REFUSALS.fullmatch(getattr(raised, "attr", getattr(raised, "id", ""))):
                return True
        if isinstance(each, ast.Return) and not _is_none(each.value):
            if isinstance(each.value, ast.Name) and ast.dump(each.value) == ast.dump(node.test):
                return False  # `if found: return found` only saves looking further
            if _says_why(function):
                return True
            if isinstance(each.value, ast.Call) and GUARD.fullmatch(_name(each.value)):
                return True
    # `if not decides:` asks what a variable kept.
    asked = (each for each in ast.walk(node.test) if isinstance(each, (ast.Call, ast.Name)))
    return any(GUARD.fullmatch(_name(each)) for each in asked)


def _freely(node: ast.FunctionDef) -> ast.expr | None:
    """What the function would say if it let everybody through; None when it is no guard."""
    answers = ast.unparse(node.returns) if node.returns else ""
    if node.name == "visible_to":
        return ast.Name("self", ast.Load())
    if answers == "Q":
        return _call("everything")
    if not GUARD.fullmatch(node.name):
        return None
    if node.name == "accounts":
        return _call("everybody")
    if node.name == "open_to":
        return _call("every_roster")
    if answers == "bool":
        return ast.Constant(node.name != "refuses")
    empty: dict[str, Any] = {"str": "", "list[str]": []}
    return ast.Constant(empty.get(answers)) if answers != "list[str]" else ast.List([], ast.Load())


# --- all of them ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """One guard, by kind and name, and what takes it away beside the switch."""

    name: str
    apply: Callable[[pytest.MonkeyPatch], None] = field(default=lambda _patch: None, hash=False)

    @property
    def kind(self) -> str:
        return self.name.partition(" ")[0]

    @contextmanager
    def removed(self, switches: Switches) -> Iterator[None]:
        """The guard is away in the block."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(switches, "off", self.name)
            self.apply(patch)
            yield


def all_mutants(switches: Switches) -> list[Mutant]:
    """Every guard of the program, in a fixed order."""
    built = (Mutant(name) for name in switches.names)
    return sorted((*built, *_rules(), *_methods(), *_middleware(), *_steps()), key=lambda m: m.name)


def _rules() -> Iterator[Mutant]:
    """Each URL that names roles or a right, opened to whoever signed in; each without its proof."""
    for name, rule in access.REGISTRY.items():
        narrow = rule.right or rule.who not in (access.EVERYBODY, access.SIGNED_IN)
        open_rules = {
            f"rule {name}": replace(rule, who=access.SIGNED_IN, right="") if narrow else rule,
            f"rule {name} fresh": replace(rule, fresh=False),
        }
        for title, free in open_rules.items():
            if free != rule:
                yield Mutant(title, _putting(access.REGISTRY, name, free))


def _putting(table: dict[str, Any], key: str, value: Any) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setitem(table, key, value)


def _methods() -> Iterator[Mutant]:
    """`require_http_methods` and its kin, which then let every method pass."""
    for each in functions():
        if each.__code__.co_qualname.startswith("require_http_methods."):
            cells = dict(zip(each.__code__.co_freevars, each.__closure__ or (), strict=True))
            if "func" in cells and cells["func"].cell_contents.__module__.startswith(PACKAGES):
                view = cells["func"].cell_contents
                cell = cells["request_method_list"]
                yield Mutant(f"method {view.__module__}.{view.__qualname__}", _any_method(cell))


def _any_method(cell: Any) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(cell, "cell_contents", access.METHODS)


def _middleware() -> Iterator[Mutant]:
    for path in filter(lambda path: not NOT_A_DOOR.search(path), settings.MIDDLEWARE):
        rest = [other for other in settings.MIDDLEWARE if other != path]

        def apply(patch: pytest.MonkeyPatch, rest: list[str] = rest) -> None:
            patch.setattr(settings, "MIDDLEWARE", rest)

        yield Mutant(f"middleware {path}", apply)


def _steps() -> Iterator[Mutant]:
    """Each cell of the table of 第六条, empty, or with what stands in the row before."""
    for key, step in STEPS.items():
        others = [STEPS[need] for need in (*step.needs, "enterprise", "declare")]
        cells: dict[str, Any] = {
            "role": next(other.role for other in others if other.role != step.role),
            "desk": next(other.desk for other in others if other.desk != step.desk),
            "needs": (), "guard": _nothing, "unless": _nothing, "returns_to": "", "bulk": True,
        }  # fmt: skip
        if step.form is None:  # who must not do it one by one need not be kept from doing many
            del cells["bulk"]
        for column, value in cells.items():
            if getattr(step, column) != value:
                changed = replace(step, **{column: value})
                yield Mutant(f"step {key} {column}", _putting(STEPS, key, changed))
