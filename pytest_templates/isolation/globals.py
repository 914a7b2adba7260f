"""The ambient state of a subroutine: globals, closures, class attributes, clients, the environment."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextvars import copy_context
from functools import cached_property, partial
from hashlib import blake2b
from inspect import unwrap
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any, Final

from antiphon import Model, Session, SessionInitStrategy, SessionTransformer, SquashStrategy, Template, Tool
from antiphon.copies import ATOMS, Shared, attributes
from pytest_templates.isolation.state import State, StateReader
from pytest_templates.redaction.policy import SECRET_NAME, is_secret_header
from pytest_templates.support.environment import is_users_module


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
    """The state of a function: the variables of its closure, its defaults and its attributes, by name."""
    names = function.__code__.co_freevars
    closure = {
        name: cell.cell_contents for name, cell in zip(names, function.__closure__ or (), strict=True) if _is_set(cell)
    }
    parameters = function.__code__.co_varnames[: function.__code__.co_argcount]
    defaults = function.__defaults__ or ()
    by_position = dict(zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True))
    return {**vars(function), **(function.__kwdefaults__ or {}), **by_position, **closure}


def name_of(function: FunctionType) -> str:
    """The name of a function; for a lambda, with its line."""
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
    """Whether a variable of a closure has a value yet."""
    try:
        return cell.cell_contents is cell.cell_contents
    except ValueError:
        return False


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
_UNSTABLE: Final = frozenset(  # context variables that change in every subroutine, whatever it does
    ["antiphon_caller", "passes", "cassette", "owed", "decimal_context"]
)
_ATOMS: Final = (type(None), bool, int, float, str, bytes)
_CONTAINERS: Final = (list, dict, set, frozenset, tuple, deque, bytearray)
_MOST: Final = 10_000  # items in a container; of larger ones only the size is compared


class AmbientReader:
    """Reads the state around a parent: settings of providers and clients, the environment, globals, closures.

    Args:
        parent: The parent's session.
        templates: The templates that run in it, and their subroutines.
        kinds: The types of all objects that the parent holds, known when the state is read for the first time.
    """

    def __init__(self, parent: Session, templates: Iterable[Template], kinds: set[type[Any]]) -> None:
        trees = [*templates]
        self._functions = functions_in(trees)
        self._owners = [*owners_in(trees), *_strategies(trees)]
        self._models = _models(parent, trees)
        self._objects = [parent, parent.runner, *self._models, *trees]
        self._trees = trees
        self._kinds = kinds
        self._providers = [sys.modules[name] for name in _PROVIDERS if name in sys.modules]
        self._reader = _Reader()

    @cached_property
    def _classes(self) -> list[type]:
        kinds = [*map(type, self._objects), *sorted(self._kinds, key=_name)]
        classes = dict.fromkeys(cls for kind in kinds for cls in kind.__mro__)
        return [cls for cls in classes if is_users_module(cls.__module__)]

    @cached_property
    def _modules(self) -> list[ModuleType]:
        return _modules(self._trees, [*self._functions, *self._classes])

    def state(self) -> State:
        """All of it as it is now, each part under its name."""
        self._reader.begin()
        read = self._reader.read
        return {
            "os.environ": {
                name: hidden(name, text) for name, text in os.environ.items() if name != "PYTEST_CURRENT_TEST"
            },
            **{
                f"the context variable {variable.name}": read(value)
                for variable, value in copy_context().items()
                if variable.name not in _UNSTABLE
            },
            **{f"{_name(module)}.{name}": read(value) for module in self._modules for name, value in _globals(module)},
            **{
                f"{_name(module)}.{name}": read(hidden(name, value))
                for module in self._providers
                for name, value in _globals(module)
            },
            **{f"{_name(cls)}.{name}": read(value) for cls in self._classes for name, value in _class_attributes(cls)},
            **{name_of(one): {name: read(value) for name, value in state_of(one).items()} for one in self._functions},
            **{
                f"the {type(owner).__name__} {number}": {
                    name.removeprefix("_"): read(value) for name, value in attributes(owner).items()
                }
                for number, owner in enumerate(self._owners, 1)
            },
            **{
                f"the {type(client).__name__} of {name}": read(settings)
                for name, client, settings in _clients(self._models)
            },
        }


class _Reader(StateReader):
    """Reads the content of containers, models and objects of the user's classes; of all else, the identity."""

    def read(self, value: Any) -> Any:
        """The state of a value; of a large container only its size."""
        if isinstance(value, _CONTAINERS):
            return self.value(value) if len(value) <= _MOST else f"<{len(value)} things>"
        if type(value) in _ATOMS or isinstance(value, Model) or is_users_module(type(value).__module__):
            return self.value(value)
        return self._identity(value)


def hidden(name: str, value: Any) -> Any:
    """The value; where its name is that of a secret, a short hash of it."""
    if isinstance(value, str) and (SECRET_NAME.search(name) or is_secret_header(name)):
        return f"<hidden, {blake2b(value.encode('utf-8', 'surrogatepass'), digest_size=2).hexdigest()}>"
    return value


def _strategies(templates: Iterable[Template]) -> list[Any]:
    held = [one for template in templates for one in attributes(template).values()]
    return [one for one in held if isinstance(one, SessionInitStrategy | SquashStrategy) and attributes(one)]


def _models(parent: Session, templates: Iterable[Template]) -> list[Model]:
    runners = [parent.runner, *(getattr(template, "runner", None) for template in templates)]
    models = [getattr(runner, "model", None) for runner in runners]
    models += [getattr(template, "model", None) for template in templates]
    return [*{id(model): model for model in models if isinstance(model, Model)}.values()]


def _class_attributes(cls: type) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in vars(cls).items() if not name.startswith("__") and _is_state(value))


def _modules(templates: Iterable[Template], definitions: Iterable[Any]) -> list[ModuleType]:
    """The user's modules in which the templates were built, or their functions and classes defined."""
    files = {template.built_at.file for template in templates if template.built_at is not None}
    names = {definition.__module__ for definition in definitions}
    loaded = [*sys.modules.items()]
    return [
        module
        for name, module in loaded
        if (name in names or getattr(module, "__file__", None) in files) and is_users_module(name)
    ]


def _globals(module: ModuleType) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in [*vars(module).items()] if not name.startswith("__") and _is_state(value))


def _is_state(value: Any) -> bool:
    """Whether a value is compared; by its type alone, since ``isinstance`` makes the lazy clients of ``openai``."""
    return issubclass(type(value), (*_ATOMS, *_CONTAINERS, Model))


def _clients(models: Iterable[Model]) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """The clients that models hold, each with a name and its settings."""
    for model in models:
        for name, held in attributes(model).items():
            if type(held) not in ATOMS and not isinstance(held, (*_CONTAINERS, Shared, Model)):
                settings = {key: _plain(getattr(held, key)) for key in _CLIENT_SETTINGS if key in _setting_names(held)}
                if settings:
                    yield f"the model {model.name}, {name.removeprefix('_')}", held, settings


def _setting_names(client: object) -> set[str]:
    return {
        *attributes(client),
        *(key for key in _CLIENT_SETTINGS if isinstance(getattr(type(client), key, None), property)),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): hidden(str(key), item if type(item) in _ATOMS else str(item)) for key, item in value.items()}
    return value if type(value) in _ATOMS else str(value)


def _name(module_or_class: Any) -> str:
    if isinstance(module_or_class, type):
        return f"{module_or_class.__module__}.{module_or_class.__qualname__}"
    return str(module_or_class.__name__)
