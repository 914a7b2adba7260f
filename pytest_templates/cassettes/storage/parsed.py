"""Cassettes that were read before: what was found in them, kept in the cache folder of pytest.

To read a cassette, to search it for secrets and to make the fingerprints of its requests takes several times as long as
to take all that from here. For each cassette and each way to match there is one file, a line of JSON each: what it was
made of, the interactions with what was found of them, and a digest of it all::

    c4a2…
    [{"template": "desk/answer", "model": …, "request": …, "checksum": …}, true, [], "9f86d0…"]
    1b7d…

An interaction is kept as it stands in the cassette, but for bodies of JSON: the text of one is as long as its values,
and need not be written again.

- Nothing is taken from a file that is damaged, or was made of another cassette, by other modules, or for other
  matchers: the cassette is read. The checksum of each interaction is looked at as ever.
- Nothing is kept of a cassette that holds a secret.
- A file is written whole or not at all, and goes when nobody has used it for a month.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Final

from antiphon.reading import opened
from pytest_templates.cassettes.format.document import FaultError, checked_entry, from_file
from pytest_templates.cassettes.matching import Matcher
from pytest_templates.cassettes.recorded import Interaction
from pytest_templates.cassettes.scrubbing.plain import Inspection
from pytest_templates.cassettes.storage.store import Store, read_cassette
from pytest_templates.support.files import atomic_write

_IN_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False)
_SUFFIX: Final = ".jsonl"
_BLOCK: Final = 2**16  # bytes that are read at once
_UNUSED: Final = 30 * 24 * 3600  # seconds after which a file goes
_LONGEST: Final = 2**24  # bytes of a file; who has a longer cassette waits
_WORK: Final = ("cassettes/format", "cassettes/scrubbing", "cassettes/reading", "cassettes", "redaction", "support")


@dataclass(frozen=True, slots=True)
class Parsed:
    """An interaction of a cassette, with what was found of it.

    Attributes:
        interaction: The interaction.
        found: What of it is plain.
        fingerprint: That of its request, where this is plain; ``b""`` where it is not.
    """

    interaction: Interaction
    found: Inspection
    fingerprint: bytes

    @classmethod
    def of(cls, interaction: Interaction, matcher: Matcher) -> Parsed:
        """An interaction, looked at now."""
        found = Inspection.of(interaction)
        return cls(interaction, found, matcher.fingerprint(interaction.request) if found.is_plain else b"")


class ParsedCassette:
    """One cassette, read with what was found in it before, or looked at now.

    Args:
        path: Which.
        store: Where it lies.
        matcher: Makes the fingerprints.
        folder: Where such files lie; ``None`` where nothing is kept.
    """

    def __init__(self, path: Path, store: Store, matcher: Matcher, folder: Path | None) -> None:
        self._path = path
        self._store = store
        self._matcher = matcher
        self._folder = folder
        self._key = b""
        self._nodes: list[bytes] = []

    def load(self) -> list[Parsed] | None:
        """What it holds; ``None`` where there is none.

        Raises:
            CassetteError: As of `pytest_templates.cassettes.storage.store.load_cassette`.
        """
        return read_cassette(self._path, self._store, self._read)

    def _read(self, file: BinaryIO) -> list[Parsed]:
        if self._folder is None:
            return [Parsed.of(interaction, self._matcher) for interaction in from_file(file)]
        self._key = _digest_of(file) + _work() + repr(self._matcher).encode()
        file.seek(0)
        known = self._known()
        if known is not None:
            return known
        return [Parsed.of(interaction, self._matcher) for interaction in from_file(file, self._note)]

    @property
    def _file(self) -> Path:
        name = blake2b(f"{self._path}\n{self._matcher!r}".encode("utf-8", "surrogateescape"), digest_size=12)
        return Path(self._folder or "", name.hexdigest() + _SUFFIX)

    def _known(self) -> list[Parsed] | None:
        """What is kept of it; ``None`` where that is nothing, or not of this cassette, or damaged."""
        try:
            with opened(self._file) as file:
                known = list(_checked(file, self._heading))
        except (OSError, ValueError, TypeError, LookupError, FaultError, RecursionError):
            return None
        with suppress(OSError):
            os.utime(self._file)  # it was used
        return known

    @property
    def _heading(self) -> bytes:
        return blake2b(self._key, digest_size=20).hexdigest().encode() + b"\n"

    def _note(self, node: Any, interaction: Interaction) -> None:
        request = _with_text(node["request"], interaction.request.body)
        response = _with_text(node["response"], interaction.response.body)
        with suppress(ValueError, TypeError, RecursionError):  # it is none that could be kept: then nothing is
            kept = _IN_JSON.encode({**node, "request": request, "response": response})
            self._nodes.append(kept.encode("utf-8"))

    def keep(self, found: Sequence[Parsed]) -> None:
        """Keep what `load` has found, where that was not there yet; nothing where the folder cannot be written."""
        nodes, self._nodes = self._nodes, []
        if self._folder is None or len(nodes) != len(found) or sum(map(len, nodes)) > _LONGEST:
            return
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            atomic_write(self._file, _sealed(self._heading, nodes, found))
            _drop_unused(self._folder)


def _with_text(node: dict[str, Any], body: bytes) -> dict[str, Any]:
    """A request or response with a body of JSON as its text."""
    shown = node.get("body") or {}
    if "json" not in shown:
        return node
    rest = {name: value for name, value in shown.items() if name not in {"json", "style"}}
    return {**node, "body": {"text": body.decode("utf-8"), **rest}}


def _sealed(heading: bytes, nodes: Iterable[bytes], found: Iterable[Parsed]) -> Iterator[bytes]:
    """The lines of a file."""
    digest = _digest(heading)
    yield heading
    for node, one in zip(nodes, found, strict=True):
        facts = _IN_JSON.encode([one.found.is_plain, one.found.said, one.fingerprint.hex()])
        line = b"[" + node + b", " + facts[1:].encode() + b"\n"
        digest.update(line)
        yield line
    yield digest.hexdigest().encode() + b"\n"


def _digest(content: Any = b"") -> blake2b:
    return blake2b(content, digest_size=20)


def _digest_of(file: BinaryIO) -> bytes:
    digest = _digest()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.digest()


def _checked(file: BinaryIO, heading: bytes) -> Iterator[Parsed]:
    """The interactions in a file; raises where it is another's, or not as it was written."""
    if file.readline(len(heading)) != heading:
        raise ValueError("it was made of something else")
    digest = _digest(heading)
    for line in file:
        if not line.startswith(b"["):
            if line != digest.hexdigest().encode() + b"\n" or file.read(1):
                raise ValueError("it was changed")
            return
        digest.update(line)
        node, is_plain, said, fingerprint = json.loads(line.decode("utf-8"))
        found = Inspection(is_plain is True, None if said is None else tuple(map(str, said)))
        yield Parsed(checked_entry(node, ()).interaction, found, bytes.fromhex(fingerprint))
    raise ValueError("it was cut off")


@cache
def _work() -> bytes:
    """A digest of the modules that read and search cassettes: of other ones, nothing that was found is true."""
    package = Path(__file__).parents[2]
    digest = _digest()
    for module in sorted(module for folder in _WORK for module in (package / folder).glob("*.py")):
        digest.update(module.read_bytes())
    return digest.digest()


@cache  # once in a process
def _drop_unused(folder: Path) -> None:
    """Remove the files that nobody has used for long, also those that were not written to their end."""
    times = {path: path.stat().st_mtime for path in folder.iterdir()}
    now = max(times.values())  # one was just written; the clock of a test may stand anywhere
    for path, time in times.items():
        if now - time > _UNUSED:
            path.unlink()
