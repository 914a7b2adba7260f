"""What a test records, kept from the moment it was answered.

While a test records, each interaction is appended to a journal in the store's workplace: scrubbed, one line of JSON,
handed to the operating system at once, so that nothing which kills the process takes it away::

    {"journal": 1, "cassette": "test_desk/test_refund.yaml", "test": "test_desk.py::test_refund"}
    {"order": 0, "interaction": {"template": "desk/answer", ...}}

- A test that passed has its cassette replaced first and its journal removed then; of a test that failed the journal is
  removed. A kill in between leaves both, which doubles nothing: what the cassette holds is played before the journal.
- A journal that is left belongs to a run that was killed. The next recording of the same test into the same cassette
  plays it instead of asking the model, and goes on in the same file under a new heading. Recording everything anew
  removes it, and so does the store when nobody has asked for it in two weeks.
- Whoever writes a journal holds a lock on its file; the system lets go of it when the process dies, however it dies. So
  the journal of a living process is never taken for one that was left. Files are made, taken over and removed under the
  store's lock.
- A last line without its line break was being written when the process died; it is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import Any, Final
from uuid import uuid4

from filelock import lock_descriptor

from pytest_templates.cassettes.format.document import FaultError, interaction_at, interaction_node
from pytest_templates.cassettes.recorded import Interaction
from pytest_templates.cassettes.storage.store import Store
from pytest_templates.errors import CassetteError
from pytest_templates.redaction.secrets import Secrets
from pytest_templates.support.yaml_text import TextParts, slices

_VERSION: Final = 1
_SUFFIX: Final = ".jsonl"


class Journal:
    """The journal of one test and cassette; there is a file from the first interaction on. Safe to use from threads.

    Args:
        store: Where the cassette lies.
        path: The cassette.
        test: The test's node id.
    """

    def __init__(self, store: Store, path: Path, test: str) -> None:
        self._store = store
        self._heading = {"journal": _VERSION, "cassette": path.relative_to(store.folder).as_posix(), "test": test}
        self._key = blake2b(json.dumps(self._heading).encode(), digest_size=8).hexdigest()
        self._file: FileIO | None = None
        self._has_heading = False
        self._is_closed = False
        self._writing = Lock()

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return self._file is not None

    def take_over(self, clean: Callable[[Interaction], Interaction]) -> list[Interaction]:
        """What a killed run of the test has left, in the order in which it was sent.

        Where several were killed, it is what the one that got furthest has left.

        Args:
            clean: Gives an interaction as it may be kept today; where it raises, the file is left.

        Raises:
            OSError: The file system refuses.
            CassetteError: The journal is damaged, in another way than by a last line that was cut off.
        """
        if not self._paths():
            return []
        with self._store.lock():
            left = sorted(self._left(), key=_size)
            for file in left[:-1]:
                _remove(file)
            return self._go_on_in(left[-1], clean) if left else []

    def discard_left(self) -> None:
        """Remove what killed runs of the test have left. Raises `OSError`."""
        if self._paths():
            with self._store.lock():
                for file in self._left():
                    _remove(file)

    def append(self, order: int, interaction: Interaction, secrets: Secrets) -> None:
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
        self._open()
        with self._writing:
            if self._file is None:
                return  # closed meanwhile
            if not self._has_heading:
                heading = bytes(_line(self._heading)).decode("utf-8")
                _write(self._file, memoryview(secrets.replace(heading).encode("utf-8")))
            self._has_heading = True
            _write(self._file, line)

    def close(self) -> None:
        """Take no interactions any more: the test is over."""
        with self._writing:
            self._is_closed = True

    def _open(self) -> None:
        """Make the file, where there is none; the store's lock comes first, as where a cassette is saved."""
        if not self._is_open():
            with self._store.lock(), self._writing:
                self._file = self._file if self._is_open() else self._made()

    def _is_open(self) -> bool:
        return self._file is not None or self._is_closed

    def remove(self) -> None:
        """Remove the file, where there is one. Needs the store's lock. Raises `OSError`."""
        with self._writing:
            file, self._file, self._has_heading = self._file, None, False
            if file is not None:
                _remove(file)

    def leave(self) -> None:
        """Leave the file to the next recording of the test."""
        with self._writing:
            file, self._file, self._has_heading = self._file, None, False
            if file is not None:
                file.close()

    def _paths(self) -> list[Path]:
        return sorted(self._store.workplace.glob(f"{self._key}-*{_SUFFIX}"))

    def _left(self) -> Iterator[FileIO]:
        return (file for path in self._paths() if (file := _claimed(path)) is not None)

    def _go_on_in(self, file: FileIO, clean: Callable[[Interaction], Interaction]) -> list[Interaction]:
        try:
            interactions, end = _contents(file)
            interactions = [clean(interaction) for interaction in interactions]
            file.truncate(end)
            file.seek(end)
        except BaseException:
            file.close()
            raise
        self._file = file
        return interactions

    def _made(self) -> FileIO:
        file = FileIO(self._store.workplace / f"{self._key}-{uuid4().hex[:8]}{_SUFFIX}", "x+")
        lock_descriptor(file.fileno())
        return file


def _claimed(path: Path) -> FileIO | None:
    """The file, locked; ``None`` where a living process has it."""
    file = FileIO(path, "r+")
    if lock_descriptor(file.fileno(), blocking=False):
        return file
    file.close()
    return None


def _remove(file: FileIO) -> None:
    file.close()  # first, for Windows; nobody can take it over meanwhile, under the store's lock
    Path(str(file.name)).unlink(missing_ok=True)


def _size(file: FileIO) -> int:
    return Path(str(file.name)).stat().st_size


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
    elif isinstance(node, list):
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
    end, rest = file.tell(), line
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError:
        file.truncate(end)
        file.seek(end)
        raise


def _contents(file: FileIO) -> tuple[list[Interaction], int]:
    """The interactions of a journal, and where its last whole line ends."""
    content = file.readall()
    end = content.rfind(b"\n") + 1
    runs: list[list[tuple[int, Interaction]]] = []
    for number, line in enumerate(content[:end].split(b"\n")[:-1], 1):
        try:
            _take(json.loads(line), runs)
        except (ValueError, TypeError, LookupError, FaultError, RecursionError) as error:
            raise CassetteError(_damage(file, number, error)) from error
    return [interaction for run in runs for _, interaction in sorted(run, key=lambda record: record[0])], end


def _take(node: dict[str, Any], runs: list[list[tuple[int, Interaction]]]) -> None:
    if "journal" not in node:
        runs[-1].append((int(node["order"]), interaction_at(node["interaction"], ())))
    elif node["journal"] == _VERSION:
        runs.append([])
    else:
        raise ValueError(f"it has version {node['journal']}, and this release reads version {_VERSION}")


def _damage(file: FileIO, line: int, error: Exception) -> str:
    return (
        f"{file.name}:{line}: this journal of recordings that a killed run has left cannot be read: {error}\n"
        "Delete it, and what it holds is recorded again."
    )
