"""Listening to the engine without importing it: observers are added as soon as a program has loaded it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import lru_cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from pytest_templates.support.files import path_within
from pytest_templates.support.text import as_text

if TYPE_CHECKING:
    from antiphon.model import Model
    from antiphon.observers import Observer
    from antiphon.templates.base import Template

T = TypeVar("T", bound="Observer")


class WhenLoaded(MetaPathFinder):
    """Calls a function when a module has been imported; at once where it is imported already.

    Args:
        module: The module's full name.
        then: The function.
        during: Makes what the module is imported in.
    """

    def __init__(
        self, module: str, then: Callable[[], None], during: Callable[[], AbstractContextManager[object]] = nullcontext
    ) -> None:
        self._module = module
        self._then = then
        self._during = during
        if module in sys.modules:
            then()
        else:
            sys.meta_path.insert(0, self)

    def forget(self) -> None:
        """Stop waiting."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module by the other finders, and let its loader call all functions that wait for it."""
        if fullname != self._module:
            return None
        waiting = [one for one in sys.meta_path if isinstance(one, WhenLoaded) and one._module == fullname]
        for one in waiting:
            one.forget()
        specs = (finder.find_spec(fullname, path, target) for finder in tuple(sys.meta_path))
        spec = next((found for found in specs if found is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _NotifyingLoader(spec.loader, waiting)
        return spec


class _NotifyingLoader(Loader):
    def __init__(self, loader: Loader, waiting: Sequence[WhenLoaded]) -> None:
        self._loader = loader
        self._waiting = waiting

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with ExitStack() as stack:
            for one in self._waiting:
                stack.enter_context(one._during())
            self._loader.exec_module(module)
        for one in self._waiting:
            one._then()


class EngineListener(Generic[T]):
    """Adds an observer to the engine as soon as a program loads it, and removes it in the end.

    Args:
        make: Makes the observer; called when the engine is loaded.

    Attributes:
        observer: The observer; ``None`` until the engine is loaded.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self.observer: T | None = None
        self._make = make
        self._waiting = WhenLoaded("antiphon", self._listen)

    def end(self) -> None:
        """Stop listening."""
        self._waiting.forget()
        if self.observer is not None:
            from antiphon.observers import LISTENERS

            LISTENERS.remove(self.observer)

    def _listen(self) -> None:
        from antiphon.observers import LISTENERS

        self.observer = self._make()
        LISTENERS.add(self.observer)


def built_at(template: Template, root: Path) -> tuple[str, int]:
    """Where a template was built: the file, from a folder on where it lies there, and the line from 1.

    ``""`` and 0 where that is not known.

    Args:
        template: The template.
        root: The folder.
    """
    place = template.built_at
    return ("", 0) if place is None else (_relative(place.file, root), place.line)


@lru_cache
def _relative(file: str, root: Path) -> str:
    path = path_within(Path(file), root)
    return as_text(file if path is None else path.as_posix())


_DOUBLES: Final = {"function", "test"}  # the providers of pydantic-ai's own test doubles


def is_name_of_double(model: str) -> bool:
    """Whether the name of a model is that of one of pydantic-ai's test doubles."""
    return model.partition(":")[0] in _DOUBLES


def is_double(model: Model) -> bool:
    """Whether a model is a test double, ours or pydantic-ai's: its answers were written for a test."""
    return getattr(model, "is_double", False) or is_name_of_double(model.name)
