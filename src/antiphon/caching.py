"""``CachedModel``: a model that is not asked again what it has answered before."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing, closing, contextmanager
from decimal import Decimal
from hashlib import sha256
from itertools import count
from json import dumps
from typing import Any, ClassVar, Final, Protocol
from warnings import warn

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import to_jsonable_python

from antiphon.attempts import RetryingModel
from antiphon.call_recorder import calls_within
from antiphon.connect import ConnectedModel, as_model
from antiphon.errors import InvalidType, InvalidValue, shown
from antiphon.events import TextDelta
from antiphon.messages import Message, Reply, Usage
from antiphon.model import Model, ModelSettings, models_within
from antiphon.session import Session
from antiphon.trace import CURRENT_CALL

FROM_CACHE: Final = "antiphon.from_cache"
"""The note on a call for which no model was asked: the key that the store holds something under."""


class Store(Protocol):
    """What answers are kept in: a ``dict``, a ``shelve``, and whatever else has these two methods of a mapping."""

    def get(self, key: str, /) -> str | bytes | None:
        """The text that is kept under a key; ``None`` for none."""
        ...

    def __setitem__(self, key: str, text: str, /) -> None:
        """Keep a text under a key."""
        ...


class _Kept(BaseModel):
    """What is kept of an answer, as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    model: str
    reply: Reply


class _Memory:
    """A store that lasts as long as its process, or until memories begin afresh."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._age = _age

    def get(self, key: str, /) -> str | None:
        return self._texts.get(key) if self._age == _age else None

    def __setitem__(self, key: str, text: str, /) -> None:
        if self._age != _age:
            self._age, self._texts = _age, {}
        self._texts[key] = text


_ages = count(1)
_age = 0


@contextmanager
def fresh_memories() -> Iterator[None]:
    """Let all that is kept in memory be forgotten, before a block and after it. Stores that were given stay."""
    begin_afresh()
    try:
        yield
    finally:
        begin_afresh()


def begin_afresh() -> None:
    """Let all that is kept in memory so far be forgotten."""
    global _age  # noqa: PLW0603  # the memories of a whole process
    _age = next(_ages)


class CachedModel(Model):
    """A model that is asked once for each question: later ones get the answer that it gave.

    Questions are equal where all is equal that is sent: the messages with what is attached, the tools and the type that
    are asked for; and the model: its class, its name, its settings and its address, or those of the models that it
    asks. What fails is not kept, nor an answer that its provider broke off, nor one whose stream was left early. Equal
    questions at the same time are all asked.

    A kept answer is a call in the trace, by the name of the model that gave it, that has none in ``inner``, has used no
    tokens and has cost nothing; its ``notes`` have the key under ``FROM_CACHE``. Streamed, its text is one piece. Of a
    message that a model of your own gives, ``metadata`` is not kept.

    Args:
        model: The model, or the name of one. The name and the settings of this model are those of that.
        store: Where answers are kept, as texts (JSON with the ``reply``, and the name of the ``model`` that gave it) by
            keys of 64 hexadecimal digits; ``None`` for the memory of the process. It is asked in the event loop, too,
            so it should be quick. Forks share it. Where it raises when it is to keep an answer, that is a
            ``RuntimeWarning``, and the answer is given.

    Raises:
        InvalidType: An argument is of a wrong type.
        InvalidValue: When asked: what the store holds under the key is no answer; the text names the key.
    """

    shared: ClassVar[frozenset[str]] = frozenset({"store"})

    def __init__(self, model: Model | str, store: Store | None = None) -> None:
        self.model = as_model(model)
        self.name = self.model.name
        self.store: Store = _Memory() if store is None else _checked(store)

    @property
    def settings(self) -> ModelSettings:
        """The settings of the model that is asked."""
        return self.model.settings

    @settings.setter
    def settings(self, settings: ModelSettings) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self.model.settings = settings

    def _send(self, session: Session) -> Reply | Message:
        key = self._key_of(session)
        return self._kept(key) or self._keeping(key, self.model.send(session))

    async def _asend(self, session: Session) -> Reply | Message:
        key = self._key_of(session)
        return self._kept(key) or self._keeping(key, await self.model.asend(session))

    def _stream(self, session: Session) -> Generator[TextDelta | Reply | Message]:
        key = self._key_of(session)
        kept = self._kept(key)
        if kept is not None:
            yield kept
            return
        with closing(self.model.stream(session)) as pieces:
            for piece in pieces:
                yield piece if isinstance(piece, TextDelta) else self._keeping(key, piece)

    async def _astream(self, session: Session) -> AsyncGenerator[TextDelta | Reply | Message]:
        key = self._key_of(session)
        kept = self._kept(key)
        if kept is not None:
            yield kept
            return
        async with aclosing(self.model.astream(session)) as pieces:
            async for piece in pieces:
                yield piece if isinstance(piece, TextDelta) else self._keeping(key, piece)

    def _kept(self, key: str) -> Reply | None:
        text = self.store.get(key)
        if text is None:
            return None
        call = CURRENT_CALL.get()
        if call is not None:
            call.notes[FROM_CACHE] = key  # also of what is refused: no model is asked
        try:
            kept = _Kept.model_validate_json(text)
        except ValidationError as error:  # also where it is no text at all
            raise InvalidValue(
                f"the store of the CachedModel around {self.name!r} holds no answer under {key!r}: {text!r:.200}\n"
                "  take this entry out of the store"
            ) from error
        if call is not None:
            call.answered_by = kept.model
        return kept.reply.model_copy(update={"usage": Usage(cost=Decimal(0))})

    def _keeping(self, key: str, message: Message) -> Message:
        if message.finish_reason != "error":
            kept = _Kept(model=message.model or self.name, reply=_reply_of(message))
            try:
                self.store[key] = kept.model_dump_json(exclude_defaults=True)
            except Exception as error:  # noqa: BLE001  # whatever a program's store raises: the answer is paid
                warn(
                    f"the store of the CachedModel around {self.name!r} has not kept an answer, which will be asked "
                    f"for again: {type(self.store).__name__} raised {error!r}",
                    RuntimeWarning,
                    stacklevel=2,
                )
        return message

    def _key_of(self, session: Session) -> str:
        asked = {
            "version": _VERSION,
            "model": _description(self.model),
            "messages": [_sent(message) for message in session.messages],
            "tools": [[tool.name, tool.description, tool.parameters] for tool in session.request.tools],
            "output_schema": session.request.output_schema,
        }
        plain = to_jsonable_python(asked, bytes_mode="base64", inf_nan_mode="strings", fallback=repr)
        return sha256(dumps(plain, sort_keys=True).encode()).hexdigest()


_VERSION: Final = 1  # of the form of questions and answers: what was kept in another one is not found
_NOT_SENT: Final = frozenset({"metadata", "template_path", "model", "attachments"})  # of a message, as JSON
_NOT_ASKED: Final = frozenset({"timeout", "request_timeout", "max_retries", "extra_headers"})  # how a model is reached


def _checked(store: Store) -> Store:
    if callable(getattr(store, "get", None)) and hasattr(store, "__setitem__") and not isinstance(store, type):
        return store
    raise InvalidType(f"store takes a mapping such as a dict or a shelve, not {shown(store, object)}")


def _sent(message: Message) -> dict[str, Any]:
    """A message as a model is given it; of what is attached the digest of the content."""
    sent = message.model_dump(exclude=set(_NOT_SENT), exclude_defaults=True)
    attached = [[one.kind, one.media_type, one.digest] for one in message.attachments]
    return {**sent, "attachments": attached} if attached else sent


def _description(model: Model) -> dict[str, Any]:
    """What decides how a model answers, as far as it can be known. To ask again changes no answer."""
    while isinstance(model, RetryingModel | CachedModel):
        model = model.model
    kind = type(model)
    return {
        "kind": f"{kind.__module__}.{kind.__qualname__}",
        "name": model.name,
        "settings": model.settings.model_dump(exclude_none=True, exclude=set(_NOT_ASKED)),
        "base_url": model.base_url if isinstance(model, ConnectedModel) else None,
        "models": [_description(one) for one in models_within(model)],
    }


def _reply_of(message: Message) -> Reply:
    """What is kept of an answer."""
    call = next((call for call in reversed(calls_within()) if call.reply is not None), None)
    return Reply(
        message.content,
        tool_calls=message.tool_calls,
        usage=None if call is None else call.usage,
        served_by=None if call is None else call.served_by,
        finish_reason=message.finish_reason,
        thinking=message.thinking,
        refusal=message.refusal,
        provider_data=message.provider_data,
        attachments=message.attachments,
    )
