"""A cassette file as a whole: version, interactions in order, end mark; errors name their line.

::

    version: 1
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
    end:
      interactions: 1

An interaction of a test that is run in samples has the number of its ``sample`` behind the model, from the second on.

A response has a ``reason`` where its reason phrase is an unusual one, an ``http_version``, such as ``HTTP/2``, where it
did not come by HTTP/1.1, and an ``encoding``, such as ``gzip``, where a program could see that it came compressed.

A body is one of ``json`` (a value, with the ``style`` it was written in), ``text``, ``base64``, and for streams
``events``, ``lines`` (of JSON) or ``pieces``; there is none where nothing was sent. The parts of a stream carry a time,
``at``, in seconds since the request was sent; a part without one came together with the part before it. A body that
ended before its time has a ``cut``, by the ``client`` or by an error of httpx. Calls of models that HTTP does not reach
have the same form: see `pytest_templates.cassettes.format.model_calls`. A text that ends before the end mark was
cut off.

::

        body:
          events:
          - at: 0.412
            data: {...}
          - at: 0.431
            data: {...}
          cut:
            at: 0.44
            by: client
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any, BinaryIO, Final

from pytest_templates.cassettes.format.bodies import LONGEST, decode_response_body, encode_body, encode_response_body
from pytest_templates.cassettes.format.decompression import is_known
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


class FaultError(Exception):
    """What is wrong in a document, and at which place; at its end for ``None``."""

    def __init__(self, problem: str, place: Place | None = ()) -> None:
        super().__init__(problem)
        self.place = place


def is_long(interaction: Interaction) -> bool:
    """Whether it has a body that is written as it is, whatever it holds."""
    return max(len(interaction.request.body), len(interaction.response.body)) > LONGEST


def interaction_node(interaction: Interaction) -> dict[str, Any]:
    """An interaction as it is written."""
    return {
        "template": interaction.template,
        "model": interaction.model,
        **({} if interaction.sample == 1 else {"sample": interaction.sample}),
        "request": _request_node(interaction.request),
        "response": _response_node(interaction.response),
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


def _response_node(response: RecordedResponse) -> dict[str, Any]:
    body = encode_response_body(response)
    unusual = {"http_version": response.http_version, "reason": response.reason, "encoding": response.encoding}
    shown = {name: value for name, value in unusual.items() if value}
    node = {"status": response.status, **shown, "headers": _header_node(response.headers)}
    return node if body is None else {**node, "body": body}


def _header_node(headers: Headers) -> dict[str, str | list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    return {name: found if len(found) > 1 else found[0] for name, found in values.items()}


def interaction_at(node: Any, place: Place) -> Interaction:
    """The interaction that stands at a place of a document.

    Raises:
        FaultError: Something is missing, or is not what it has to be.
    """
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
    sample: int = field({"sample": 1, **node}, "sample", int, place)
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
        reason=field({"reason": "", **node}, "reason", str, place),
        headers=_headers(node, place),
        body=body,
        arrivals=arrivals,
        cut=cut,
        http_version=field({"http_version": "", **node}, "http_version", str, place),
        encoding=_encoding(node, place),
    )


def _encoding(node: dict[str, Any], place: Place) -> str:
    encoding: str = field({"encoding": "", **node}, "encoding", str, place)
    if not is_known(encoding):
        raise FaultError(f"has the unknown encoding {encoding!r}", (*place, "encoding"))
    return encoding


def _status(node: dict[str, Any], place: Place) -> int:
    status: int = field(node, "status", int, place)
    if not 100 <= status <= 999:
        raise FaultError(f"has the impossible status {status}", (*place, "status"))
    return status


def _headers(node: dict[str, Any], place: Place) -> Headers:
    headers: dict[str, Any] = field(node, "headers", dict, place)
    pairs = tuple((name, value) for name, found in headers.items() for value in _listed(found))
    if not all(isinstance(part, str) for pair in pairs for part in pair):
        raise FaultError("has a header that is no text", (*place, "headers"))
    return pairs


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _body(node: dict[str, Any], place: Place) -> tuple[bytes, tuple[Chunk, ...], Truncation | None]:
    try:
        return decode_response_body(node.get("body"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FaultError(
            f"has a body that cannot be read ({type(error).__name__}: {error})", (*place, "body")
        ) from error


def field(node: Any, name: str, kind: type | tuple[type, ...], place: Place) -> Any:
    """A member of a mapping that has to be there and of one kind; raises `FaultError` where it is not."""
    if not isinstance(node, dict) or name not in node:
        raise FaultError(f"lacks {name!r}", place)
    if not isinstance(node[name], kind) or isinstance(node[name], bool):
        raise FaultError(f"has an impossible {name!r}", (*place, name))
    return node[name]


_MOST_SAID: Final = 500  # characters of what is wrong: it quotes the file
VERSION: Final = 1
_BLOCK: Final = 2**16  # characters
_MOST_KEPT: Final = 64  # blocks
_BATCH: Final = 2**14  # bytes
_MOST_KNOWN: Final = 1000
_ITEM: Final = b"- "
_END: Final = b"end:"
_HEAD: Final = f"version: {VERSION}\ninteractions:\n".encode()
_TAKE_OVER: Final = "`python -m pytest_templates cassettes import` makes one of ours of it"
_CONFLICT: Final = r"^(<{7}|\|{7}|={7}|>{7})(?![<|=>])"  # what is written there is indented


class FormatError(ValueError):
    """A text is no cassette of this version.

    Attributes:
        line: The line at fault, from 1.
    """

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.line = line


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
    yield from yaml_text.parts({"version": VERSION} | ({} if interactions else {"interactions": []}))
    yield "interactions:\n" if interactions else ""
    for interaction in interactions:
        yield from yaml_text.item_parts(interaction_node(interaction))
    yield from yaml_text.parts({"end": {"interactions": len(interactions)}})


def from_text(text: str) -> list[Interaction]:
    """The interactions of a cassette's text.

    Raises:
        FormatError: The text is damaged, cut off, of a newer version, or no cassette at all.
    """
    return from_bytes(text.encode("utf-8"))


def from_bytes(content: bytes) -> list[Interaction]:
    """The interactions of a cassette's text in UTF-8; raises as `from_file` does."""
    return from_file(BytesIO(content))


def from_file(file: BinaryIO) -> list[Interaction]:
    """The interactions of a cassette that lies in a file.

    Raises:
        FormatError: As of `from_text`.
        UnicodeDecodeError: It is no UTF-8.
    """
    interactions = _as_written(file)
    if interactions is None:
        file.seek(0)
        return _from_whole(file.read().decode("utf-8"))
    return interactions


def _as_written(file: BinaryIO) -> list[Interaction] | None:
    """The interactions of a sound cassette in the layout in which they are written; ``None`` for any other text.

    They are read in batches: what YAML's reader makes of a text needs many times its memory.
    """
    if file.read(len(_HEAD)) != _HEAD:
        return None
    known: dict[Any, Any] = {}
    interactions: list[Interaction] = []
    batches = _batches(file)
    try:
        for batch in batches:
            if re.search(_CONFLICT.encode(), batch, re.MULTILINE):
                return None
            if batch.startswith(_END):
                end = yaml_text.load(batch)
                is_whole = end == {"end": {"interactions": len(interactions)}} and next(batches, None) is None
                return interactions if is_whole else None
            interactions += [_shared(interaction_at(node, ()), known) for node in yaml_text.load(batch)]
    except (ValueError, TypeError, FaultError, RecursionError):  # a YamlError is one
        pass  # reading it as a whole tells where
    return None


def _batches(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Some items of the list at a time, and then what stands behind it."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and (line.startswith(_END) or (line.startswith(_ITEM) and size >= _BATCH)):
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

    if len(known) > _MOST_KNOWN:
        known.clear()

    request, response = interaction.request, interaction.response
    return Interaction(
        template=once(interaction.template),
        model=once(interaction.model),
        request=replace(
            request,
            method=once(request.method),
            uri=once(request.uri),
            headers=once(tuple(map(once, request.headers))),
        ),
        response=replace(response, headers=once(tuple(map(once, response.headers)))),
        sample=interaction.sample,
    )


def _from_whole(text: str) -> list[Interaction]:
    conflict = re.search(_CONFLICT, text, re.MULTILINE)
    if conflict:
        raise FormatError("holds the marks of a merge conflict", text.count("\n", 0, conflict.start()) + 1)
    try:
        return _interactions(yaml_text.load(text))
    except yaml_text.YamlError as error:
        raise FormatError(f"is not readable as YAML: {error.problem}", error.line) from error
    except FaultError as fault:
        line = text.rstrip("\n").count("\n") + 1 if fault.place is None else yaml_text.line_of(text, fault.place)
        raise FormatError(cut(str(fault), _MOST_SAID), line) from None


def _interactions(document: Any) -> list[Interaction]:
    nodes = _checked(document)
    interactions = [interaction_at(node, ("interactions", index)) for index, node in enumerate(nodes)]
    expected = field(document["end"], "interactions", int, ("end",))
    if expected != len(interactions):
        raise FaultError(f"holds {len(interactions)} interactions where its end mark says {expected}", ("end",))
    return interactions


def _checked(document: Any) -> list[Any]:
    """The list of interactions of a document that is a whole cassette of this version."""
    if document is None:
        raise FaultError("is empty")
    if not isinstance(document, dict) or "version" not in document:
        raise FaultError("is no cassette: it does not begin with 'version: 1'")
    version = document["version"]
    if version != VERSION or isinstance(version, bool):
        raise FaultError(_version_problem(version), ("version",))
    return _list_of_interactions(document)


def _version_problem(version: object) -> str:
    if isinstance(version, int) and version > VERSION:
        return f"has format version {version}, and this release reads version {VERSION}: upgrade antiphon"
    return f"has the format version {version!r}, which does not exist"


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
        return FaultError(f"was written by vcrpy, not by this plugin: {_TAKE_OVER}", ("interactions",))
    return FaultError(f"is cut off: after {len(nodes)} interactions its end mark is missing", None)
