"""The functions that templates hold, and what these keep between two calls: closures, defaults, attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from inspect import unwrap
from types import CellType, FunctionType, MethodType
from typing import Any

from antiphon import SessionTransformer, Template, Tool
from antiphon.copies import attributes
from pytest_templates.users import is_users_module


def functions_in(templates: Iterable[Template]) -> list[FunctionType]:
    """The user's functions that templates call: transforms, conditions, tools; each once."""
    found = {
        id(function): function
        for template in templates
        for held in attributes(template).values()
        for function in _functions(held)
        if is_users_module(function.__module__)
    }
    return [*found.values()]


def owners_in(templates: Iterable[Template]) -> list[Any]:
    """The objects whose methods templates call, and transformers that are objects; each once."""
    found = {
        id(owner): owner for template in templates for held in attributes(template).values() for owner in _owners(held)
    }
    return [*found.values()]


def state_of(function: FunctionType) -> dict[str, Any]:
    """What a function keeps: the variables of its closure, its defaults, its attributes, by their names."""
    names = function.__code__.co_freevars
    closure = {
        name: cell.cell_contents for name, cell in zip(names, function.__closure__ or (), strict=True) if _is_set(cell)
    }
    parameters = function.__code__.co_varnames[: function.__code__.co_argcount]
    defaults = function.__defaults__ or ()
    by_position = dict(zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True))
    return {**vars(function), **(function.__kwdefaults__ or {}), **by_position, **closure}


def name_of(function: FunctionType) -> str:
    """What a function is called; a lambda by its line."""
    line = f" (line {function.__code__.co_firstlineno})" if "<lambda>" in function.__qualname__ else ""
    return f"{function.__module__}.{function.__qualname__}{line}"


def _functions(held: Any) -> Iterator[FunctionType]:
    for one in _each(held):
        called = one.__func__ if isinstance(one, MethodType) else one
        if isinstance(called, FunctionType):
            behind = unwrap(called)
            yield called
            if behind is not called and isinstance(behind, FunctionType):
                yield behind


def _owners(held: Any) -> Iterator[Any]:
    for one in _each(held):
        if isinstance(one, MethodType) and not isinstance(one.__self__, type | Template):
            yield one.__self__
        elif isinstance(one, SessionTransformer):
            yield one


def _each(held: Any) -> Iterator[Any]:
    if isinstance(held, list | tuple):
        for item in held:
            yield from _each(item)
    elif isinstance(held, partial):
        yield from _each([held.func, *held.args, *held.keywords.values()])
    elif isinstance(held, Tool):
        yield from _each(held.function)
    else:
        yield held


def _is_set(cell: CellType) -> bool:
    """Whether a closure's variable has a value yet."""
    try:
        return cell.cell_contents is cell.cell_contents
    except ValueError:
        return False
