"""Loads a template by ``MODULE:TEMPLATE``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from inspect import Parameter, signature
from operator import attrgetter
from pathlib import Path
from types import ModuleType

from antiphon.errors import AntiphonError, InvalidType, InvalidValue
from antiphon.source_locations import location_that_raised
from antiphon.templates.base import Template
from antiphon.tools import Tool


def load(name: str) -> Template:
    """The template that a name stands for; its module is looked for in the current folder first.

    Args:
        name: ``MODULE:TEMPLATE``: a template, or a function without parameters that returns one.

    Raises:
        InvalidValue: There is no such module, or nothing of that name in it.
        InvalidType: What is there is no template, and returns none.
        AntiphonError: Whatever the module raises of the family; a note says in which line.
    """
    module_name, _, path = name.partition(":")
    if not module_name or not path:
        raise InvalidValue(f"{name!r} names no template: write MODULE:TEMPLATE, as in greeter:greeting")
    return _as_template(_found(_module(module_name), path), name)


@contextmanager
def _saying_where() -> Iterator[None]:
    """Let an error of ours tell which line of the program it comes from: there is no path before there is a tree."""
    try:
        yield
    except AntiphonError as error:
        place = location_that_raised(error)
        if place is not None:
            error.add_note(f"built at {place}")
        raise


def _module(name: str) -> ModuleType:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        with _saying_where():
            return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # a module that this one imports is missing
        raise InvalidValue(f"there is no module {error.name!r}, neither in {folder} nor installed") from error


def _found(module: ModuleType, path: str) -> object:
    try:
        return attrgetter(path)(module)
    except AttributeError as error:
        there = sorted(name for name, value in vars(module).items() if _may_be_meant(value, module))
        hint = f"; there is {', '.join(there)}" if there else ""
        raise InvalidValue(f"there is no {path!r} in the module {module.__name__!r}{hint}") from error


def _may_be_meant(value: object, module: ModuleType) -> bool:
    is_own = getattr(value, "__module__", "") == module.__name__
    return isinstance(value, Template) or (is_own and callable(value) and not isinstance(value, type | Tool))


def _as_template(found: object, name: str) -> Template:
    if isinstance(found, Template):
        return found
    if not callable(found) or isinstance(found, Tool):
        raise InvalidType(f"{name} is no template, but {type(found).__name__}: {found!r}")
    wanted = [str(parameter) for parameter in signature(found).parameters.values() if _is_required(parameter)]
    if wanted:
        raise InvalidType(f"{name} wants {', '.join(wanted)}: name a template, or a function without parameters")
    with _saying_where():
        made = found()
    if isinstance(made, Template):
        return made
    raise InvalidType(f"{name} returned no template, but {type(made).__name__}: {made!r}")


def _is_required(parameter: Parameter) -> bool:
    return parameter.default is Parameter.empty and parameter.kind not in {
        Parameter.VAR_POSITIONAL,
        Parameter.VAR_KEYWORD,
    }
