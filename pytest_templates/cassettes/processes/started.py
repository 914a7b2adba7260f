"""Programs that a test starts while its cassette is open: Pythons are guarded, and the test is told of all others.

A started Python has no cassette. It finds our ``sitecustomize`` on its path, which puts the guard of the network in
place (`started_python`). Other programs, and Pythons of other environments, are out of reach: they are named.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial, wraps
from inspect import signature
from itertools import takewhile
from pathlib import Path
from tempfile import mkdtemp
from types import FrameType
from typing import Any, Final
from unittest import mock
from uuid import uuid4

from pytest_templates.cassettes.hosts import HostPattern
from pytest_templates.cassettes.processes.injected.sitecustomize import STATE, Opened
from pytest_templates.cassettes.processes.messages import Messages
from pytest_templates.support.engine import WhenLoaded
from pytest_templates.support.files import atomic_write

_INJECTED: Final = str(Path(__file__).parent / "injected")
_LOOKS_UP: Final = frozenset(["ctypes.util", "distro", "platform", "uuid"])  # ask about the machine: ldconfig, uname
_SPEAK_TO_NO_MODEL: Final = frozenset(
    [
        *("git", "hg", "svn"),
        *("cat", "date", "diff", "echo", "grep", "hostname", "id", "ls", "ps", "pwd", "sort", "uname", "wc", "which"),
    ]
)
_ONE_COMMAND: Final = re.compile(r"[^;&|<>$`()\n]*")  # for a shell
_KEEPS_FROM_PATH: Final = frozenset("EIS")  # options of Python


@cache
def _state(process: int) -> Path:
    """The file of a process that says what is open in it; there while something is."""
    folder = mkdtemp(prefix="antiphon-")
    atexit.register(_remove, folder, process)
    return Path(folder) / "open"


def _remove(folder: str, process: int) -> None:
    if os.getpid() == process:  # not at the end of a process that was forked from it
        shutil.rmtree(folder, ignore_errors=True)


def messages_to(complain: Callable[[Exception], None]) -> Messages:
    """The messages of other processes to a test that is under way in this one."""
    return Messages(_state(os.getpid()).with_name(f"{uuid4().hex}.messages"), complain)


@contextmanager
def guarding_started(test: str, messages: Messages, ignored: Sequence[HostPattern]) -> Iterator[None]:
    """Guard the Pythons that are started in a block, and note all other programs.

    Args:
        test: The test's node id.
        messages: Where errors go, and the names of programs.
        ignored: The hosts that are left alone.
    """
    state = _state(os.getpid())
    opened = Opened(
        test=test,
        ignored=[(one.name, one.port) for one in ignored],
        messages=str(messages.path),
        prefix=sys.prefix,
        path=list(map(str, sys.path)),
    )
    with ExitStack() as stack:
        stack.enter_context(_written(state, json.dumps(opened)))
        stack.enter_context(_in_environment(_variables(state, os.environ)))
        stack.callback(WhenLoaded("uvloop", partial(_close_uvloop, stack, state, messages)).forget)
        for worker in _workers():
            messages.started(worker.name, worker.pid)
        for owner, name, wrapper in _starting(state, messages):
            real = getattr(owner, name)
            stack.enter_context(mock.patch.object(owner, name, wraps(real)(wrapper(real))))
        yield


@contextmanager
def _written(state: Path, text: str) -> Iterator[None]:
    """Let the file say something in a block; a test may be played once more while it is open."""
    before = state.read_text(encoding="utf-8") if state.exists() else None
    atomic_write(state, text)  # a process that begins just now reads it
    try:
        yield
    finally:
        if before is None:
            state.unlink()
        else:
            atomic_write(state, before)


@contextmanager
def _in_environment(variables: dict[str, str]) -> Iterator[None]:
    """Set variables of the environment in a block, and leave all others alone."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if os.environ.get(name) == variables[name]:
                os.environ.pop(name)
                os.environ.update({} if value is None else {name: value})


def _workers() -> list[Any]:
    """The processes that multiprocessing has started already, such as those of a pool that other tests use as well."""
    multiprocessing = sys.modules.get("multiprocessing")
    return [] if multiprocessing is None else multiprocessing.active_children()


def _variables(state: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """What a started Python needs in its environment."""
    path = [_INJECTED, *filter(None, [environ.get("PYTHONPATH")])]
    return {STATE: str(state), "PYTHONPATH": os.pathsep.join(path)}


def _starting(state: Path, messages: Messages) -> Iterator[tuple[Any, str, Callable[[Any], Any]]]:
    """What starts programs, and what stands in for it."""
    yield subprocess.Popen, "__init__", partial(_opening, state, messages)
    yield os, "system", partial(_noting_before, messages)
    for name in ("posix_spawn", "posix_spawnp"):
        if hasattr(os, name):
            yield os, name, partial(_noting_after, messages)
    for name in ("execv", "execve"):  # all others of this family end here
        yield os, name, partial(_noting_before, messages, process=os.getpid)


def _opening(state: Path, messages: Messages, real: Any) -> Any:
    parameters = signature(real)

    def opened(process: Any, *arguments: Any, **options: Any) -> None:
        given = parameters.bind(process, *arguments, **options)
        given.arguments["env"] = _with_variables(given.arguments.get("env"), state)
        real(*given.args, **given.kwargs)
        command, changed = given.arguments["args"], given.arguments.get("executable")
        if _caller() not in _LOOKS_UP and (changed or not _is_guarded(command, given.arguments["env"])):
            _note(messages, command, process.pid)

    return opened


def _is_guarded(command: Any, environ: Mapping[str, str] | None) -> bool:
    """Whether this is a Python that will have a guard, and may only not have come so far when the test ends."""
    words = [] if isinstance(command, str | bytes | os.PathLike) else [os.fsdecode(word) for word in command]
    path = (os.environ if environ is None else environ).get("PYTHONPATH", "")
    if words[:1] != [sys.executable] or _INJECTED not in path.split(os.pathsep):
        return False
    options = takewhile(lambda word: word.startswith("-") and word not in {"-c", "-m"}, words[1:])
    return not any(_KEEPS_FROM_PATH & set(option) for option in options)


def _note(messages: Messages, command: Any, process: int | None) -> None:
    """Tell the test of a program that may speak to a model."""
    name = _name_of(command)
    line = os.fsdecode(command) if isinstance(command, str | bytes) else ""
    if name.removesuffix(".exe") not in _SPEAK_TO_NO_MODEL or not _ONE_COMMAND.fullmatch(line):
        messages.started(name, process)


def _caller() -> str:
    """The module that starts a program by `subprocess`."""
    frame = sys._getframe(2)
    while frame.f_back is not None and _module(frame) == "subprocess":
        frame = frame.f_back
    return _module(frame)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _with_variables(environ: Any, state: Path) -> Any:
    """The environment of a program as it was given, with what a Python needs; ``None`` is that of this process."""
    return environ if environ is None or STATE in environ else {**environ, **_variables(state, environ)}


def _noting_before(messages: Messages, real: Any, process: Callable[[], int | None] = lambda: None) -> Any:
    def start(command: Any, *more: Any, **options: Any) -> Any:
        _note(messages, command, process())
        return real(command, *more, **options)

    return start


def _noting_after(messages: Messages, real: Any) -> Any:
    def start(command: Any, *more: Any, **options: Any) -> Any:
        process: int = real(command, *more, **options)
        if _module(sys._getframe(1)) != "subprocess":  # which starts some of its programs so: they are seen there
            _note(messages, command, process)
        return process

    return start


def _close_uvloop(stack: ExitStack, state: Path, messages: Messages) -> None:
    """Do the same for the programs that uvloop starts by itself."""
    loop: Any = sys.modules["uvloop"].Loop
    for name in ("subprocess_exec", "subprocess_shell"):
        stack.enter_context(mock.patch.object(loop, name, _starting_in_loop(getattr(loop, name), state, messages)))


def _starting_in_loop(real: Any, state: Path, messages: Messages) -> Any:
    @wraps(real)
    async def start(loop: Any, factory: Any, command: Any, *more: Any, env: Any = None, **options: Any) -> Any:
        env = _with_variables(env, state)
        transport, protocol = await real(loop, factory, command, *more, env=env, **options)
        if not _is_guarded([command, *more], env):
            _note(messages, command, transport.get_pid())
        return transport, protocol

    return start


def _name_of(command: Any) -> str:
    """The name of a program, from its path, a command line, or the words of one."""
    words = command.split() if isinstance(command, str | bytes) else command
    word = words if isinstance(words, os.PathLike) else next(iter(words), "")
    return os.path.basename(os.fsdecode(word).strip('"'))  # noqa: PTH119  # a word of a command need not be a path
