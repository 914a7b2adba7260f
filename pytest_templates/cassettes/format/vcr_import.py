"""Cassettes of other recorders: vcrpy's of all years, those of serializers on top of it, and betamax's.

Nothing is guessed: a file of which a part would be lost is refused.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from errno import EFBIG, EINVAL
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeGuard
from urllib.parse import urlencode

import yaml

from antiphon.reading import MOST_BYTES, read_file
from pytest_templates.cassettes.hosts import host_and_port
from pytest_templates.cassettes.recorded import (
    USUAL_VERSION,
    Headers,
    Interaction,
    RecordedRequest,
    RecordedResponse,
    header,
    unusual_version,
)
from pytest_templates.errors import CassetteError
from pytest_templates.support import yaml_text
from pytest_templates.support.text import cut

if TYPE_CHECKING:
    from yaml import SafeLoader as _FastLoader
else:
    _FastLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_MOST_SAID: Final = 500  # characters of what is wrong: it quotes the file
_GZIP: Final = b"\x1f\x8b"
_ZLIB: Final = (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
_YAML_SAYS: Final = re.compile(rb"^(http_)?interactions\s*:|\A(---\s+)?(requests\s*:|-\s+request\s*:)", re.MULTILINE)
_JSON_SAYS: Final = re.compile(rb'"(http_)?interactions"\s*:|\A\s*\[\s*\{\s*"request"\s*:')


def says_cassette(content: bytes) -> bool:
    """Whether a file says that it is a cassette of another recorder; a damaged one says so as well."""
    try:
        content = _unzipped(content)
    except (OSError, EOFError):
        return True  # whatever it is, it is damaged
    return bool((_JSON_SAYS if content.lstrip()[:1] in {b"{", b"["} else _YAML_SAYS).search(content))


def load_vcr(path: Path) -> list[Interaction]:
    """The interactions of a cassette of another recorder, bodies as a replay of it would give them; not scrubbed.

    Who asked is not known: templates and models are left empty.

    Raises:
        CassetteError: The file cannot be read, is no such cassette, or holds something that would be lost.
    """
    try:
        document = _document(_unzipped(read_file(path)))
        nodes = _nodes(document)
    except OSError as error:
        raise CassetteError(f"{path}: the file cannot be read: {error.strerror or error}") from error
    except yaml_text.YamlError as error:
        raise CassetteError(f"{path}:{error.line}: the file is no YAML or JSON: {error.problem}") from error
    except (UnicodeDecodeError, EOFError, RecursionError) as error:
        raise CassetteError(f"{path}: the file is no YAML or JSON: {error}") from error
    except ValueError as error:
        raise CassetteError(f"{path}: {cut(str(error), _MOST_SAID)}") from error
    return [_interaction(node, number, path) for number, node in enumerate(nodes, 1)]


class _Loader(_FastLoader):
    """Reads what vcrpy's dumpers of various years have written, and makes plain values of it: no object is built."""


def _python_value(loader: _Loader, name: str, node: yaml.Node) -> Any:
    """A value that YAML has no type for."""
    if name in {"str", "unicode"} and isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if name == "tuple" and isinstance(node, yaml.SequenceNode):
        return list(loader.construct_sequence(node, deep=True))
    if name == "object:vcr.request.Request" and isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    kind, arguments = name.rpartition(":")[2], _arguments(loader, node)
    if kind.endswith(".istr") and len(arguments) == 1:  # what aiohttp's headers are called by
        return str(arguments[0])
    if kind in {"builtins.frozenset", "__builtin__.frozenset"} and len(arguments) == 1:
        return arguments[0]
    if kind in {"builtins.iter", "__builtin__.iter"} and len(arguments) == 1:
        return b"".join(map(_bytes, arguments[0]))
    if kind == "_io.BytesIO":
        return _bytes(arguments[0]) if arguments else b""
    problem = f"the value {name!r} of Python is not known"
    raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _arguments(loader: _Loader, node: yaml.Node) -> list[Any]:
    """What an object was made with, or the state that it had."""
    if isinstance(node, yaml.SequenceNode):
        return list(loader.construct_sequence(node, deep=True))
    if isinstance(node, yaml.MappingNode):
        given: dict[Any, Any] = loader.construct_mapping(node, deep=True)
        return list(given.get("args") or given.get("state") or ())
    return []


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", _python_value)


def _unzipped(content: bytes) -> bytes:
    """A file without its compression, of which a little may stand for much. Raises `OSError`, `EOFError`."""
    if not content.startswith(_GZIP):
        return content
    try:
        unzipped = gzip.GzipFile(fileobj=BytesIO(content)).read(MOST_BYTES + 1)
    except zlib.error as error:
        raise OSError(EINVAL, f"it is damaged: {error}") from error
    if len(unzipped) > MOST_BYTES:
        raise OSError(EFBIG, f"it holds more than {MOST_BYTES // 1024**2} MB")
    return unzipped


def _document(content: bytes) -> Any:
    if content.lstrip()[:1] in {b"{", b"["}:
        try:
            return json.loads(content)  # YAML knows no surrogate pairs, in which JSON writes emoji
        except json.JSONDecodeError:
            pass
    return yaml_text.load(content, _Loader)


_LISTS: Final = ("interactions", "http_interactions")
_OF_A_FILE: Final = {*_LISTS, "version", "metadata", "recorded_at", "recorded_with"}


def _nodes(document: Any) -> Sequence[Any]:
    """The interactions of a document; raises `ValueError`."""
    if isinstance(document, list) and document and isinstance(document[0], dict) and "request" in document[0]:
        return list(document)  # vcrpy before 1.0
    if not isinstance(document, dict) or "end" in document:
        what = "it is one of this plugin's" if isinstance(document, dict) else "it has no list of interactions"
        raise ValueError(f"the file is no cassette of vcrpy's: {what}")
    if isinstance(document.get("requests"), list) and isinstance(document.get("responses"), list):
        return _paired(document["requests"], document["responses"])
    nodes = next((document[name] for name in _LISTS if isinstance(document.get(name), list)), None)
    if nodes is None:
        raise ValueError("the file is no cassette of vcrpy's: it has no list of interactions")
    if document.get("version", 1) != 1:
        raise ValueError(f"the file has the format version {document['version']!r}, and vcrpy's is 1")
    _check_known(document, _OF_A_FILE, "the file")
    return list(nodes)


def _paired(requests: list[Any], responses: list[Any]) -> list[Any]:
    """The interactions of a file that keeps requests and responses apart, as the one of LangChain's tests."""
    if len(requests) != len(responses):
        raise ValueError(f"the file holds {len(requests)} requests and {len(responses)} responses")
    return [{"request": asked, "response": said} for asked, said in zip(requests, responses, strict=True)]


def _check_known(node: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    unknown = sorted(str(name) for name in node.keys() - set(known) if node[name] not in (None, "", [], {}))
    if unknown:
        names = ", ".join(map(repr, unknown))
        raise ValueError(f"{what} holds {names}, which is not known here and would be lost")


def _interaction(node: Any, number: int, path: Path) -> Interaction:
    try:
        return Interaction(None, None, _request(_part(node, "request")), _response(_part(node, "response")))
    except (TypeError, ValueError, LookupError, OverflowError) as error:
        said = cut(str(error), _MOST_SAID)
        problem = f"lacks {said}" if isinstance(error, KeyError) else f"cannot be taken over: {said}"
        raise CassetteError(f"{path}: interaction {number} {problem}") from error


def _part(node: Any, name: str) -> dict[str, Any]:
    """The request or the response of an interaction."""
    if not isinstance(node, dict) or not node.keys() & {"request", "response"}:
        holds = f" with {', '.join(sorted(map(repr, node)))}" if isinstance(node, dict) else ""
        raise TypeError(f"it is no exchange of HTTP, but a {type(node).__name__}{holds}")
    _check_known(node, {"request", "response", "recorded_at"}, "it")
    part = node[name]
    if not isinstance(part, dict):
        raise TypeError(f"its {name} is a {type(part).__name__}")
    _check_known(part, _OF_A_REQUEST if name == "request" else _OF_A_RESPONSE, f"its {name}")
    return part


_BODIES: Final = {"body", "content", "parsed_body"}
_ADDRESS: Final = ("protocol", "host", "port", "path")  # of vcrpy before 1.0
_OF_A_REQUEST: Final = {"method", "uri", *_ADDRESS, "headers", *_BODIES}
_OF_A_RESPONSE: Final = {"status", "status_code", "headers", *_BODIES, "url", "http_version"}


def _request(node: dict[str, Any]) -> RecordedRequest:
    headers, body = _message(node, _value_sent)
    uri = _old_uri(node) if "uri" not in node and "host" in node else str(node["uri"])
    host_and_port(uri)  # raises where it is no address
    return RecordedRequest(method=str(node["method"]).upper(), uri=uri, headers=headers, body=body)


def _old_uri(node: dict[str, Any]) -> str:
    protocol, host, port, path = (node[name] for name in _ADDRESS)
    usual = {"https": 443, "http": 80}.get(protocol)
    return f"{protocol}://{host}{'' if port == usual else f':{port}'}{path}"


def _response(node: dict[str, Any]) -> RecordedResponse:
    if "status_code" in node:  # vcrpy 4 and 5 for httpx, and betamax before 0.3
        node = {**node, "status": {"code": node["status_code"]}}
    status = node["status"] if isinstance(node["status"], dict) else {"code": node["status"]}
    headers, body = _message(node, _value_answered)
    return RecordedResponse(
        status=int(status["code"]),
        reason=str(status.get("message") or ""),
        headers=headers,
        body=body,
        http_version=unusual_version(_header_text(node.get("http_version") or USUAL_VERSION)),
    )


def _headers(node: Any) -> Headers:
    return tuple(_pairs(node or {}))


def _pairs(node: Any) -> Iterator[tuple[str, str]]:
    """Names and values, of a mapping, of a list of pairs or of a list of lines."""
    for entry in node.items() if isinstance(node, dict) else node:
        name, values = _header_text(entry).split(":", 1) if isinstance(entry, str | bytes) else entry
        for value in values if isinstance(values, list | tuple) else [values]:
            yield _header_text(name).lower(), _header_text(value)


def _header_text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str) or type(value) is int:
        return str(value).strip()
    raise TypeError(f"a header is a text, not a {type(value).__name__}")


_WRAPPED: Final = {"string", "base64_string", "encoding"}


def _message(node: dict[str, Any], written_out: Callable[[Any, Headers], bytes]) -> tuple[Headers, bytes]:
    """The headers and the body of a request or response.

    Args:
        node: Where they stand.
        written_out: Makes a body of a value that is no text.
    """
    headers = _headers(node.get("headers"))
    kept = _kept(node, headers)
    if isinstance(kept, str):
        kept = _unpacked(kept, headers)
    if isinstance(kept, bytes):
        return headers, kept
    plain = tuple(pair for pair in headers if pair[0] != "content-encoding")  # what is text is not compressed any more
    if isinstance(kept, str | None):
        return plain, (kept or "").encode(_encoding(node))
    return plain, (_json if _is_wrapped(node.get("body")) else written_out)(kept, headers)


def _kept(node: dict[str, Any], headers: Headers) -> Any:
    """A body as the file has it: bytes, a text, or a value."""
    names = [name for name in sorted(_BODIES) if node.get(name)]
    if len(names) > 1:
        raise ValueError(f"it has two bodies, {names[0]!r} and {names[1]!r}")
    if not node.keys() & _BODIES and header(headers, "content-length") not in {"", "0"}:
        raise ValueError("it has no body, and its headers tell the length of one")
    if "parsed_body" in node and not names:
        names = ["parsed_body"]
    if names == ["parsed_body"]:
        return json.dumps(node["parsed_body"])  # as the serializers that write it do
    return _unwrapped(node[names[0]]) if names else None


def _unwrapped(body: Any) -> Any:
    if not _is_wrapped(body):
        return body
    if not body.get("base64_string"):
        return body.get("string")
    if body.get("string"):
        raise ValueError("it has two bodies, 'string' and 'base64_string'")
    return base64.b64decode("".join(body["base64_string"].split()), validate=True)


def _unpacked(text: str, headers: Headers) -> str | bytes:
    """A body that a serializer of somebody's has packed: base64 of what its headers say, which a text like it is not.

    Returns:
        Bytes where it is compressed as its headers say; a text that is not compressed; the same one for any other.
    """
    try:
        packed = base64.b64decode("".join(text.split()), validate=True)
        if packed.startswith(_GZIP) and header(headers, "content-encoding").lower() == "gzip":
            return packed
        unpacked = _inflated(packed).decode()
    except (ValueError, OSError, EOFError):
        return text
    kind = header(headers, "content-type").lower()
    is_meant = _is_json(unpacked) if "json" in kind else kind.startswith("text/") and packed.startswith(_GZIP)
    return unpacked if is_meant and not _is_json(text) else text


def _inflated(packed: bytes) -> bytes:
    """What was compressed by gzip or zlib; raises `OSError`, `EOFError`."""
    if not packed.startswith(_ZLIB):
        return _unzipped(packed)
    try:
        inflated = zlib.decompressobj().decompress(packed, MOST_BYTES + 1)
    except zlib.error as error:
        raise OSError(EINVAL, f"it is damaged: {error}") from error
    if len(inflated) > MOST_BYTES:
        raise OSError(EFBIG, f"it holds more than {MOST_BYTES // 1024**2} MB")
    return inflated


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_wrapped(body: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(body, dict) and bool(body.keys() & {"string", "base64_string"}) and body.keys() <= _WRAPPED


def _encoding(node: dict[str, Any]) -> str:
    body = node.get("body")
    return str(body.get("encoding") or "utf-8") if _is_wrapped(body) else "utf-8"


def _json(value: Any, headers: Headers) -> bytes:
    if "json" not in header(headers, "content-type").lower():
        raise TypeError("it has a value for a body, and no content-type says that it was JSON")
    return json.dumps(value).encode()


def _value_answered(value: Any, _: Headers) -> bytes:
    names = f" with {', '.join(map(repr, value))}" if isinstance(value, dict) else ""
    raise TypeError(f"the body of its response has a form that is not known here, a {type(value).__name__}{names}")


def _value_sent(value: Any, headers: Headers) -> bytes:
    """What aiohttp sends for a value: vcrpy records it before it is written out."""
    if not isinstance(value, dict | list):
        raise TypeError(f"the body of its request is a {type(value).__name__}")
    kind, may_be_form = header(headers, "content-type").lower(), _is_flat(value)
    if "json" in kind or (not kind and not may_be_form):
        return json.dumps(value).encode()
    if "x-www-form-urlencoded" in kind and may_be_form:
        return urlencode(value).encode()
    if isinstance(value, list) and all(isinstance(piece, bytes) for piece in value):
        return b"".join(value)
    says = f"its content-type, {kind}, does not say" if kind else "no content-type says"
    raise TypeError(f"the body of its request is a value, and {says} how that was sent: as JSON, or as a form")


def _is_flat(value: dict[str, Any] | list[Any]) -> bool:
    """Whether a value may be the fields of a form, or the pieces of a body."""
    if isinstance(value, dict):
        return all(isinstance(text, str | bytes) for text in value.values())
    pairs = (entry if isinstance(entry, list | tuple) and len(entry) == 2 else [entry] for entry in value)
    return all(isinstance(text, str | bytes) for pair in pairs for text in pair)
