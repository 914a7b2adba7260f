"""Cassettes that were read before: what was found in them, kept in the cache folder of pytest.

To read a cassette, to search it for secrets and to make the fingerprints of its requests takes several times as long as
to take all that from here. For each cassette and each way to match there is one
file: what it was made of; for each interaction a line of JSON, and its bodies as they are; a digest of the lines::

    c4a2…
    [{"request": …, "response": …}, "desk/answer", "m", 1, "9f86d081884c", 31, 27, true, [], "5e0b…"]
    {"messages": …}{"id": …}[0, "desk/answer", "m", 1, "11c4e8d2a0b7", 31, 28, true, [], "c7d1…"]
    {"messages": …}{"id": …}1b7d…

A line begins with what stands around the bodies in the cassette, or with the number of an earlier interaction that has
the same, as most do. Then come who asked, the checksum, how long the bodies are, and what was found. The events of a
stream stay in the line as they stand in the cassette (``null`` is their length): their text is ten times as long.

- Nothing is taken from a file that is damaged, or was made of another cassette, by other modules, or for other
  matchers: the cassette is read. The checksum of each interaction is looked at as ever; bodies have no other one.
- Nothing is kept of a cassette that holds a secret.
- A file is written whole or not at all, and goes when nobody has used it for a month.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from antiphon.reading import opened
from pytest_templates.cassettes.format.checksum import checksum_of
from pytest_templates.cassettes.format.document import FaultError, from_file, interaction_at
from pytest_templates.cassettes.matching import Matcher
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.scrubbing.plain import Inspection
from pytest_templates.cassettes.storage.store import Store, read_cassette
from pytest_templates.support.files import atomic_write

_IN_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False)
_SUFFIX: Final = ".jsonl"
_ANY_BYTES: Final = "surrogatepass"  # what a stream says may hold bytes that are no UTF-8, which stand as surrogates
_TOO_LONG: Final = (OverflowError, MemoryError)  # what reading raises where a body is said to be longer than any can be
_BLOCK: Final = 2**16  # bytes that are read at once
_UNUSED: Final = 30 * 24 * 3600  # seconds after which a file goes
_LONGEST: Final = 2**24  # bytes of a file; who has a longer cassette waits
_WORK: Final = (
    *("cassettes/format", "cassettes/scrubbing", "cassettes/reading", "cassettes/storage", "cassettes"),
    *("redaction", "support"),
)


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
        self._lines = _Lines()

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
        return [Parsed.of(interaction, self._matcher) for interaction in from_file(file, self._lines.note)]

    @cached_property
    def _file(self) -> Path:
        name = blake2b(f"{self._path}\n{self._matcher!r}".encode("utf-8", "surrogateescape"), digest_size=12)
        return Path(self._folder or "", name.hexdigest() + _SUFFIX)

    def _known(self) -> list[Parsed] | None:
        """What is kept of it; ``None`` where that is nothing, or not of this cassette, or damaged."""
        try:
            with opened(self._file) as file:
                known = _checked(file, self._heading)
        except (OSError, ValueError, TypeError, LookupError, FaultError, RecursionError, *_TOO_LONG):
            return None
        with suppress(OSError):
            os.utime(self._file)  # it was used
        return known

    @property
    def _heading(self) -> bytes:
        return blake2b(self._key, digest_size=20).hexdigest().encode() + b"\n"

    def keep(self, found: Sequence[Parsed]) -> None:
        """Keep what `load` has found, where that was not there yet; nothing where the folder cannot be written."""
        lines, self._lines = self._lines, _Lines()
        if self._folder is None or not lines.may_be_kept(found):
            return
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            atomic_write(self._file, lines.sealed(self._heading, found))
            _drop_unused(self._folder)


class _Line(NamedTuple):
    """A line, as far as it is known when its interaction is read.

    Attributes:
        start: What it begins with, in JSON.
        checksum: That of the interaction.
        is_request_whole: Whether the body of the request follows as it is.
        is_response_whole: Whether that of the response does.
    """

    start: bytes
    checksum: str
    is_request_whole: bool
    is_response_whole: bool


class _Lines:
    """The lines of the interactions of a cassette."""

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        self._numbers: dict[object, bytes] = {}  # of interactions, by what stands around their bodies

    def note(self, node: Any, interaction: Interaction) -> None:
        """Take in an interaction as it stands in the cassette, and as it is read."""
        request, response = node["request"], node["response"]
        are_whole = _is_whole(request), _is_whole(response)
        around = _around(interaction) if all(are_whole) else None
        start = self._numbers.get(around)
        if start is None:
            shown = {"request": _without_body(request), "response": _without_body(response)}
            try:
                start = _IN_JSON.encode({"template": None, "model": None, **shown}).encode("utf-8")
            except (ValueError, TypeError, RecursionError):  # it is none that could be kept: then nothing is
                return
            if around is not None:
                self._numbers[around] = b"%d" % len(self._lines)
        self._lines.append(_Line(start, node["checksum"], *are_whole))

    def may_be_kept(self, found: Sequence[Parsed]) -> bool:
        """Whether these are the interactions that were taken in, and not too long."""
        sizes = (len(one.interaction.request.body) + len(one.interaction.response.body) for one in found)
        starts = (len(line.start) for line in self._lines)
        return len(self._lines) == len(found) and sum(sizes) + sum(starts) <= _LONGEST

    def sealed(self, heading: bytes, found: Iterable[Parsed]) -> Iterator[bytes]:
        """What is in the file: a heading, the lines, each with bodies behind it, and a digest of all lines."""
        digest = _digest(heading)
        yield heading
        for line, one in zip(self._lines, found, strict=True):
            asked = one.interaction
            request = asked.request.body if line.is_request_whole else None
            response = asked.response.body if line.is_response_whole else None
            facts = _IN_JSON.encode(
                [
                    *(asked.template, asked.model, asked.sample, line.checksum),
                    *(None if body is None else len(body) for body in (request, response)),
                    *(one.found.is_plain, one.found.said, one.fingerprint.hex()),
                ]
            )
            text = b"[%b, %b\n" % (line.start, facts[1:].encode("utf-8", _ANY_BYTES))
            digest.update(text)
            yield text
            yield request or b""
            yield response or b""
        yield digest.hexdigest().encode() + b"\n"


_WHOLE: Final = {"json", "style", "text", "base64"}  # what a body consists of that is kept as it is


def _is_whole(node: dict[str, Any]) -> bool:
    return (node.get("body") or {}).keys() <= _WHOLE


def _without_body(node: dict[str, Any]) -> dict[str, Any]:
    """A request or response, without its body where that is kept as it is."""
    return {name: value for name, value in node.items() if name != "body"} if _is_whole(node) else node


def _around(interaction: Interaction) -> object:
    """What stands around the bodies of an interaction, which have come as a whole."""
    request, response = interaction.request, interaction.response
    return (
        *(request.method, request.uri, request.headers),
        *(response.status, response.reason, response.headers, response.http_version, response.encoding),
    )


def _digest(content: Any = b"") -> blake2b:
    return blake2b(content, digest_size=20)


def _digest_of(file: BinaryIO) -> bytes:
    digest = _digest()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.digest()


def _checked(file: BinaryIO, heading: bytes) -> list[Parsed]:
    """The interactions in a file; raises where it is another's, or not as it was written."""
    if file.readline(len(heading)) != heading:
        raise ValueError("it was made of something else")
    digest = _digest(heading)
    known: list[Parsed] = []
    while (line := file.readline()).startswith(b"["):
        digest.update(line)
        facts = json.loads(line.decode("utf-8", _ANY_BYTES))
        around, template, model, sample, checksum, *sizes, is_plain, said, fingerprint = facts
        shown = known[around].interaction if isinstance(around, int) else interaction_at(around, ())
        if not (isinstance(template, _NAMED) and isinstance(model, _NAMED) and isinstance(sample, int)):
            raise TypeError("it does not say who has asked")
        request, response = _with_bodies(shown, *[None if size is None else file.read(size) for size in sizes])
        interaction = Interaction(template, model, request, response, sample)
        if checksum_of(interaction) != checksum:
            raise ValueError("it was changed")
        found = Inspection(is_plain is True, None if said is None else tuple(map(str, said)))
        known.append(Parsed(interaction, found, bytes.fromhex(fingerprint)))
    if line != digest.hexdigest().encode() + b"\n" or file.read(1):
        raise ValueError("it was changed, or cut off")
    return known


_NAMED: Final = (str, type(None))


def _with_bodies(
    shown: Interaction, asked: bytes | None, answered: bytes | None
) -> tuple[RecordedRequest, RecordedResponse]:
    """A request and a response as those of an interaction, but for the bodies that are given."""
    request, response = shown.request, shown.response
    if asked is not None:
        request = RecordedRequest(request.method, request.uri, request.headers, asked)
    if answered is not None:
        around = response.status, response.reason, response.headers
        response = RecordedResponse(*around, answered, (), None, response.http_version, response.encoding)
    return request, response


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
