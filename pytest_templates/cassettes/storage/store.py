"""A store of cassettes in a folder: read whole or not at all, written in one step.

A cassette is named by its path below the store's folder. Beside the cassettes there is a workplace, a hidden folder for
the lock, for journals and for files that are not whole yet. It is there only while something is recorded, or after a
run that was killed; git ignores it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, ENOTDIR, ETIMEDOUT
from functools import partial
from io import BytesIO
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias, TypeVar

from pytest_templates.support.clock import seconds
from pytest_templates.support.text import command_line

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from pytest_templates.cassettes.format.document import Entry, Remedy
    from pytest_templates.cassettes.recorded import Interaction
    from pytest_templates.errors import CassetteError


_T = TypeVar("_T")
Blocks: TypeAlias = "Iterable[bytes]"  # what a file holds, one after the other
_WORKPLACE: Final = ".journal"
_IGNORE, _LOCK, _UNFINISHED = ".gitignore", "lock", "unfinished"
LEDGER: Final = ".run"  # the suffix of what goes by itself after a while
_PATIENCE: Final = 60  # seconds; what is done under the lock takes milliseconds
_POLL: Final = 0.005  # seconds
_READERS_HOLD_FILES: Final = os.name == "nt"
_READING: Final = 1  # seconds that others may read a file which is to be replaced
_KEPT: Final = 14 * 24 * 3600  # seconds that the ledger of a run stays which has not come to its end


class Store:
    """Cassettes in a folder of this machine.

    Attributes:
        folder: The folder of all cassettes; it need not exist.
        workplace: The hidden folder. What lies in it may be touched by whoever holds the lock.
        is_local: Whether the files in the folder are the cassettes themselves, not copies.
    """

    is_local = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workplace = folder / _WORKPLACE

    def place(self, path: Path) -> str:
        """How a cassette is called in what users read."""
        return str(path)

    def read(self, path: Path) -> bytes | None:
        """What a cassette's file holds; ``None`` where there is none. Raises `OSError`."""
        from antiphon.reading import read_file

        try:
            return read_file(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def opened(self, path: Path) -> BinaryIO | None:
        """A cassette's file, to be read in parts; ``None`` where there is none. Raises `OSError`."""
        from antiphon.reading import opened

        try:
            return opened(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def check_writable(self, path: Path) -> None:
        """Raise where a cassette could not be written on this machine. Needs the lock.

        Raises:
            OSError: Its folder cannot be made, or written to.
        """
        folder = next(parent for parent in path.parents if parent.exists())
        if not folder.is_dir():
            raise NotADirectoryError(ENOTDIR, f"{folder} is no folder")
        if not os.access(folder, os.W_OK):
            raise PermissionError(EACCES, f"the folder {folder} may not be written to")

    def replace(self, path: Path, content: Blocks) -> None:
        """Replace a cassette, wholly or not at all; its folder is made where it is missing. Needs the lock.

        Raises:
            OSError: The file system refuses; the old file stays as it is.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.put(path, content)

    def put(self, path: Path, content: Blocks) -> None:
        """Make or replace any file in the folder on this machine, wholly or not at all. Needs the lock.

        Raises:
            OSError: The file system refuses; the old file stays as it is.
        """
        path = Path(os.path.realpath(path))  # of a link, what it leads to is replaced
        unfinished = self.workplace / _UNFINISHED
        unfinished.unlink(missing_ok=True)
        with unfinished.open("wb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):  # a new file has those that the system gives it
            unfinished.chmod(path.stat().st_mode & 0o777)
        _move(unfinished, path)
        _sync_folder(path.parent)

    def remove(self, path: Path) -> None:
        """Delete a cassette. Needs the lock. Raises `OSError`."""
        path.unlink(missing_ok=True)

    def paths(self) -> list[Path]:
        """Every file that could be a cassette, in order. Raises `OSError`."""
        return sorted(path for path in self.folder.rglob("*.yaml") if path.is_file() and not self._is_hidden(path))

    def left_behind(self) -> list[Path]:
        """What is in the workplace, in order: of runs that were killed, unless one is recording now."""
        own = {_IGNORE, _LOCK}
        return sorted(path for path in self.workplace.glob("*") if path.name not in own)

    def _is_hidden(self, path: Path) -> bool:
        return any(part.startswith(".") for part in path.relative_to(self.folder).parts)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the store: no other process or thread of this machine changes it meanwhile.

        The system lets go of it when the process dies. It cannot be taken twice by one thread.

        Raises:
            OSError: The file system refuses, or another process has held the lock for a minute.
        """
        lock = self._taken()
        try:
            self._write_gitignore()
            yield
        finally:
            try:
                self._clean_up()
            finally:
                lock.release()

    def _taken(self) -> BaseFileLock:
        from filelock import FileLock, Timeout

        lock = FileLock(self.workplace / _LOCK, timeout=_PATIENCE, poll_interval=_POLL)
        while True:
            with suppress(FileExistsError):
                self.workplace.mkdir(parents=True)
            try:
                lock.acquire()
            except (FileNotFoundError, FileExistsError):
                if self.workplace.exists() and not self.workplace.is_dir():
                    raise
                continue  # another process has just cleaned up, or made the folder anew
            except Timeout as error:
                raise OSError(ETIMEDOUT, f"another process has held {lock.lock_file} for a minute") from error
            return lock

    def _write_gitignore(self) -> None:
        ignore = self.workplace / _IGNORE
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")

    def _clean_up(self) -> None:
        """Remove the workplace where nothing is in progress, and of killed runs all but the answers they have left."""
        lock = self.workplace / _LOCK
        os.utime(lock)  # the time of the file system: a test may have put the clock of this process to any other
        now = lock.stat().st_mtime
        others = set(self.workplace.iterdir()) - {self.workplace / _IGNORE, lock}
        old = {path for path in others if path.suffix == LEDGER and now - path.stat().st_mtime > _KEPT}
        done = old | {path for path in others if path.name == _UNFINISHED}
        for path in done:
            path.unlink()
        if others == done:
            self._remove_workplace()

    def _remove_workplace(self) -> None:
        (self.workplace / _IGNORE).unlink()
        try:
            (self.workplace / _LOCK).unlink()
        except OSError:  # Windows keeps the file of a lock that is held
            self._write_gitignore()
            return
        with suppress(OSError):  # another process was quick to take the lock anew
            self.workplace.rmdir()


def _move(unfinished: Path, path: Path) -> None:
    """Put a file in the place of another; on Windows that can be done when nobody reads the other one."""
    end = seconds() + _READING
    while True:
        try:
            unfinished.replace(path)
        except PermissionError:
            if not _READERS_HOLD_FILES or seconds() > end:
                raise
            sleep(_POLL)
        else:
            return


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a crash, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def load_cassette(path: Path, store: Store | None = None) -> list[Interaction]:
    """The interactions of a cassette; none where it does not exist.

    Args:
        path: Which cassette.
        store: Where it lies; ``None`` for a file that belongs to no store.

    Raises:
        CassetteError: It cannot be read, or is no whole cassette of a version that is known here.
    """
    return existing_cassette(path, store) or []


def existing_cassette(path: Path, store: Store | None = None) -> list[Interaction] | None:
    """As `load_cassette`, but ``None`` where the cassette does not exist."""
    from pytest_templates.cassettes.format.document import from_file

    return read_cassette(path, store, from_file)


def entries_of(path: Path, store: Store | None = None, *, refit: bool = False) -> list[Entry]:
    """The interactions of a cassette with their checksums, right or wrong; none where it does not exist.

    Args:
        path: Which cassette.
        store: Where it lies; ``None`` for a file that belongs to no store.
        refit: Whether the sizes of pieces are made to fit to texts that were edited.

    Raises:
        CassetteError: As of `load_cassette`, but not for a wrong checksum.
    """
    from pytest_templates.cassettes.format.document import entries_from_file

    return read_cassette(path, store, partial(entries_from_file, refit=refit)) or []


def read_cassette(path: Path, store: Store | None, read: Callable[[BinaryIO], list[_T]]) -> list[_T] | None:
    """What something reads from the file of a cassette; ``None`` where there is none.

    Args:
        path: Which cassette.
        store: Where it lies; ``None`` for a file that belongs to no store.
        read: Reads the file, from its beginning.

    Raises:
        CassetteError: As of `load_cassette`.
    """
    from pytest_templates.cassettes.format.document import FormatError
    from pytest_templates.errors import CassetteError

    store = store or Store(path.parent)
    place = store.place(path)
    try:
        file = store.opened(path)
        if file is None:
            return None
        with file:
            if not _READERS_HOLD_FILES:
                return read(file)  # part by part
            content = BytesIO(file.read())
        return read(content)
    except FormatError as error:
        raise _error(store, path, error.line, str(error), error.remedy) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _error(store, path, line, "is not UTF-8", "restore") from error
    except OSError as error:
        raise CassetteError(f"{place}: the cassette cannot be read: {error.strerror or error}") from error


def write_cassette(path: Path, text: str, store: Store | None = None) -> None:
    """Replace a cassette by a new text, wholly or not at all, while nobody else does.

    Raises:
        CassetteError: The store refuses.
    """
    store = store or Store(path.parent)
    with writing(path, store), store.lock():
        store.replace(path, [text.encode("utf-8")])


@contextmanager
def writing(path: Path, store: Store) -> Iterator[None]:
    """Name the cassette in errors about what cannot be written.

    Raises:
        CassetteError: Instead of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        from pytest_templates.errors import CassetteError

        problem = error.strerror or error
        raise CassetteError(f"{store.place(path)}: the cassette cannot be written: {problem}") from error


def _error(store: Store, path: Path, line: int, problem: str, remedy: Remedy) -> CassetteError:
    from pytest_templates.errors import CassetteError

    return CassetteError(f"{store.place(path)}:{line}: the cassette {problem}.\n{remedy_for(remedy, path, store)}")


def remedy_for(remedy: Remedy, path: Path, store: Store | None = None) -> str:
    """What helps against what is wrong with a cassette, in words, with the commands."""
    place = str(path) if store is None else store.place(path)
    in_git = store is None or store.is_local
    if remedy == "merge" and in_git:
        sides = command_line(["git", "checkout", "--ours", "--", str(path)])
        return (
            f"{_command('merge', str(path))} ends the conflict by whole interactions, and nothing is paid for again. "
            f"Where both sides answer one request, keep one: by hand, or all of it by `{sides}` or `--theirs`."
        )
    if remedy == "accept":
        accept = _command("check", "--fix", place)
        log = f"`{command_line(['git', 'log', '-p', '--', str(path)])}` shows what changed"
        source = f" ({log}; in a merge, {_command('merge', str(path))} takes both sides anew)" if in_git else ""
        return f"Restore what was recorded from version control{source}, or accept an edit on purpose by {accept}."
    if remedy == "upgrade":
        return "Upgrade antiphon: `pip install --upgrade antiphon`."
    if remedy == "import":
        return f"{_command('import')} makes one of ours of it."
    return "Restore it from version control, or delete it and record it anew."


def _command(*words: str) -> str:
    return f"`{command_line(['python', '-m', 'pytest_templates', 'cassettes', *words])}`"
