"""Calls that are recorded at the level of the model, in the form of requests and responses.

::

    request:
      method: SEND
      uri: model:xai:grok-4
      headers:
        content-type: application/json
      body:
        json:
          model: xai:grok-4
          messages:
          - role: user
            content: What is the capital of France?
          settings:
            temperature: 0.0
    response:
      status: 200
      headers:
        content-type: application/json
      body:
        json:
          content: Paris.
          usage:
            input_tokens: 14
            output_tokens: 2

The method is ``SEND``, or ``STREAM`` for an answer in pieces. Beside the messages stand ``settings``, ``tools`` and an
``output_schema``, each where there is one. An answer is written with what differs from an empty ``Reply``; one that was
a ``Message`` has a ``role``. A stream is one of JSON lines: ``{"text": ...}`` for a text, and an answer for an answer,
which leaves its ``content`` out where that is the text so far. Where the model refused to answer there is an ``error``:
the name of its class in `antiphon.errors`, its text, and its attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from antiphon.errors import (
    AuthenticationError,
    BadAnswer,
    ContextLengthExceeded,
    ModelError,
    RateLimitError,
    ServerError,
)
from antiphon.messages import Message, Reply
from antiphon.model import Model
from antiphon.session import Session
from pytest_templates.cassettes.format.bodies import LINES, has_type
from pytest_templates.cassettes.format.canonical_json import Json, dumps, parse
from pytest_templates.cassettes.recorded import RecordedRequest, RecordedResponse

SEND: Final = "SEND"
STREAM: Final = "STREAM"

Piece: TypeAlias = str | Reply | Message

_JSON: Final = "application/json"
_NOT_SENT: Final = frozenset({"metadata", "template_path", "model"})  # of a message
_NOT_ASKED: Final = frozenset({"timeout", "request_timeout", "max_retries", "extra_headers"})  # how a model is reached
_SET_BY_ENGINE: Final = frozenset({"template_path", "model"})  # in the message of an answer


def address_of(model: Model) -> str:
    """The address under which calls of a model are recorded."""
    return "model:" + quote(model.name, safe="/:@+").replace("//", "/%2F")


def request_for(model: Model, session: Session, method: str) -> RecordedRequest:
    """What a model is asked, as a request."""
    given = model.settings.model_dump(exclude_none=True, exclude=set(_NOT_ASKED))
    asked = {
        "model": model.name,
        "messages": [message.model_dump(exclude=set(_NOT_SENT), exclude_defaults=True) for message in session.messages],
        "settings": given,
        "tools": [
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
            for tool in session.request.tools
        ],
        "output_schema": session.request.output_schema,
    }
    body = to_jsonable_python(
        {name: value for name, value in asked.items() if value},
        bytes_mode="base64",
        inf_nan_mode="strings",
        fallback=_kind_of,
    )
    return RecordedRequest(method, address_of(model), (("content-type", _JSON),), _bytes(body))


def _kind_of(value: object) -> str:
    """What stands for a value that is none of JSON's: a text that is the same in every run."""
    return f"<{type(value).__module__}.{type(value).__qualname__}>"


def response_with(answer: Piece | ModelError) -> RecordedResponse:
    """An answer as a response.

    Raises:
        ValueError: It holds what JSON does not.
    """
    return RecordedResponse(status_of(answer), "", (("content-type", _JSON),), _bytes(_node(answer)))


def stream_head() -> RecordedResponse:
    """The response of a stream before its first piece."""
    return RecordedResponse(HTTPStatus.OK, "", (("content-type", LINES[0]),), b"")


def status_of(answer: Piece | ModelError) -> int:
    """The status of an answer; that of a refusal is what a provider would have sent."""
    if isinstance(answer, ServerError) and answer.status is not None:
        return answer.status
    return _REFUSALS[type(answer)] if isinstance(answer, ModelError) else HTTPStatus.OK


_REFUSALS: Final[Mapping[type, int]] = MappingProxyType(
    {
        RateLimitError: HTTPStatus.TOO_MANY_REQUESTS,
        AuthenticationError: HTTPStatus.UNAUTHORIZED,
        ContextLengthExceeded: HTTPStatus.BAD_REQUEST,
        ModelError: HTTPStatus.BAD_REQUEST,
        ServerError: HTTPStatus.INTERNAL_SERVER_ERROR,
        BadAnswer: HTTPStatus.BAD_GATEWAY,
    }
)
_KINDS: Final = {kind.__name__: kind for kind in _REFUSALS}


def is_answer(error: BaseException) -> bool:
    """Whether an error is what a model answered: it was reached, and refused or failed."""
    return type(error) in _REFUSALS and not (isinstance(error, ServerError) and error.status is None)


def pieces_of(response: RecordedResponse) -> list[Piece | ModelError]:
    """The pieces of an answer, in order; one of an answer that was no stream. A `ModelError` is the last one.

    Raises:
        ValueError: The response holds no answer of a model.
    """
    lines = response.body.splitlines() if has_type(response.headers, LINES) else [response.body]
    return list(map(Lines().read, lines))


def raising(pieces: Iterable[Piece | ModelError]) -> Iterator[Piece]:
    """The pieces, without the error that comes last.

    Raises:
        ModelError: It came.
    """
    for piece in pieces:
        if isinstance(piece, ModelError):
            raise piece
        yield piece


def joined(pieces: Iterable[Piece | ModelError]) -> Piece:
    """The answer that came in pieces.

    Raises:
        ModelError: It ended with that.
    """
    texts: list[str] = []
    answer: Reply | Message | None = None
    for piece in raising(pieces):
        if isinstance(piece, str):
            texts.append(piece)
        else:
            answer = piece
    if answer is None:
        return "".join(texts)
    if answer.content or isinstance(answer, Message):
        return answer
    return answer.model_copy(update={"content": "".join(texts)})


class Lines:
    """The lines of one stream, as they are written or read.

    An answer that ends a stream mostly holds the whole text once more: that is left out where it is the same.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []

    @property
    def text(self) -> str:
        """The text that has come so far, as the engine adds it up."""
        return "".join(self._texts)

    def write(self, piece: Piece | ModelError) -> bytes:
        """The line of a piece.

        Raises:
            ValueError: It holds what JSON does not.
        """
        node = {"text": piece} if isinstance(piece, str) else _node(piece)
        if isinstance(piece, Reply) and piece.content == self.text:
            del node["content"]
        self._add(piece)
        return _bytes(node) + b"\n"

    def read(self, line: bytes) -> Piece | ModelError:
        """The piece of a line.

        Raises:
            ValueError: There is none in it.
        """
        piece = _piece(parse(line), self)
        self._add(piece)
        return piece

    def _add(self, piece: Piece | ModelError) -> None:
        if isinstance(piece, str):
            self._texts.append(piece)
        elif isinstance(piece, Reply | Message) and not any(self._texts):
            self._texts.append(piece.content)


def _node(answer: Piece | ModelError) -> dict[str, Json]:
    if isinstance(answer, ModelError):
        data = {name: value for name, value in vars(answer).items() if value is not None}
        return {"error": {"type": type(answer).__name__, "text": str(answer), **_plain(data)}}
    if isinstance(answer, Message):
        return _plain(_fields(answer, _SET_BY_ENGINE))
    reply = Reply(answer) if isinstance(answer, str) else answer
    node = {"content": reply.content, **_plain(_fields(reply))}
    if reply.usage is not None:
        counts = {"input_tokens": reply.usage.input_tokens, "output_tokens": reply.usage.output_tokens}
        node["usage"] = counts | node["usage"]
    return node


def _fields(value: Reply | Message, left_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """What was set, also of an object of a subclass."""
    kind = Message if isinstance(value, Message) else Reply
    return value.model_dump(include=set(kind.model_fields) - left_out, exclude_defaults=True)


def _plain(value: dict[str, Any]) -> dict[str, Json]:
    try:
        plain: dict[str, Json] = to_jsonable_python(value, bytes_mode="base64", inf_nan_mode="constants")
    except PydanticSerializationError as error:
        raise ValueError(str(error)) from error
    return plain


def _piece(node: Json, before: Lines) -> Piece | ModelError:
    try:
        if set(node) == {"text"} and isinstance(node["text"], str):
            return str(node["text"])
        if "error" in node:
            return _error(node["error"])
        if "role" in node:
            return Message.model_validate(node)
        return Reply.model_validate(node if "content" in node else {"content": before.text, **node})
    except (ValidationError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"it is no answer of a model: {error}") from error


def _error(node: Any) -> ModelError:
    data = {**node}
    error: ModelError = _KINDS[data.pop("type")](data.pop("text"))
    vars(error).update(data)
    return error


def _bytes(value: Json) -> bytes:
    """JSON in UTF-8, which cannot hold surrogate characters but as escapes.

    Raises:
        ValueError: A number is none of JSON's.
    """
    try:
        return dumps(value).encode()
    except UnicodeEncodeError:
        return dumps(value, "compact-ascii").encode()
