"""The store at a location, which may be a URL: cassettes in a bucket or on a server, by fsspec.

What was read is kept in a folder on this machine, and read there again for as long as the remote file is the same one,
by what fsspec tells of it (size, time, tag). The workplace, and with it the lock and the journals, is on this machine,
too. So far goes what is promised:

- A cassette is put in one request. Where the remote store takes that as one step, as object stores do, there is
  the old file or the whole new one.
- Processes of one machine wait for each other. A cassette is read once more just before it is written, and what others
  have added is kept; where another machine writes between these two requests, its recordings of that moment are lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EIO
from functools import cached_property
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from pytest_templates.cassettes.storage.location import is_url
from pytest_templates.cassettes.storage.store import Blocks, Store
from pytest_templates.support.files import atomic_write


def store_at(location: str, base: Path, cache: Path) -> Store:
    """The store at a location.

    Args:
        location: The path of a folder, or a URL.
        base: What a relative path starts from.
        cache: A folder for copies of what lies behind URLs.

    Raises:
        ImportError: A URL is given, and fsspec is not installed.
    """
    if location.startswith("file://"):
        from urllib.request import url2pathname

        return Store(Path(url2pathname(location.removeprefix("file://"))))
    return RemoteStore(location, cache) if is_url(location) else Store(base / location)


class RemoteStore(Store):
    """Cassettes behind a URL, with copies in a local folder.

    Args:
        url: Any URL that fsspec knows; credentials and the like come from where its file systems look for them.
        cache: A folder on this machine, for the copies of any number of stores.

    Raises:
        ImportError: fsspec is not installed.
    """

    is_local = False

    def __init__(self, url: str, cache: Path) -> None:
        from fsspec.core import url_to_fs  # here, since every run of pytest imports this module

        self._connect: Callable[[str], tuple[Any, str]] = url_to_fs
        self._url = url.rstrip("/")
        self._cache = cache
        super().__init__(cache / blake2b(self._url.encode(), digest_size=8).hexdigest())

    def place(self, path: Path) -> str:
        """The cassette's URL."""
        return f"{self._url}/{self._name(path)}"

    def read(self, path: Path) -> bytes | None:
        """What the remote file holds, from its copy where that is still the same."""
        with self._with_errors_translated():
            try:
                return self._read(path)
            except FileNotFoundError:
                path.unlink(missing_ok=True)
                return None

    def opened(self, path: Path) -> BinaryIO | None:
        """What `read` gives, as a file."""
        content = self.read(path)
        return None if content is None else BytesIO(content)

    def replace(self, path: Path, content: Blocks) -> None:
        """Put a cassette."""
        whole = b"".join(content)
        with self._with_errors_translated():
            try:
                self._files.pipe_file(self._address(path), whole)
            except FileNotFoundError:  # not every store makes folders by itself
                self._files.makedirs(self._address(path.parent), exist_ok=True)
                self._files.pipe_file(self._address(path), whole)
        path.unlink(missing_ok=True)

    def remove(self, path: Path) -> None:
        """Delete a cassette."""
        with self._with_errors_translated():
            self._files.rm_file(self._address(path))
        path.unlink(missing_ok=True)

    def paths(self) -> list[Path]:
        """Every remote file that could be a cassette, named by where its copy is or would be."""
        with self._with_errors_translated():
            self._files.invalidate_cache()
            root = self._root.rstrip("/") + "/"
            names = [str(name).removeprefix(root) for name in self._files.find(self._root)]
        paths = [self.folder / name for name in names if name.endswith(".yaml")]
        return sorted(path for path in paths if not self._is_hidden(path))

    def _read(self, path: Path) -> bytes:
        address = self._address(path)
        self._files.invalidate_cache()
        mark = f"# {self._files.ukey(address)}\n".encode()
        copy = super().read(path) or b""
        if not copy.startswith(mark):
            copy = mark + self._files.cat_file(address)
            self._write_copy(path, copy)
        return copy.removeprefix(mark)

    def _write_copy(self, path: Path, copy: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        (self._cache / ".gitignore").write_text("*\n", encoding="utf-8")
        atomic_write(path, copy)

    @cached_property
    def _remote(self) -> tuple[Any, str]:
        files, root = self._connect(self._url)
        return files, str(root)

    @property
    def _files(self) -> Any:
        return self._remote[0]

    @property
    def _root(self) -> str:
        return self._remote[1]

    def _address(self, path: Path) -> str:
        return f"{self._root.rstrip('/')}/{self._name(path)}".removesuffix("/.")

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    @contextmanager
    def _with_errors_translated(self) -> Iterator[None]:
        """Raise every error as an `OSError`: each file system has its own."""
        try:
            yield
        except Exception as error:
            raise OSError(EIO, f"{type(error).__name__}: {error}") from error
