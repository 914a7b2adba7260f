"""Runs in every Python process that a test starts while its cassette is open, before anything else.

Such a process has no cassette, so it may reach no model. As most of them reach for nothing, the guard of the network is
imported when a socket is first connected, or a library with sockets of its own is loaded. What is imported here is
imported by all of them: so there is no pathlib.

What the test and these processes write for each other is read and written here alone.
"""
# ruff: noqa: PTH110, PTH120, PTH123

from __future__ import annotations

import json
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec
from typing import Any, TypedDict

STATE = "ANTIPHON_CASSETTE"  # the environment variable that names the file which says what is open
_OWN_SOCKETS = ("awscrt", "curl_cffi", "grpc", "pycurl", "pyreqwest", "uvloop")
_CONNECTING = ("connect", "connect_ex", "sendto")


class Opened(TypedDict):
    """What is open in the process that started this one.

    Attributes:
        test: The test's node id.
        ignored: The hosts that are left alone: names, and ports where only those are.
        messages: The file of the messages to the test.
        prefix: The environment of the Pythons that can have a guard.
        path: Where the test finds modules.
    """

    test: str
    ignored: list[tuple[str, int | None]]
    messages: str
    prefix: str
    path: list[str]


class Message(TypedDict, total=False):
    """What a process tells the test: an error, a program that was started, or that it has a guard.

    Attributes:
        error: Its type and text.
        program: The name of a program.
        process: The id of its process; ``None`` where that is not known.
        guarded: The id of the process that has a guard.
        parent: The id of the process that started it.
    """

    error: str
    program: str
    process: int | None
    guarded: int
    parent: int


def opened_in(state: str) -> Opened | None:
    """What a file says is open; ``None`` where nothing is any more."""
    try:
        with open(state, encoding="utf-8") as file:
            opened: Opened = json.load(file)
    except OSError:
        return None
    return opened


def tell(messages: str, message: Message) -> None:
    """Add a message to those to a test."""
    with open(messages, "a", encoding="utf-8") as file:
        file.write(json.dumps(message) + "\n")


def told(messages: str) -> list[Message]:
    """The messages to a test."""
    try:
        with open(messages, encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except FileNotFoundError:
        return []


class _Watch:
    """Puts the guard in place as soon as the process could reach another one; a finder that finds no module.

    Args:
        state: The file that says what is open.
        opened: What is open now; when the guard is needed that may be over.
    """

    def __init__(self, state: str, opened: Opened) -> None:
        self._state = state
        self._opened = opened
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
            spec.loader.exec_module = self._loading(spec.loader.exec_module)  # type: ignore[method-assign]  # for once
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
        sys.path[:] = self._opened["path"]  # this process may find another antiphon by itself, or none
        try:
            from pytest_templates.cassettes.processes.started_python import guard_this_process
        except ImportError as error:
            tell(self._opened["messages"], {"error": f"a Python that was started has no guard: {error}"})
            raise
        finally:
            sys.path[:] = own
        guard_this_process(self._opened["test"], self._opened["ignored"], self._is_open, self._complain)

    def _is_open(self) -> bool:
        return os.path.exists(self._state)

    def _complain(self, error: str) -> None:
        """Tell an error to the test that is under way, if there still is one."""
        opened = opened_in(self._state)
        if opened:
            tell(opened["messages"], {"error": error})


def _begin() -> None:
    state = os.environ.get(STATE, "")
    opened = opened_in(state)
    if opened and opened["prefix"] == sys.prefix:  # else this Python has no guard: the test is told by its silence
        tell(opened["messages"], {"guarded": os.getpid(), "parent": os.getppid()})
        _Watch(state, opened).begin()


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
