"""Each guard taken away in turn: found in the source by its kind, so that a new one is found too."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django.shortcuts
from django.conf import settings
from django.db.models import Q

from xianning import access, exports
from xianning.models import User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FunctionType, ModuleType

    import pytest

PACKAGES = ("xianning", "communities", "enterprises", "transfers", "archives", "party")
# Words and formats, not people: nothing there lets anybody in.
NOT_GUARDS = re.compile(
    r"xianning\.(standards|uploads|permission_views|migrations)|\.migrations\.|\.management\.|"
    r"transfers\.imports\.reading|\._may_be_fetched$|\._may_ask$"
)
NAMES = re.compile(
    r"_?(visible_to|why_not\w*|why_over|may_\w+|is_mine|is_desk_of|is_fresh|concerns|decides|"
    r"open_to|refuses|accounts|sees_names|require_fresh|gate|within|inside|cases|places|desks)$"
)


def _open(name: str) -> Callable[..., Any]:
    """What stands in the place of a guard: it lets everybody through."""
    bare = name.lstrip("_")
    if bare == "visible_to":
        return lambda rows, *_, **__: rows
    if bare == "accounts":
        return lambda *_, **__: User.objects.all()
    if bare == "open_to":
        return lambda *_, **__: list(exports.ROSTERS.values())
    if bare in ("within", "cases", "places", "desks"):
        return lambda *_, **__: Q()
    if bare == "refuses":
        return lambda *_, **__: False
    if bare.startswith(("why", "require", "gate")):
        return lambda *_, **__: None
    return lambda *_, **__: True


@dataclass(frozen=True)
class Mutant:
    """One guard, by name, and what removes it."""

    kind: str
    name: str
    apply: Callable[[pytest.MonkeyPatch], None]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def all_mutants() -> list[Mutant]:
    """Every guard of the program, in a fixed order."""
    found = [*_rules(), *_functions(), *_lookups(), *_refusals(), *_middleware()]
    return sorted(found, key=lambda mutant: (mutant.kind, mutant.name))


def modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        root = importlib.import_module(package)
        for info in pkgutil.walk_packages(root.__path__, f"{package}."):
            if not re.search(r"\.(migrations|wsgi|settings|management)", info.name):
                yield importlib.import_module(info.name)


# --- the registry --------------------------------------------------------------------------------


def _rules() -> Iterator[Mutant]:
    """Each URL that names roles or a right, opened to whoever signed in."""
    for name, rule in access.REGISTRY.items():
        if rule.who == access.EVERYBODY or (rule.who == access.SIGNED_IN and not rule.right):
            continue

        def apply(patch: pytest.MonkeyPatch, name: str = name, fresh: bool = rule.fresh) -> None:
            patch.setitem(access.REGISTRY, name, access.Rule(access.SIGNED_IN, fresh=fresh))

        yield Mutant("rule", name, apply)


# --- functions that answer whether one may --------------------------------------------------------


def _functions() -> Iterator[Mutant]:
    for module in modules():
        for owner in (module, *_classes(module)):
            for name, value in list(vars(owner).items()):
                bare = inspect.unwrap(getattr(value, "__func__", value))
                if not (inspect.isfunction(bare) and NAMES.fullmatch(name)):
                    continue
                if bare.__module__ != module.__name__:
                    continue
                full = f"{module.__name__}.{bare.__qualname__}"
                if not NOT_GUARDS.search(full):
                    yield Mutant("function", full, _replacing(owner, name, value))


def _classes(module: ModuleType) -> list[type]:
    return [
        value for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__
    ]  # fmt: skip


def _replacing(owner: Any, name: str, value: Any) -> Callable[[pytest.MonkeyPatch], None]:
    def apply(patch: pytest.MonkeyPatch) -> None:
        free = _open(name)
        patch.setattr(owner, name, free)
        if inspect.isclass(owner):
            return
        for module in list(sys.modules.values()):  # whoever imported it by name
            known = getattr(module, "__name__", "").startswith(PACKAGES)
            for other, found in list(vars(module).items()) if known else ():
                if found is value:
                    patch.setattr(module, other, free)

    return apply


# --- places in the source ------------------------------------------------------------------------


def _lookups() -> Iterator[Mutant]:
    """Each view that looks an object up among the visible ones, looking among all."""
    for module in modules():
        for function in _functions_of(module):
            calls = (node for node in ast.walk(function) if isinstance(node, ast.Call))
            if any(getattr(call.func, "id", "") == "get_object_or_404" for call in calls):
                apply = _looking_among_all(module, function.name)
                yield Mutant("lookup", f"{module.__name__}.{function.name}", apply)


def _looking_among_all(module: ModuleType, function: str) -> Callable[[pytest.MonkeyPatch], None]:
    def among_all(rows: Any, *args: Any, **kwargs: Any) -> Any:
        if sys._getframe(1).f_code.co_name == function:
            rows = rows.model._default_manager.all()
        return django.shortcuts.get_object_or_404(rows, *args, **kwargs)

    return lambda patch: patch.setattr(module, "get_object_or_404", among_all)


def _refusals() -> Iterator[Mutant]:
    """Each `if …: raise PermissionDenied`, with a condition that never holds."""
    for module in modules():
        for function in _functions_of(module):
            for number, node in enumerate(n for n in ast.walk(function) if _refuses(n)):
                name = f"{module.__name__}.{function.name}#{number}"
                yield Mutant("refusal", name, _never(module, function, node.lineno))


def _refuses(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and any(
        isinstance(each, ast.Raise) and "PermissionDenied" in ast.dump(each) for each in node.body
    )


def _functions_of(module: ModuleType) -> list[ast.FunctionDef]:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def _never(
    module: ModuleType, function: ast.FunctionDef, line: int
) -> Callable[[pytest.MonkeyPatch], None]:
    """Gives the function the code that it would have without the condition at LINE."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        path = str(module.__file__)
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and node.lineno == line:
                node.test = ast.copy_location(ast.Constant(False), node.test)
        living = next(_living(module, function.name))
        first = living.__code__.co_firstlineno
        code = next(_codes(compile(tree, path, "exec"), function.name, first))
        patch.setattr(living, "__code__", code)

    return apply


def _codes(code: CodeType, name: str, first_line: int) -> Iterator[CodeType]:
    for inner in code.co_consts:
        if inspect.iscode(inner):
            if (inner.co_name, inner.co_firstlineno) == (name, first_line):
                yield inner
            yield from _codes(inner, name, first_line)


def _living(module: ModuleType, name: str) -> Iterator[FunctionType]:
    """The function itself, under its decorators, in the module or in one of its classes."""
    for owner in (module, *_classes(module)):
        if name in vars(owner):
            yield inspect.unwrap(vars(owner)[name])


# --- middleware ----------------------------------------------------------------------------------


def _middleware() -> Iterator[Mutant]:
    for path in settings.MIDDLEWARE:
        rest = [other for other in settings.MIDDLEWARE if other != path]

        def apply(patch: pytest.MonkeyPatch, rest: list[str] = rest) -> None:
            patch.setattr(settings, "MIDDLEWARE", rest)

        yield Mutant("middleware", path, apply)
