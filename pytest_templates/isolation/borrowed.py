"""Functions and classes of other packages that the program's own functions name: to replace one replaces it for all."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple

from pytest_templates.support.environment import is_users_module


class _Held(NamedTuple):
    """What a module has under a name, and its state."""

    value: Any
    state: Any


class Borrowed:
    """The functions and classes of modules that are not the user's, as far as they are named.

    What a module does not have when it is first named may come later, and what another import replaces is no change:
    so do modules that load their parts late, and libraries that instrument others.

    Args:
        read: Returns the state of a value.
    """

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self._read = read
        self._modules: dict[int, tuple[ModuleType, dict[str, _Held]]] = {}
        self._loaded = 0

    def add(self, modules: Iterable[ModuleType], names: Collection[str]) -> None:
        """Take note of what a function names.

        Args:
            modules: The modules that it names.
            names: All names in it.
        """
        visited: set[int] = set()
        waiting = [builtins, *modules]
        while waiting:
            module = waiting.pop()
            if id(module) in visited or (module is not builtins and is_users_module(module.__name__)):
                continue
            visited.add(id(module))
            _, held = self._modules.setdefault(id(module), (module, {}))
            found = {name: vars(module)[name] for name in names if name in vars(module)}
            waiting += [value for value in found.values() if type(value) is ModuleType]
            for name, value in found.items():
                if name not in held and issubclass(type(value), FunctionType | BuiltinFunctionType | type):
                    held[name] = _Held(value, self._read(value))

    def states(self) -> Iterator[tuple[int, str, Any]]:
        """The ``id`` of the module, the name and the state of each that is there."""
        is_imported, self._loaded = len(sys.modules) != self._loaded, len(sys.modules)
        for module, held in self._modules.values():
            for name, (known, state) in held.items():
                value = vars(module).get(name)
                if value is not known:
                    held[name] = _Held(value, state if is_imported else self._read(value))
                yield id(module), f"{module.__name__}.{name}", held[name].state
