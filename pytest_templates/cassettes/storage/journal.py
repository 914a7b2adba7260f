"""What a test records, kept from the moment it was answered.

While a test records, each interaction is appended to a journal in the store's workplace: scrubbed, one line of JSON,
handed to the operating system at once, so that nothing which kills the process takes it away::

    {"journal": 2, "cassette": "test_desk/test_refund.yaml", "test": "test_desk.py::test_refund"}
    {"order": [0], "interaction": {"template": "desk/answer", ...}}

- It is removed when the cassette holds what the test has asked, and by nothing else: not where the test fails, is
  skipped or interrupted, and not where its cassette cannot be written. A kill between the writing of the cassette and
  the removal leaves both, which doubles nothing: what the cassette holds is played before the journal.
- The next recording of the same test into the same cassette, in any mode, plays what was left instead of asking the
  model, and goes on in the same file under a new heading. Really new answers are given when the file was removed.
- What a server has refused, such as a rate limit or a wrong key, is played where the same request was answered behind
  it in the same run, as a client that tried again has seen it. Else it is asked again: it was not paid for.
- Processes that are forked write to the file of their parent, each line in one piece. What they are answered after the
  end of the test lies in a file of its own, and is left.
- Whoever writes a journal holds a lock on its file; the system lets go of it when the process dies, however it dies. So
  the journal of a living process is never taken for one that was left. Files are made, taken over and removed under the
  store's lock.
- A last line without its line break was being written when the process died; it is dropped.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOENT
from functools import cached_property
from hashlib import blake2b
from io import FileIO
from operator import itemgetter
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeAlias
from uuid import uuid4

from filelock import lock_descriptor, unlock_descriptor

from pytest_templates.cassettes.format.document import FaultError, interaction_at, interaction_node
from pytest_templates.cassettes.recorded import Interaction, Order
from pytest_templates.cassettes.storage.store import Store
from pytest_templates.errors import CassetteError
from pytest_templates.redaction.secrets import Secrets
from pytest_templates.support.text import counted
from pytest_templates.support.yaml_text import Items, TextParts, slices

_VERSION: Final = 2
_SUFFIX: Final = ".jsonl"
_HEADING: Final = b'{"journal"'
_MODE: Final = "a+"  # whoever writes, writes at the end


class Journal:
    """The journal of one test and cassette; there is a file from the first interaction on. Safe to use from threads.

    Args:
        store: Where the cassette lies.
        path: The cassette.
        test: The test's node id.
    """

    def __init__(self, store: Store, path: Path, test: str) -> None:
        self._store = store
        self._path = path
        self._test = test
        self._file: FileIO | None = None
        self._others: list[FileIO] = []  # what was left beside the file
        self._has_heading = False
        self._is_closed = False
        self._shared_from: int | None = None  # where in the file lines of forked processes may begin, if there are any
        self._writing = Lock()
        self.answers = 0

    @cached_property
    def _heading(self) -> dict[str, Any]:
        place = self._path.relative_to(self._store.folder).as_posix()
        return {"journal": _VERSION, "cassette": place, "test": self._test}

    @cached_property
    def _key(self) -> str:
        return blake2b(json.dumps(self._heading).encode(), digest_size=8).hexdigest()

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return self._file is not None or bool(self._others)

    def take_over(self, clean: Callable[[Interaction], Interaction]) -> list[Interaction]:
        """What earlier runs of the test have left, in the order in which it was sent; of those that got furthest first.

        Args:
            clean: Gives an interaction as it may be kept today; where it raises, the files are left.

        Raises:
            OSError: The file system refuses.
            CassetteError: A journal is damaged, in another way than by a last line that was cut off.
        """
        self.hold_left()
        taken: list[Interaction] = []
        try:
            for file in self._others:
                runs, end = _contents(file)
                taken += [clean(interaction) for run in runs for interaction in _worth_playing(run)]
                file.truncate(end)
        except BaseException:
            self.leave()
            raise
        self._file = self._others.pop(0) if self._others else None
        self.answers = _answers_in(taken)
        return taken

    def waiting(self) -> list[Interaction]:
        """What the next recording would play; the files stay where they are, and nothing is locked.

        Raises:
            OSError: The file system refuses, or another process has locked it (on Windows).
            CassetteError: A journal is damaged.
        """
        found: list[Interaction] = []
        for path in self._paths():
            with FileIO(path) as file:
                runs, _ = _contents(file)
            found += [interaction for run in runs for interaction in _worth_playing(run)]
        return found

    def hold_left(self) -> None:
        """Take what earlier runs of the test have left: it goes when the cassette is written. Raises `OSError`."""
        if self._paths():
            with self._store.lock():
                self._others = sorted(self._left(), key=_size, reverse=True)

    def append(self, order: Order, interaction: Interaction, secrets: Secrets) -> None:
        """Keep an interaction.

        Nothing is kept once the journal is closed.

        Args:
            order: Its place among those that are recorded now.
            interaction: As it may be kept.
            secrets: What is kept out of the heading.

        Raises:
            OSError: The file system refuses.
        """
        line = _line({"order": order, "interaction": interaction_node(interaction)})
        for _ in range(2):  # where this process was forked, its parent may have removed the journal meanwhile
            if self._has_appended(line, secrets, _answers_in([interaction])):
                return
        raise FileNotFoundError(ENOENT, "the journal of its recordings is removed as soon as it is made")

    def _has_appended(self, line: memoryview, secrets: Secrets, answers: int) -> bool:
        """Append a line, unless the journal is closed; gives whether the file is still there."""
        self._open()
        with self._writing:
            if self._file is None:
                return True  # closed meanwhile
            self._write(line, secrets)
            if os.fstat(self._file.fileno()).st_nlink:
                self.answers += answers
                return True
            for file in self._let_go():
                file.close()
            return False

    def _write(self, line: memoryview, secrets: Secrets) -> None:
        if self._file is not None:
            if not self._has_heading:
                heading = bytes(_line(self._heading)).decode("utf-8")
                _write(self._file, memoryview(secrets.replace(heading).encode("utf-8")))
            self._has_heading = True
            _write(self._file, line)

    def close(self) -> None:
        """Take no interactions any more: the test is over."""
        with self._writing:
            self._is_closed = True

    def reopen(self) -> None:
        """Take interactions again: the next sample of the test begins."""
        with self._writing:
            self._is_closed = False

    def share(self, secrets: Secrets) -> None:
        """Make the file, with its heading, since the process is about to fork. Raises `OSError`."""
        self._open()
        with self._writing:
            if self._shared_from is None and self._file is not None:
                self._write(memoryview(b""), secrets)
                self._shared_from = _size(self._file)

    def rest(self) -> None:
        """Let all other threads wait, since the process is about to fork."""
        self._writing.acquire()

    def go_on(self, *, in_child: bool) -> None:
        """Go on after a fork, in the old process or in the new one."""
        if in_child:
            self._shared_from = None
        self._writing.release()

    def from_forks(self) -> list[tuple[Order, Interaction]]:
        """What forked processes have added since the last call. Raises `OSError`."""
        with self._writing:
            if self._file is None or self._shared_from is None:
                return []
            [run], self._shared_from = _contents(self._file, self._shared_from)
            added = [(order, interaction) for order, interaction in run if len(order) > 1]
            self.answers += _answers_in([interaction for _, interaction in added])
            return added

    def _open(self) -> None:
        """Make the file, where there is none; the store's lock comes first, as where a cassette is saved."""
        if not self._is_open():
            with self._store.lock(), self._writing:
                self._file = self._file if self._is_open() else self._made()

    def _is_open(self) -> bool:
        return self._file is not None or self._is_closed

    def remove(self) -> None:
        """Remove the files, where there are some. Needs the store's lock. Raises `OSError`."""
        with self._writing:
            for file in self._let_go():
                _remove(file)
            self.answers = 0

    def leave(self) -> None:
        """Leave what was recorded to the next recording of the test. Raises `OSError`."""
        if self._file is not None and not self.answers:  # made for a fork, or of refusals alone
            with self._store.lock():
                self.remove()
        with self._writing:
            for file in self._let_go():
                unlock_descriptor(file.fileno())  # a forked process may have the file as well
                file.close()

    def _let_go(self) -> list[FileIO]:
        files = [*self._others, *([self._file] if self._file is not None else [])]
        self._file, self._others, self._has_heading, self._shared_from = None, [], False, None
        return files

    def _paths(self) -> list[Path]:
        return sorted(self._store.workplace.glob(f"{self._key}-*{_SUFFIX}"))

    def _left(self) -> Iterator[FileIO]:
        return (file for path in self._paths() if (file := _claimed(path)) is not None)

    def _made(self) -> FileIO:
        file = FileIO(self._store.workplace / f"{self._key}-{uuid4().hex[:8]}{_SUFFIX}", _MODE)
        lock_descriptor(file.fileno())
        return file


def _claimed(path: Path) -> FileIO | None:
    """The file, locked; ``None`` where a living process has it."""
    file = FileIO(path, _MODE)
    if lock_descriptor(file.fileno(), blocking=False):
        return file
    file.close()
    return None


def _remove(file: FileIO) -> None:
    file.close()  # first, for Windows; nobody can take it over meanwhile, under the store's lock
    Path(str(file.name)).unlink(missing_ok=True)


def _size(file: FileIO) -> int:
    return os.fstat(file.fileno()).st_size


def _line(node: dict[str, Any]) -> memoryview:
    """A value in JSON, put together from parts: as one text it would be there several times meanwhile."""
    line = bytearray(sum(len(part.encode("utf-8")) for part in _parts(node)) + 1)
    place = 0
    for part in _parts(node):
        data = part.encode("utf-8")
        line[place : place + len(data)] = data
        place += len(data)
    line[place:] = b"\n"
    return memoryview(line)


def _parts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield "{"
        for place, (name, value) in enumerate(node.items()):
            yield f"{', ' if place else ''}{_dumps(name)}: "
            yield from _parts(value)
        yield "}"
    elif isinstance(node, (list, Items)):
        yield "["
        for place, value in enumerate(node):
            yield ", " if place else ""
            yield from _parts(value)
        yield "]"
    elif isinstance(node, (str, TextParts)):
        yield '"'
        yield from (_dumps(part)[1:-1] for part in (slices(node) if isinstance(node, str) else node))
        yield '"'
    else:
        yield _dumps(node)


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _write(file: FileIO, line: memoryview) -> None:
    """Write all of it, or, where the file system refuses, nothing."""
    end, rest = _size(file), line
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError:
        if _size(file) == end + len(line) - len(rest):  # no other process has written meanwhile
            file.truncate(end)
        raise


Run: TypeAlias = list[tuple[Order, Interaction]]


def _contents(file: FileIO, start: int = 0) -> tuple[list[Run], int]:
    """What each run has added to a journal, and where its last whole line ends.

    Args:
        file: The file.
        start: Where to begin: at a heading, or within a run.
    """
    file.seek(start)
    content = file.readall()
    size = content.rfind(b"\n") + 1
    runs: list[Run] = [[]] if start else []
    for number, line in enumerate(_whole_lines(content), 1):
        try:
            _take(json.loads(line), runs)
        except (ValueError, TypeError, LookupError, FaultError, RecursionError) as error:
            raise CassetteError(_damage(file, number, error)) from error
    return runs, start + size


def _worth_playing(run: Run) -> list[Interaction]:
    """What a run was answered, in the order in which it asked; of refusals those that an answer has followed."""
    kept: list[Interaction] = []
    answered: set[tuple[object, ...]] = set()
    for _, interaction in sorted(run, key=itemgetter(0), reverse=True):
        request = interaction.request
        asked = (interaction.sample, request.method, request.uri, request.body)
        if not interaction.response.is_refusal:
            answered.add(asked)
        if asked in answered:
            kept.append(interaction)
    return kept[::-1]


def _answers_in(interactions: Iterable[Interaction]) -> int:
    return sum(not interaction.response.is_refusal for interaction in interactions)


def _take(node: dict[str, Any], runs: list[Run]) -> None:
    if "journal" not in node:
        runs[-1].append((tuple(map(int, node["order"])), interaction_at(node["interaction"], ())))
    elif node["journal"] == _VERSION:
        runs.append([])
    else:
        raise ValueError(f"it has version {node['journal']}, and this release reads version {_VERSION}")


def _damage(file: FileIO, line: int, error: Exception) -> str:
    return (
        f"{file.name}:{line}: this journal of recordings that an earlier run has left cannot be read: {error}\n"
        "Delete it, and what it holds is recorded again."
    )


@dataclass(frozen=True, slots=True)
class LeftJournal:
    """A journal as it lies there.

    Attributes:
        path: The file.
        test: The test that it belongs to; ``""`` where that cannot be read.
        answers: How many whole answers it holds; refusals are none.
    """

    path: Path
    test: str
    answers: int

    @property
    def waiting(self) -> str:
        """How many answers wait, and for which test."""
        return f"{counted(self.answers, 'answer')} of {self.test} {'waits' if self.answers == 1 else 'wait'}"


def left_journals(store: Store) -> list[LeftJournal]:
    """The journals of a store, in order; of those that another run has taken or damaged the answers are not counted."""
    return [_left_journal(path) for path in sorted(store.workplace.glob(f"*{_SUFFIX}"))]


def waiting_answers(store: Store) -> dict[str, int]:
    """How many answers wait for the next recording of each test, by node ids. Raises `OSError`."""
    waiting: Counter[str] = Counter()
    for journal in left_journals(store):
        waiting[journal.test] += journal.answers
    return {test: answers for test, answers in waiting.items() if answers}


def check_journal(path: Path) -> None:
    """Raise where the next recording could not go on with a journal.

    Raises:
        CassetteError: It is damaged, in another way than by a last line that was cut off.
        OSError: It cannot be read.
    """
    with FileIO(path) as file:
        _contents(file)


def remove_journal(path: Path) -> None:
    """Remove a journal, unless a living process writes to it. Needs the store's lock. Raises `OSError`."""
    file = _claimed(path)
    if file is not None:
        _remove(file)


def _left_journal(path: Path) -> LeftJournal:
    test, answers, lines = "", 0, list[bytes]()
    with suppress(OSError):  # Windows does not let others read what is locked
        lines = _whole_lines(path.read_bytes())
    for line in lines:
        with suppress(ValueError, TypeError, LookupError, FaultError, RecursionError):  # `check_journal` tells of these
            node = json.loads(line)
            if line.startswith(_HEADING):
                test = str(node["test"])
            elif test:
                answers += _answers_in([interaction_at(node["interaction"], ())])
    return LeftJournal(path, test, answers)


def _whole_lines(content: bytes) -> list[bytes]:
    """The lines that were written to their end."""
    return content.split(b"\n")[:-1]
