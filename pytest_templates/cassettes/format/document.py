"""A cassette file as a whole: version, interactions in order, end mark; errors name their line.

::

    version: 2
    interactions:
    - template: support/answer
      model: gpt-4o-mini
      request:
        method: POST
        uri: https://api.openai.com/v1/chat/completions
        headers:
          content-type: application/json
        body:
          json:
            model: gpt-4o-mini
            messages: [...]
      response:
        status: 200
        headers: ...
        body: ...
      checksum: "5d41402abc4b"
    end: true

`docs/cassette-format.md` describes each part. The lines around the interactions are the same in every file, so that
branches which add and remove interactions at different places merge cleanly; what was cut off lacks the end mark, and
what was mixed has a wrong checksum (`pytest_templates.cassettes.format.checksum`). Calls of models that HTTP does not
reach have the same form: see `pytest_templates.cassettes.format.model_calls`.

Version 1 had no checksums, and its end mark counted the interactions. It is read as ever, and never written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, BinaryIO, Final, Literal, TypeAlias

from pytest_templates.cassettes.format.bodies import (
    LONGEST,
    as_read,
    decode_response_body,
    encode_body,
    encode_response_body,
)
from pytest_templates.cassettes.format.checksum import checksum_of
from pytest_templates.cassettes.format.decompression import is_known
from pytest_templates.cassettes.format.runs import SizesError, refit_texts
from pytest_templates.cassettes.hosts import host_and_port
from pytest_templates.cassettes.recorded import (
    Chunk,
    Headers,
    Interaction,
    RecordedRequest,
    RecordedResponse,
    Truncation,
)
from pytest_templates.support import yaml_text
from pytest_templates.support.text import cut
from pytest_templates.support.yaml_text import Place

Remedy: TypeAlias = Literal["restore", "merge", "accept", "upgrade", "import"]


class FaultError(Exception):
    """What is wrong in a document.

    Attributes:
        place: At which place; at its end for ``None``.
        remedy: As of `FormatError`.
    """

    def __init__(self, problem: str, place: Place | None = (), remedy: Remedy = "restore") -> None:
        super().__init__(problem)
        self.place = place
        self.remedy: Remedy = remedy


def is_long(interaction: Interaction) -> bool:
    """Whether it has a body that is written as it is, whatever it holds."""
    return max(len(interaction.request.body), len(interaction.response.body)) > LONGEST


def interaction_node(interaction: Interaction) -> dict[str, Any]:
    """An interaction as it is written.

    Raises:
        FaultError: The body of its response could not be read again.
    """
    body = encode_response_body(interaction.response)
    with _readable_body(("response",)):
        read = replace(interaction, response=as_read(interaction.response, body))
    return {
        "template": interaction.template,
        "model": interaction.model,
        **({} if interaction.sample == 1 else {"sample": interaction.sample}),
        "request": _request_node(interaction.request),
        "response": _response_node(interaction.response, body),
        "checksum": checksum_of(read),
    }


def check_readable(interaction: Interaction) -> None:
    """Raise `FaultError` where an interaction could be written, and not be read again."""
    if is_long(interaction):  # its bodies are written as they are
        request, response = replace(interaction.request, body=b""), replace(interaction.response, body=b"", arrivals=())
        interaction = replace(interaction, request=request, response=response)
    interaction_at(interaction_node(interaction), ())


def _request_node(request: RecordedRequest) -> dict[str, Any]:
    body = encode_body(request.body, request.headers, exact=True)
    node = {"method": request.method, "uri": request.uri, "headers": _header_node(request.headers)}
    return node if body is None else {**node, "body": body}


def _response_node(response: RecordedResponse, body: dict[str, Any] | None) -> dict[str, Any]:
    unusual = {"http_version": response.http_version, "reason": response.reason, "encoding": response.encoding}
    shown = {name: value for name, value in unusual.items() if value}
    node = {"status": response.status, **shown, "headers": _header_node(response.headers)}
    return node if body is None else {**node, "body": body}


def _header_node(headers: Headers) -> dict[str, str | list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    return {name: found if len(found) > 1 else found[0] for name, found in values.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """An interaction as it stands in a file, sound or not.

    Attributes:
        interaction: What was read.
        checksum: What is written there; ``""`` where there is none.
    """

    interaction: Interaction
    checksum: str

    @property
    def problem(self) -> str:
        """Why it is not what was recorded, in words; ``""`` where it is."""
        right = checksum_of(self.interaction)
        if self.checksum == right:
            return ""
        has = f"the checksum {self.checksum!r}" if self.checksum else "no checksum"
        return (
            f"has an interaction with {has} where its request and response have {right!r}: they were edited, or come "
            "from different recordings"
        )


def interaction_at(node: Any, place: Place) -> Interaction:
    """The interaction that stands at a place of a document; a checksum is only looked at where there is one.

    Raises:
        FaultError: Something is missing, is not what it has to be, or does not belong together.
    """
    entry = entry_at(node, place)
    if entry.checksum and entry.problem:
        raise FaultError(entry.problem, place, "accept")
    return entry.interaction


def entry_at(node: Any, place: Place) -> Entry:
    """The interaction that stands at a place of a document, with its checksum, right or not.

    Raises:
        FaultError: Something is missing, or is not what it has to be.
    """
    interaction = _interaction_at(node, place)
    return Entry(interaction, _optional(node, "checksum", str, place, ""))


def _interaction_at(node: Any, place: Place) -> Interaction:
    request = field(node, "request", dict, place)
    response = field(node, "response", dict, place)
    return Interaction(
        template=field(node, "template", (str, type(None)), place),
        model=field(node, "model", (str, type(None)), place),
        request=_request(request, (*place, "request")),
        response=_response(response, (*place, "response")),
        sample=_sample(node, place),
    )


def _sample(node: dict[str, Any], place: Place) -> int:
    sample: int = _optional(node, "sample", int, place, 1)
    if sample < 1:
        raise FaultError(f"has the impossible sample {sample}", (*place, "sample"))
    return sample


def _request(node: dict[str, Any], place: Place) -> RecordedRequest:
    return RecordedRequest(
        method=field(node, "method", str, place),
        uri=_uri(node, place),
        headers=_headers(node, place),
        body=_body(node, place)[0],
    )


def _uri(node: dict[str, Any], place: Place) -> str:
    uri: str = field(node, "uri", str, place)
    try:
        host_and_port(uri)
    except ValueError as error:
        raise FaultError(f"has the impossible address {uri!r} ({error})", (*place, "uri")) from error
    return uri


def _response(node: dict[str, Any], place: Place) -> RecordedResponse:
    body, arrivals, cut = _body(node, place)
    return RecordedResponse(
        status=_status(node, place),
        reason=_optional(node, "reason", str, place, ""),
        headers=_headers(node, place),
        body=body,
        arrivals=arrivals,
        cut=cut,
        http_version=_optional(node, "http_version", str, place, ""),
        encoding=_encoding(node, place),
    )


def _encoding(node: dict[str, Any], place: Place) -> str:
    encoding: str = _optional(node, "encoding", str, place, "")
    if encoding and not is_known(encoding):
        raise FaultError(f"has the unknown encoding {encoding!r}", (*place, "encoding"))
    return encoding


def _status(node: dict[str, Any], place: Place) -> int:
    status: int = field(node, "status", int, place)
    if not 100 <= status <= 999:
        raise FaultError(f"has the impossible status {status}", (*place, "status"))
    return status


def _headers(node: dict[str, Any], place: Place) -> Headers:
    headers: dict[Any, Any] = field(node, "headers", dict, place)
    pairs: list[tuple[str, str]] = []
    for name, found in headers.items():
        for value in found if isinstance(found, list) else (found,):
            if not (isinstance(name, str) and isinstance(value, str)):
                raise FaultError("has a header that is no text", (*place, "headers"))
            pairs.append((name, value))
    return tuple(pairs)


def _body(node: dict[str, Any], place: Place) -> tuple[bytes, tuple[Chunk, ...], Truncation | None]:
    try:
        return decode_response_body(node.get("body"))
    except _OF_BODIES as error:
        raise _body_fault(error, place) from error


@contextmanager
def _readable_body(place: Place) -> Iterator[None]:
    """Raise `FaultError` where a body cannot be read."""
    try:
        yield
    except _OF_BODIES as error:
        raise _body_fault(error, place) from error


_OF_BODIES: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


def _body_fault(error: Exception, place: Place) -> FaultError:
    problem = f"has a body that cannot be read ({type(error).__name__}: {error})"
    remedy: Remedy = "accept" if isinstance(error, SizesError) else "restore"  # a text was edited
    return FaultError(problem, (*place, "body"), remedy)


def field(node: Any, name: str, kind: type | tuple[type, ...], place: Place) -> Any:
    """A member of a mapping that has to be there and of one kind; raises `FaultError` where it is not."""
    if not isinstance(node, dict) or name not in node:
        raise FaultError(f"lacks {name!r}", place)
    if not isinstance(node[name], kind) or isinstance(node[name], bool):
        raise FaultError(f"has an impossible {name!r}", (*place, name))
    return node[name]


def _optional(node: dict[str, Any], name: str, kind: type, place: Place, default: Any) -> Any:
    """The same of one that may be missing."""
    return field(node, name, kind, place) if name in node else default


_MOST_SAID: Final = 500  # characters of what is wrong: it quotes the file
VERSION: Final = 2
_BLOCK: Final = 2**16  # characters
_MOST_KEPT: Final = 64  # blocks
_BATCH: Final = 2**14  # bytes
_MOST_KNOWN: Final = 1000
_ITEM: Final = b"- "
_END: Final = b"end:"
_HEAD: Final = re.compile(rb"version: ([12])\n")
_LONGEST_HEAD: Final = len(b"version: 1\n")
_LIST: Final = b"interactions:\n"
CONFLICT: Final = r"^(<{7}|\|{7}|={7}|>{7})(?![<|=>])"  # what is written there is indented
_CONFLICT: Final = re.compile(CONFLICT.encode(), re.MULTILINE)
_MARKS: Final = (b"<<<<<<<", b"|||||||", b"=======", b">>>>>>>")


class FormatError(ValueError):
    """A text is no cassette of a version that is read here, or not one as it was recorded.

    Attributes:
        line: The line at fault, from 1.
        remedy: What helps: to ``"restore"`` the file or record it anew, to end a ``"merge"``, to restore the file or to
            ``"accept"`` it as it is, to ``"upgrade"`` this package, or to ``"import"`` the file.
    """

    def __init__(self, problem: str, line: int, remedy: Remedy = "restore") -> None:
        super().__init__(problem)
        self.line = line
        self.remedy: Remedy = remedy


def to_text(interactions: Sequence[Interaction]) -> str:
    """The text of a cassette with these interactions."""
    return b"".join(CassetteText(interactions)).decode("utf-8")


class CassetteText:
    """The same text in UTF-8, in blocks; a long one is put together anew whenever it is read, and never there whole."""

    def __init__(self, interactions: Sequence[Interaction]) -> None:
        self._interactions = interactions
        self._kept: list[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[bytes] = []
        for block in _blocks(self._interactions):
            if len(kept) < _MOST_KEPT:
                kept.append(block)
            yield block
        if len(kept) < _MOST_KEPT:
            self._kept = kept


def _blocks(interactions: Sequence[Interaction]) -> Iterator[bytes]:
    waiting: list[str] = []
    size = 0
    for part in _parts(interactions):
        waiting.append(part)
        size += len(part)
        if size >= _BLOCK:
            yield "".join(waiting).encode("utf-8")
            waiting, size = [], 0
    yield "".join(waiting).encode("utf-8")


def _parts(interactions: Sequence[Interaction]) -> Iterator[str]:
    """The text in parts; every interaction is taken apart only when it is written."""
    yield from yaml_text.parts({"version": VERSION})
    yield "interactions:\n"  # also before none: every file has these lines, and git merges what is between them
    for interaction in interactions:
        yield from yaml_text.item_parts(interaction_node(interaction))
    yield from yaml_text.parts({"end": True})


def from_text(text: str) -> list[Interaction]:
    """The interactions of a cassette's text.

    Raises:
        FormatError: The text is damaged, cut off, of a newer version, or no cassette at all.
    """
    return from_bytes(text.encode("utf-8"))


def from_bytes(content: bytes) -> list[Interaction]:
    """The interactions of a cassette's text in UTF-8; raises as `from_file` does."""
    return from_file(BytesIO(content))


def from_file(file: BinaryIO, note: Callable[[Any, Interaction], None] | None = None) -> list[Interaction]:
    """The interactions of a cassette that lies in a file.

    Args:
        file: The file.
        note: Called, where given, with each interaction of this version as it stands there and as it is read: with
            more of them than there are where the file could not be read at once.

    Raises:
        FormatError: As of `from_text`, or an interaction is not what was recorded.
        UnicodeDecodeError: It is no UTF-8.
    """

    def noted(node: Any, place: Place) -> Entry:
        entry = checked_entry(node, place)
        if note is not None:
            note(node, entry.interaction)
        return entry

    return [entry.interaction for entry in _read(file, noted)]


def entries_from_file(file: BinaryIO, *, refit: bool = False) -> list[Entry]:
    """The same, with the checksums as they stand in the file, right or wrong.

    Args:
        file: The file.
        refit: Whether the texts of streams may have been edited: the sizes of their pieces are made to fit.

    Raises:
        FormatError: As of `from_text`.
        UnicodeDecodeError: It is no UTF-8.
    """
    return _read(file, _refitted if refit else entry_at)


def _refitted(node: Any, place: Place) -> Entry:
    body = field({"body": {}, **field(node, "response", dict, place)}, "body", dict, (*place, "response"))
    for name in ("events", "lines"):
        with _readable_body((*place, "response")):
            refit_texts(body.get(name, []))
    return entry_at(node, place)


_Taking: TypeAlias = Callable[[Any, Place], Entry]  # what reads an interaction of this version


def checked_entry(node: Any, place: Place) -> Entry:
    """As `entry_at`, of an interaction that has to have the right checksum."""
    entry = entry_at(node, place)
    if entry.problem:
        raise FaultError(entry.problem, place, "accept")
    return entry


def _of_version_1(node: Any, place: Place) -> Entry:
    interaction = interaction_at(node, place)
    return Entry(interaction, checksum_of(interaction))


def _read(file: BinaryIO, take: _Taking) -> list[Entry]:
    entries = _as_written(file, take)
    if entries is None:
        file.seek(0)
        return _from_whole(file.read().decode("utf-8"), take)
    return entries


def _as_written(file: BinaryIO, take: _Taking) -> list[Entry] | None:
    """The interactions of a sound cassette in the layout in which they are written; ``None`` for any other text.

    They are read in batches: what YAML's reader makes of a text needs many times its memory.
    """
    head = _HEAD.fullmatch(file.readline(_LONGEST_HEAD))
    if head is None or file.readline(len(_LIST)) != _LIST:
        return None
    version = int(head[1])
    take = take if version == VERSION else _of_version_1
    known: dict[Any, Any] = {}
    entries: list[Entry] = []
    batches = _batches(file)
    try:
        for batch in batches:
            if any(mark in batch for mark in _MARKS) and _CONFLICT.search(batch):
                return None
            if batch.startswith(_END):
                rest = yaml_text.load_written(batch.decode("utf-8"))
                _check_end(rest, version, len(entries))
                return entries if len(rest) == 1 and next(batches, None) is None else None
            for node in yaml_text.load_written(batch.decode("utf-8")):
                entry = take(node, ())
                entries.append(Entry(_shared(entry.interaction, known), entry.checksum))
    except (ValueError, TypeError, FaultError, RecursionError):  # a YamlError is one
        pass  # reading it as a whole tells where
    return None


def _check_end(document: dict[str, Any], version: int, count: int) -> None:
    """Raise `FaultError` where a document is not marked as whole."""
    if version == VERSION:
        if document["end"] is not True:
            raise FaultError("has an impossible 'end': the last line is `end: true`", ("end",))
        return
    expected = field(document["end"], "interactions", int, ("end",))
    if expected != count:
        raise FaultError(f"holds {count} interactions where its end mark says {expected}", ("end",))


def _batches(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Some items of the list at a time, and then what stands behind it."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and line[:1] != b" " and (line.startswith(_END) or (line.startswith(_ITEM) and size >= _BATCH)):
            whole, batch, size = b"".join(batch), [], 0  # of a long text, its lines are not kept beside it
            yield whole
            del whole
        batch.append(line)
        size += len(line)
    yield b"".join(batch)


def _shared(interaction: Interaction, known: dict[Any, Any]) -> Interaction:
    """The interaction with what equals something of one shortly before it held once: addresses and headers."""

    def once(value: Any) -> Any:
        return known.setdefault(value, value)

    def headers_once(headers: Headers) -> Headers:
        found: Headers | None = known.get(headers)
        return once(tuple(map(once, headers))) if found is None else found

    if len(known) > _MOST_KNOWN:
        known.clear()

    request, response = interaction.request, interaction.response
    return Interaction(
        once(interaction.template),
        once(interaction.model),
        RecordedRequest(once(request.method), once(request.uri), headers_once(request.headers), request.body),
        replace(response, headers=headers_once(response.headers)),
        interaction.sample,
    )


def _from_whole(text: str, take: _Taking) -> list[Entry]:
    conflict = re.search(CONFLICT, text, re.MULTILINE)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        raise FormatError("holds the marks of a merge conflict", line, "merge")
    try:
        return _entries(yaml_text.load(text), take)
    except yaml_text.YamlError as error:
        raise FormatError(f"is not readable as YAML: {error.problem}", error.line) from error
    except FaultError as fault:
        line = text.rstrip("\n").count("\n") + 1 if fault.place is None else yaml_text.line_of(text, fault.place)
        raise FormatError(cut(str(fault), _MOST_SAID), line, fault.remedy) from None


def _entries(document: Any, take: _Taking) -> list[Entry]:
    nodes = _nodes(document)
    version = document["version"]
    take = take if version == VERSION else _of_version_1
    entries = [take(node, ("interactions", index)) for index, node in enumerate(nodes)]
    _check_end(document, version, len(entries))
    return entries


def _nodes(document: Any) -> list[Any]:
    """The list of interactions of a document that is a whole cassette of a known version."""
    if document is None:
        raise FaultError("is empty")
    if not isinstance(document, dict) or "version" not in document:
        raise FaultError(f"is no cassette: it does not begin with 'version: {VERSION}'")
    version = document["version"]
    if not isinstance(version, int) or isinstance(version, bool) or version not in {1, VERSION}:
        raise _version_fault(version)
    return _list_of_interactions(document)


def _version_fault(version: object) -> FaultError:
    if isinstance(version, int) and version > VERSION:
        problem = f"has format version {version}, and this release reads versions up to {VERSION}"
        return FaultError(problem, ("version",), "upgrade")
    return FaultError(f"has the format version {version!r}, which does not exist", ("version",))


def _list_of_interactions(document: dict[str, Any]) -> list[Any]:
    nodes = field(document, "interactions", list, ()) if document.get("interactions") is not None else []
    if "end" not in document:
        raise _unended(nodes)
    unknown = document.keys() - {"version", "interactions", "end"}
    if unknown:
        raise FaultError(f"has an unknown part {min(map(str, unknown))!r}", (min(map(str, unknown)),))
    return nodes


def _unended(nodes: list[Any]) -> FaultError:
    if nodes and isinstance(nodes[0], dict) and "template" not in nodes[0]:
        return FaultError("was written by vcrpy, not by this plugin", ("interactions",), "import")
    return FaultError(f"is cut off: after {len(nodes)} interactions its end mark is missing", None)
