"""Running code as soon as a module has been imported, without importing it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class WhenLoaded(MetaPathFinder):
    """Calls a function when a module has been imported; at once where it is imported already.

    Args:
        module: The module's full name.
        then: What to do.
    """

    def __init__(self, module: str, then: Callable[[], None]) -> None:
        self._module = module
        self._then = then
        if module in sys.modules:
            then()
        else:
            sys.meta_path.insert(0, self)

    def forget(self) -> None:
        """Wait no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module as the others would, with a loader that tells everybody who waits when it is done."""
        if fullname != self._module:
            return None
        waiting = [one for one in sys.meta_path if isinstance(one, WhenLoaded) and one._module == fullname]
        for one in waiting:
            one.forget()
        specs = (finder.find_spec(fullname, path, target) for finder in tuple(sys.meta_path))
        spec = next((found for found in specs if found is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Telling(spec.loader, [one._then for one in waiting])
        return spec


class _Telling(Loader):
    def __init__(self, loader: Loader, told: Sequence[Callable[[], None]]) -> None:
        self._loader = loader
        self._told = told

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        for then in self._told:
            then()
