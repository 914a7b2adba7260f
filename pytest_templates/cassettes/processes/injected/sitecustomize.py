"""Runs in every Python process that a test starts while its cassette is open, before anything else.

Such a process has no cassette, so it may reach no model. As most of them reach for nothing, the guard of the network is
imported when a socket is first connected, or a library with sockets of its own is loaded. What is imported here is
imported by all of them: so there is no pathlib.
"""
# ruff: noqa: PTH120, PTH123

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec
from typing import Any

STATE = "ANTIPHON_CASSETTE"  # the environment variable that names the file which says what is open
_OWN_SOCKETS = ("awscrt", "curl_cffi", "grpc", "pycurl", "pyreqwest", "uvloop")
_CONNECTING = ("connect", "connect_ex", "sendto")


class _Watch:
    """Puts the guard in place as soon as the process could reach another one; a finder that finds no module.

    Args:
        state: The file that says what is open.
        messages: The file of the messages to the test.
        path: Where the test finds modules.
    """

    def __init__(self, state: str, messages: str, path: list[str]) -> None:
        self._state = state
        self._messages = messages
        self._path = path
        self._is_over = False

    def begin(self) -> None:
        """Wait for what needs the guard."""
        sys.meta_path.insert(0, self)
        if "socket" in sys.modules:
            self._watch_sockets()

    def find_spec(self, name: str, path: Any = None, _target: object = None) -> ModuleSpec | None:
        """See which modules are loaded."""
        if not self._is_over and name in _OWN_SOCKETS:
            self._guard()
        if self._is_over or name != "socket":
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = self._loading(spec.loader.exec_module)  # type: ignore[method-assign]
        return spec

    def _loading(self, real: Any) -> Any:
        def exec_module(module: Any) -> None:
            real(module)
            self._watch_sockets()

        return exec_module

    def _watch_sockets(self) -> None:
        for name in _CONNECTING:
            setattr(sys.modules["socket"].socket, name, self._guarding(name))

    def _guarding(self, name: str) -> Any:
        def call(sock: Any, *arguments: Any) -> Any:
            self._guard()
            return getattr(sock, name)(*arguments)

        return call

    def _guard(self) -> None:
        self._is_over = True
        if "socket" in sys.modules:
            for name in _CONNECTING:
                delattr(sys.modules["socket"].socket, name)  # the methods of its base class are to be seen again
        own = sys.path[:]
        sys.path[:] = self._path  # this process may find another antiphon by itself, or none
        try:
            from pytest_templates.cassettes.processes.started_python import guard_this_process
        except ImportError as error:
            _tell(self._messages, f'{{"error": "a Python that was started has no guard: {error}"}}')
            raise
        finally:
            sys.path[:] = own
        guard_this_process(self._state)


def _begin() -> None:
    state = os.environ.get(STATE, "")
    try:
        with open(state, encoding="utf-8") as file:
            prefix, messages, path = (file.readline().rstrip("\n") for _ in range(3))
    except OSError:
        return  # nothing is open any more
    if prefix == sys.prefix:  # else this Python has no guard: the test is told so, since this process is silent
        _tell(messages, f'{{"guarded": {os.getpid()}, "parent": {os.getppid()}}}')
        _Watch(state, messages, path.split(os.pathsep)).begin()


def _tell(messages: str, message: str) -> None:
    """Tell something to the test; see `Messages`."""
    with open(messages, "a", encoding="utf-8") as file:
        file.write(f"{message}\n")


def _run_hidden() -> None:
    """Run the module of the same name that would have been found without this one."""
    here = os.path.dirname(__file__)
    sys.path[:] = [folder for folder in sys.path if folder != here]
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        sys.modules["sitecustomize"] = module = module_from_spec(spec)
        spec.loader.exec_module(module)


if __name__ == "sitecustomize":
    _begin()
    _run_hidden()
