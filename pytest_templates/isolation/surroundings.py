"""What lies around subroutines: globals, closures, class attributes, clients, the environment, the process."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from decimal import Context, getcontext
from enum import Enum
from functools import cached_property, lru_cache, partial
from inspect import getattr_static
from operator import is_
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final, cast

from antiphon import (
    Message,
    Model,
    Runner,
    Session,
    SessionInitStrategy,
    SessionTransformer,
    SquashStrategy,
    Template,
    Tool,
    Trace,
)
from antiphon.copies import ATOMS, Shared, attributes
from pytest_templates.isolation.adapters import adapter_of
from pytest_templates.isolation.borrowed import Borrowed
from pytest_templates.isolation.content import ASSOCIATION_PROXIES, Plan, defaults_of
from pytest_templates.isolation.packing import packed
from pytest_templates.isolation.state import Custom, Edge, Exact, StateReader, Trail, same
from pytest_templates.isolation.static import Layout, bases_of, has, is_a, module_of, short_name_of
from pytest_templates.isolation.static import name_of as name_of_type
from pytest_templates.isolation.view import IDENTITY, View
from pytest_templates.support.environment import is_users_module

_PROVIDERS: Final = ("openai", "anthropic", "google.genai", "groq", "mistralai", "cohere", "litellm")
_CLIENT_SETTINGS: Final[tuple[str, ...]] = (
    "headers",
    "_custom_headers",
    "params",
    "cookies",
    "auth",
    "base_url",
    "api_key",
    "timeout",
)
_PLAIN: Final = (type(None), bool, int, float, str, bytes)
_STEPS: Final = (SessionInitStrategy, SessionTransformer, SquashStrategy)
_MOST: Final = 10_000  # items in a container that has to be read one by one; of larger ones the size is compared
_HEAVY: Final = 300  # values in a part above which it is not read whenever a template begins or ends


class Part:
    """A part of what lies around: a global, a function, an object; two of one name are two.

    Args:
        name: What it is called.
        may_appear: Whether it is no change that there is one: clients are opened when they are needed.
    """

    __slots__ = ("may_appear", "name")

    def __init__(self, name: str, *, may_appear: bool = False) -> None:
        self.name = name
        self.may_appear = may_appear

    def __str__(self) -> str:
        return self.name


Surroundings = dict[Part, Any]
ENVIRONMENT: Final = Part("os.environ")


class _Namespace:
    """The globals of a module, or the attributes of a class; read anew only where one may have changed.

    Args:
        owner: The module or class.
        select: Chooses what of it is state.
    """

    def __init__(self, owner: Any, select: Callable[[Any], Iterable[tuple[str, Any]]]) -> None:
        self._owner = owner
        self._select = select
        self._names: list[str] = []
        self._values: list[Any] = []
        self._parts: dict[str, Part] = {}
        self.fixed: Surroundings = {}
        self.open: list[tuple[Part, Any]] = []

    def refresh(self, reader: _Reader) -> None:
        """Find out which values can change, and the state of all others."""
        names, values = [*vars(self._owner)], [*vars(self._owner).values()]
        if names == self._names and all(map(is_, values, self._values)):
            return
        self._names, self._values = names, values
        fixed, self.open = {}, []
        for name, value in self._select(self._owner):
            part = self._parts.get(name) or self._parts.setdefault(name, Part(f"{_name(self._owner)}.{name}"))
            if type(value) in ATOMS or issubclass(type(value), type):
                fixed[part] = reader.read(value)
            else:
                self.open.append((part, value))
        self.fixed = fixed


class AmbientReader:
    """Reads what lies around the subroutines that are under way: all parts as they are at a moment.

    Args:
        custom: As of `StateReader`.
    """

    def __init__(self, custom: Custom | None) -> None:
        self._functions: dict[int, FunctionType] = {}
        self._owners: dict[int, Any] = {}
        self._models: dict[int, Model] = {}
        self._classes: dict[int, type] = {}
        self._modules: dict[int, ModuleType] = {}
        self._namespaces: dict[int, _Namespace] = {}  # of modules, providers and classes
        self._known: dict[int, Any] = {}  # what was followed already, kept alive
        self._parts: dict[tuple[int, str], Part] = {}  # those that are in no namespace
        self._heavy: Surroundings = {}  # the parts that are large
        self._reader = _Reader(custom)
        self._borrowed = Borrowed(self._reader.read)
        for name in _PROVIDERS:
            if name in sys.modules:
                self._namespaces[id(sys.modules[name])] = _Namespace(sys.modules[name], _settings)

    def add(self, parent: Session, templates: Iterable[Template], kinds: Iterable[type[Any]]) -> None:
        """Look around a subroutine as well.

        Args:
            parent: The parent's session.
            templates: The templates that run in it, and their subroutines.
            kinds: The types of all objects that the parent holds.
        """
        trees = [one for one in templates if self._is_new(one)]
        for model in _models(parent, trees):
            self._models.setdefault(id(model), model)
        for kind in (type(one) for one in (parent.runner, *self._models.values(), *trees)):
            self._add_class(kind)
        for kind in sorted(kinds, key=_name):
            self._add_class(kind)
        files = {template.built_at.file for template in trees if template.built_at is not None}
        for name in _modules_of(frozenset(files), len(sys.modules)):
            self._add_module(sys.modules.get(name))
        for template in trees:
            for held in attributes(template).values():
                self._follow(held)

    def read(self, *, thorough: bool) -> Surroundings:
        """The state of every part.

        Args:
            thorough: Whether to read large parts anew as well.
        """
        self._reader.begin()
        parts: Surroundings = {ENVIRONMENT: dict(getattr(os.environ, "_data", os.environ))}
        for namespace in self._namespaces.values():
            namespace.refresh(self._reader)
            parts.update(namespace.fixed)
            for part, value in namespace.open:
                parts[part] = self._state(part, value, thorough=thorough)
        for part, value in self._beside():
            parts[part] = self._state(part, value, thorough=thorough)
        for name, state in _process(self._reader):
            parts[self._part(0, name)] = state
        for module, name, state in self._borrowed.states():
            parts[self._part(module, name)] = state
        return parts

    def _state(self, part: Part, value: Any, *, thorough: bool) -> Any:
        if not thorough and part in self._heavy:
            return self._heavy[part]
        self._reader.count = 0
        state = self._reader.read(value)
        if self._reader.count > _HEAVY:
            self._heavy[part] = state
        else:
            self._heavy.pop(part, None)
        return state

    def _part(self, owner: int, name: str, *, may_appear: bool = False) -> Part:
        part = self._parts.get((owner, name))
        if part is None:
            part = self._parts[owner, name] = Part(name, may_appear=may_appear)
        return part

    def _beside(self) -> Iterator[tuple[Part, Any]]:
        """The parts that are in no namespace."""
        for function in self._functions.values():
            yield self._part(id(function), name_of(function)), state_of(function)
        for number, owner in enumerate(self._owners.values(), 1):
            held = {"args": owner.args, **owner.keywords} if type(owner) is partial else owner
            yield self._part(id(owner), f"the {type(owner).__name__} {number}"), held
        for name, client, settings in _clients(self._models.values()):
            yield self._part(id(client), f"the {type(client).__name__} of {name}", may_appear=True), settings

    def _is_new(self, value: Any) -> bool:
        if id(value) in self._known:
            return False
        self._known[id(value)] = value
        return True

    def _add_class(self, kind: type[Any]) -> None:
        """A user's class, with those above it, and what their methods use."""
        for cls in bases_of(kind):
            if id(cls) in self._classes or not is_users_module(module_of(cls)) or is_a(cls, Enum):
                continue
            self._classes[id(cls)] = cls
            self._namespaces[id(cls)] = _Namespace(cls, _class_attributes)
            for held in [*vars(cls).values()]:
                self._follow(_behind(held))

    def _follow(self, held: Any) -> None:
        """Whatever the program's functions reach from a value: their closures, the functions and modules they name."""
        waiting = [held]
        while waiting:
            one = waiting.pop()
            if type(one) not in _PLAIN and not issubclass(type(one), Template | Session | Model) and self._is_new(one):
                waiting += self._within(one)

    def _within(self, value: Any) -> Iterable[Any]:
        """What is to be followed behind a value."""
        kind = type(value)
        if kind is FunctionType:
            return self._of_function(value)
        if issubclass(kind, list | tuple):
            return [*value]
        if kind is partial:
            return self._of_callable(value, [value.func, *value.args, *value.keywords.values()])
        if kind is MethodType:
            return self._of_callable(value.__self__, [value.__func__])
        if issubclass(kind, Tool):
            return [value.function]
        if issubclass(kind, type):
            self._add_class(value)
        elif issubclass(kind, _STEPS) or (is_users_module(kind.__module__) and callable(value)):
            return self._of_callable(value, [])
        return []

    def _of_function(self, function: FunctionType) -> list[Any]:
        behind = vars(function).get("__wrapped__")
        if not is_users_module(function.__module__):
            return [behind]
        self._functions[id(function)] = function
        self._add_module(sys.modules.get(function.__module__))
        around, names = function.__globals__, _names_in(function.__code__)
        named = [around[name] for name in names if name in around]
        modules = [one for one in named if type(one) is ModuleType]
        self._borrowed.add(modules, names)
        modules = [one for one in modules if is_users_module(one.__name__)]
        for module in modules:
            self._add_module(module)
        named += [vars(module)[name] for module in modules for name in names if name in vars(module)]
        self._add_kinds(named)
        held = [*state_of(function).values()]
        self._add_kinds(held)
        return [behind, *held, *(one for one in named if isinstance(one, FunctionType | type))]

    def _of_callable(self, owner: Any, within: list[Any]) -> list[Any]:
        """An object whose methods are called: its attributes are state, where it is no function itself."""
        if isinstance(owner, type | Template | ModuleType):
            return within
        if type(owner) is partial:
            if any(type(one) not in ATOMS for one in (*owner.args, *owner.keywords.values())):
                self._owners[id(owner)] = owner
            return within
        if attributes(owner):
            self._owners[id(owner)] = owner
        self._add_kinds([owner])
        return [*within, *(one for one in attributes(owner).values() if callable(one))]

    def _add_kinds(self, values: Iterable[Any]) -> None:
        for value in values:
            self._add_class(type(value))

    def _add_module(self, module: ModuleType | None) -> None:
        if module is not None and id(module) not in self._modules:
            self._modules[id(module)] = module
            self._namespaces[id(module)] = _Namespace(module, _globals)


def changed_parts(before: Surroundings, now: Surroundings) -> list[Part]:
    """The parts that are in one of two readings only, or are not the same in both."""
    changed = [
        part
        for part, state in now.items()
        if (not _is_same(before[part], state) if part in before else not part.may_appear)
    ]
    return changed + [part for part in before if part not in now]


class _Reader(StateReader):
    """Reads what is known to be state: containers, data, objects of the user's classes; of all else, the identity.

    Args:
        custom: As of `StateReader`.

    Attributes:
        count: How many values it has read.
    """

    def __init__(self, custom: Custom | None) -> None:
        super().__init__(custom)
        self.count = 0

    def read(self, value: Any) -> Any:
        """The state of the value of a part."""
        return Lazily(self.value(value.value)) if type(value) is Lazily else self.value(value)

    def _part(self, value: Any, around: Trail | None, edge: Edge, key: Any) -> Any:
        self.count += 1
        kind = type(value)
        if id(kind) in _SIZED:
            pack = packed(value)
            if pack is not None:
                self.count += len(pack.data) // 20
                return pack
            if len(value) > _MOST:
                return Exact((kind, ("of", len(value))))
        return super()._part(value, around, edge, key)

    def _own_look(self, plan: Plan, value: Any) -> View:
        kind = plan.kind
        if is_a(kind, logging.Logger):
            held = Layout(kind).attributes(value)
            kept = {name: held.get(name) for name in _OF_LOGGERS}
            handlers = [one for one in kept["handlers"] or () if module_of(type(one)) != "_pytest.logging"]
            return View("object", attributes={**kept, "handlers": handlers}, has_identity=True)
        return IDENTITY if _is_left_alone(plan) else super()._own_look(plan, value)


_SIZED: Final = frozenset(map(id, (list, dict, tuple, set, frozenset)))
_OF_LOGGERS: Final = ("level", "disabled", "propagate", "handlers")
# what is drawn from random generators is drawn by those who use them
_DRAWN_FROM: Final = frozenset([("random", "Random"), ("numpy", "RandomState"), ("numpy", "Generator")])
_OPEN: Final = frozenset(["builtins", "collections", "types", "functools", "queue"])
_LIVING: Final = (Message, Runner, Session, Template, Trace)  # what other conversations change


def _is_left_alone(plan: Plan) -> bool:
    """Whether values of a type are told apart by their identity: functions, what is used up, what others define."""
    kind = plan.kind
    package = module_of(kind).partition(".")[0]
    if is_a(kind, FunctionType) or is_a(kind, type) or has(kind, "__next__"):
        return True
    if (package, short_name_of(kind)) in _DRAWN_FROM or any(is_a(kind, one) for one in _LIVING):
        return True
    if package in {"antiphon", "pytest_templates"}:
        return True
    return not (plan.is_users or package in _OPEN or adapter_of(kind) is not None)


@dataclass(frozen=True, slots=True)
class Lazily:
    """The state of a private global that holds an object: ``None``, from which it may be made when needed, is no other.

    Attributes:
        value: The object, or its state.
    """

    value: Any


@dataclass(frozen=True, slots=True)
class ByImports:
    """What modules change as well when they are imported: it is what it was before another module was.

    Attributes:
        value: The state.
        loaded: How many modules were loaded.
    """

    value: list[Any]
    loaded: int


def _is_same(one: Any, other: Any) -> bool:
    """Whether a part is as it was."""
    if one is other:
        return True
    if type(one) is ByImports is type(other):
        return one.loaded != other.loaded or bool(one.value == other.value)
    if type(one) is Lazily or type(other) is Lazily:
        one, other = (state.value if type(state) is Lazily else state for state in (one, other))
        return one is None or other is None or same(one, other)
    return bool(one == other) if type(one) is dict else same(one, other)


def explained(state: Any) -> Any:
    """The state of a part as it is shown, and looked through."""
    if type(state) is ByImports:
        return [*map(str, state.value)]
    return state.value if type(state) is Lazily else state


def environment(state: Mapping[Any, Any]) -> dict[str, Any]:
    """The environment, as texts."""
    texts = {os.fsdecode(name): os.fsdecode(text) for name, text in state.items()}
    return {name: text for name, text in texts.items() if name != "PYTEST_CURRENT_TEST"}


class ContextReader:
    """Reads the context variables of the program, and what `decimal` keeps in one.

    Args:
        custom: As of `StateReader`.
    """

    def __init__(self, custom: Custom | None) -> None:
        self._reader = _Reader(custom)
        self._parts: dict[int, Part] = {}
        self._decimal = Part("decimal.getcontext()")

    def read(self) -> Surroundings:
        """The state of every one that is set."""
        self._reader.begin()
        ours, decimal = _variables_in(len(sys.modules)), getcontext()
        state: Surroundings = {
            self._part(variable): self._reader.value(value)
            for variable, value in copy_context().items()
            if id(variable) not in ours and type(value) is not Context
        }
        state[self._decimal] = {"prec": decimal.prec, "rounding": decimal.rounding}
        return state

    def _part(self, variable: ContextVar[Any]) -> Part:
        name = f"the context variable {variable.name}"
        return self._parts.get(id(variable)) or self._parts.setdefault(id(variable), Part(name))


@lru_cache(maxsize=8)
def _variables_in(count: int) -> dict[int, ContextVar[Any]]:
    """The context variables of the engine and of this plugin, which change in every subroutine, whatever it does.

    Args:
        count: How many modules are loaded.
    """
    del count
    return {
        id(value): value
        for name, module in [*sys.modules.items()]
        if name.partition(".")[0] in {"antiphon", "pytest_templates"} and isinstance(module, ModuleType)
        for value in [*vars(module).values()]
        if type(value) is ContextVar
    }


def _process(reader: StateReader) -> Iterator[tuple[str, Any]]:
    """What the whole process has but once."""
    yield "os.getcwd()", _working_directory()
    yield "sys.getrecursionlimit()", sys.getrecursionlimit()
    yield "sys.path", ByImports([*sys.path], len(sys.modules))
    yield "warnings.filters", ByImports([*warnings.filters], len(sys.modules))
    yield "the root logger", reader.value(logging.root)


def _working_directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - a text
    except OSError:  # it was removed
        return "<removed>"


def _behind(held: Any) -> Any:
    """The function behind what stands in a class."""
    if isinstance(held, staticmethod | classmethod):
        return held.__func__
    if isinstance(held, property):
        return held.fget
    return held.func if isinstance(held, cached_property) else held if isinstance(held, FunctionType) else None


@lru_cache(maxsize=4096)
def _names_in(code: CodeType) -> frozenset[str]:
    """The names of globals and attributes in a function, and in those that are defined in it."""
    inner = [_names_in(one) for one in code.co_consts if isinstance(one, CodeType)]
    return frozenset(code.co_names).union(*inner)


def state_of(function: FunctionType) -> dict[str, Any]:
    """The state of a function: the variables of its closure, its defaults and its attributes, by name."""
    names = function.__code__.co_freevars
    closure = {
        name: cell.cell_contents for name, cell in zip(names, function.__closure__ or (), strict=True) if _is_set(cell)
    }
    held = {name: value for name, value in vars(function).items() if name != "__wrapped__"}
    return {**held, **defaults_of(function), **closure}


def name_of(function: FunctionType) -> str:
    """The name of a function; for a lambda, with its line."""
    line = f" (line {function.__code__.co_firstlineno})" if "<lambda>" in function.__qualname__ else ""
    return f"{function.__module__}.{function.__qualname__}{line}"


@lru_cache(maxsize=64)
def _modules_of(files: frozenset[str], count: int) -> list[str]:
    """The names of the user's modules that come from some files.

    Args:
        files: The files.
        count: How many modules are loaded.
    """
    del count
    loaded = [*sys.modules.items()] if files else []
    return [name for name, module in loaded if getattr(module, "__file__", None) in files and is_users_module(name)]


def _is_set(cell: CellType) -> bool:
    """Whether a variable of a closure has a value yet."""
    try:
        return cell.cell_contents is cell.cell_contents
    except ValueError:
        return False


def _models(parent: Session, templates: Iterable[Template]) -> list[Model]:
    runners = [parent.runner, *(getattr(template, "runner", None) for template in templates)]
    models = [getattr(runner, "model", None) for runner in runners]
    models += [getattr(template, "model", None) for template in templates]
    return [*{id(model): model for model in models if isinstance(model, Model)}.values()]


def _globals(module: ModuleType) -> Iterator[tuple[str, Any]]:
    return (
        (name, _lazily(name, value))
        for name, value in [*vars(module).items()]
        if not name.startswith("__") and type(value) is not ModuleType and not _is_cache(name)
    )


def _settings(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The settings of a provider's package, by type alone: ``isinstance`` makes the lazy clients of ``openai``."""
    return (
        (name, value)
        for name, value in [*vars(module).items()]
        if not name.startswith("__") and (type(value) in _PLAIN or id(type(value)) in _SIZED)
    )


def _class_attributes(cls: type) -> Iterator[tuple[str, Any]]:
    return (
        (name, _lazily(name, value))
        for name, value in [*vars(cls).items()]
        if not name.startswith("__")
        and not _is_cache(name)
        and (type(value) is FunctionType or not hasattr(type(value), "__get__"))
    )


def _is_cache(name: str) -> bool:
    """Whether a private global, or attribute of a class, is named as a cache."""
    return name.startswith("_") and ("cache" in name.lower() or name.startswith(ASSOCIATION_PROXIES))


def _lazily(name: str, value: Any) -> Any:
    """A value as a part; a private object is marked, so that it is no other than ``None``."""
    kind = type(value)
    return Lazily(value) if name.startswith("_") and kind not in ATOMS and id(kind) not in _SIZED else value


_NO_CLIENTS: Final = (list, dict, tuple, set, frozenset, Shared, Model)


def _clients(models: Iterable[Model]) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """The clients that models hold, each with a name and its settings."""
    for model in models:
        for name, held in attributes(model).items():
            if type(held) not in ATOMS and not issubclass(type(held), _NO_CLIENTS):
                names = _setting_names(held)
                settings = {key: _plain(getattr(held, key)) for key in _CLIENT_SETTINGS if key in names}
                if settings:
                    yield f"the model {model.name}, {name.removeprefix('_')}", held, settings


def _setting_names(client: object) -> set[str]:
    return {*attributes(client), *_properties(cast("Hashable", type(client)))}


@lru_cache(maxsize=256)
def _properties(kind: Any) -> frozenset[str]:
    return frozenset(key for key in _CLIENT_SETTINGS if isinstance(getattr_static(kind, key, None), property))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): item if type(item) in _PLAIN else str(item) for key, item in value.items()}
    return value if type(value) in _PLAIN else str(value)


def _name(module_or_class: Any) -> str:
    if is_a(type(module_or_class), type):
        return f"{module_of(module_or_class)}.{name_of_type(module_or_class)}"
    return str(module_or_class.__name__)
