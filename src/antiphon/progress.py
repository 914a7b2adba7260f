"""How far a conversation has come that waits for its user: what its effects answered, saved with its session.

The conversation goes on by being held again from its beginning, with these answers in place of the effects: see
``antiphon.playback``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from antiphon.attachments import Attachment
from antiphon.errors import AntiphonError, InvalidValue
from antiphon.json_values import as_json, as_text, from_json
from antiphon.messages import Message, Reply, Usage
from antiphon.trace import ChosenBy, ModelCall

_VALUE = ConfigDict(frozen=True, extra="allow")  # what a newer version has saved is saved again
_NOTHING: Any = Field(default=None, exclude_if=lambda value: value is None)
_NO_TEXT: Any = Field(default="", exclude_if=lambda value: value == "")
_FIRST: Any = Field(default=0, exclude_if=lambda value: value == 0)
_NO_TIME: Any = Field(default=0.0, exclude_if=lambda value: value == 0)
_NO: Any = Field(default=False, exclude_if=lambda value: not value)
_NONE: Any = Field(default=(), exclude_if=lambda value: not value)

_LONGEST_EXCERPT: Final = 100


class KeptError(BaseModel):
    """An error of an effect that its template has dealt with.

    Attributes:
        kind: Its class, as ``MODULE:NAME``.
        text: What it says.
        arguments: What it was made of, as JSON; only its text, where that has no JSON form.
        state: Its attributes, as JSON, as far as they have such a form.
    """

    model_config = _VALUE

    kind: str
    text: str = ""
    arguments: tuple[Any, ...] = _NONE
    state: dict[str, Any] = Field(default_factory=dict, exclude_if=lambda value: not value)

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """What is kept of an error."""
        kind = type(error)
        try:
            arguments = tuple(as_json(argument) for argument in error.args)
        except InvalidValue:
            arguments = (_writable(str(error)),)
        state: dict[str, Any] = {}
        for name, value in vars(error).items():
            try:
                state[name] = as_json(value)
            except InvalidValue:
                continue  # such as a session: its text stays
        state.pop("__notes__", None)
        text = _writable(str(error))
        return cls(kind=f"{kind.__module__}:{kind.__qualname__}", text=text, arguments=arguments, state=state)

    def made(self) -> BaseException:
        """An error like it; one of the family with its text, where this program does not have its class."""
        kind = _loaded(self.kind)
        if kind is None:
            return self._without_class()
        arguments = tuple(map(from_json, self.arguments))
        try:
            error = kind(*arguments) if kind.__module__ == "builtins" else kind.__new__(kind, *arguments)
        except Exception:  # noqa: BLE001  # whatever its class says to what it was made of
            return self._without_class()
        error.args = arguments
        vars(error).update({name: from_json(value) for name, value in self.state.items()})
        return error

    def _without_class(self) -> AntiphonError:
        error = AntiphonError(self.text)
        error.add_note(f"it came in an earlier turn, as {self.kind}, which is not at hand")
        return error


def _writable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def _loaded(name: str) -> type[Exception] | None:
    """An error's class, where the program has loaded its module: nothing is imported for what a file says."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, Exception) else None


class KeptCall(BaseModel):
    """A call of a model: what ``ModelCall`` tells of it and the place where it is asked again does not.

    Attributes:
        model: See ``ModelCall``; so are the others that are not told of here.
        reply: In what the reply differs from the message and the call, as JSON; ``None`` where there was no reply.
        messages: What was sent, where that is not the conversation at this place.
        origin: Which it is of the model that was asked at this place, 0, and those within it.
        asked: Likewise.
        at: The path of the template whose call it was, where that is one within an effect.
        template_id: Its id, or its path without iterations.
        depth: How many subroutines deep it was.
    """

    model_config = _VALUE

    model: str
    chosen_by: ChosenBy
    seconds: float
    served_by: str | None = _NOTHING
    reply: dict[str, Any] | None = _NOTHING
    error: KeptError | None = _NOTHING
    usage: Usage | None = _NOTHING
    seconds_to_text: float | None = _NOTHING
    waited: float = _NO_TIME
    messages: tuple[Message, ...] | None = _NOTHING
    notes: dict[str, str] = Field(default_factory=dict, exclude_if=lambda value: not value)
    inner: tuple[KeptCall, ...] = _NONE
    origin: int = _FIRST
    asked: int = _FIRST
    at: str | None = _NOTHING
    template_id: str | None = _NOTHING
    depth: int | None = _NOTHING

    @classmethod
    def of(
        cls, call: ModelCall, message: Message | None, sent: Sequence[Message] | None, models: Sequence[Any] = ()
    ) -> Self:
        """What is kept of a call.

        Args:
            call: The call.
            message: The message that its effect answered; ``None`` where there was none.
            sent: What its effect sent; ``None`` where it is no effect that asks a model.
            models: The model that its effect asked, and those within it.
        """
        return cls(
            model=call.model,
            chosen_by=call.chosen_by,
            seconds=call.seconds,
            served_by=call.served_by,
            reply=_beyond(call.reply, _plain_reply(message, call.usage, call.served_by)),
            error=None if call.error is None else KeptError.of(call.error),
            usage=call.usage,
            seconds_to_text=call.seconds_to_text,
            waited=call.waited,
            messages=None if sent is not None and call.messages == sent else tuple(call.messages),
            notes=dict(call.notes),
            inner=tuple(cls.of(one, message, sent, models) for one in call.inner),
            origin=_place(call.origin, models),
            asked=_place(call.asked, models),
        )

    def made(self, call: ModelCall, message: Message | None, models: Sequence[Any] = ()) -> ModelCall:
        """The call once more.

        Args:
            call: What the place says of it where it is asked again.
            message: The message that its effect answered.
            models: The model that would be asked there, and those within it.
        """
        return ModelCall(
            template_id=call.template_id if self.template_id is None else self.template_id,
            template_path=call.template_path if self.at is None else self.at,
            model=self.model,
            served_by=self.served_by,
            chosen_by=self.chosen_by,
            messages=call.messages if self.messages is None else self.messages,
            reply=_with(self.reply, _plain_reply(message, self.usage, self.served_by)),
            error=None if self.error is None else self.error.made(),
            usage=self.usage,
            seconds=self.seconds,
            seconds_to_text=self.seconds_to_text,
            depth=call.depth if self.depth is None else self.depth,
            origin=models[self.origin] if self.origin < len(models) else None,
            asked=models[self.asked] if self.asked < len(models) else None,
            inner=tuple(one.made(call, message, models) for one in self.inner),
            notes=self.notes,
            waited=self.waited,
        )


def _place(model: object, models: Sequence[Any]) -> int:
    return next((place for place, one in enumerate(models) if one is model), 0)


def _plain_reply(message: Message | None, usage: Usage | None, served_by: str | None) -> Reply:
    """The reply that a message and its call tell of."""
    if message is None:
        return Reply(usage=usage, served_by=served_by)
    return Reply(
        message.content,
        tool_calls=message.tool_calls,
        usage=usage,
        served_by=served_by,
        finish_reason=message.finish_reason,
        thinking=message.thinking,
        refusal=message.refusal,
        provider_data=message.provider_data,
        attachments=message.attachments,
    )


def _beyond(reply: Reply | None, plain: Reply) -> dict[str, Any] | None:
    """In what a reply differs from another one, as JSON."""
    if reply is None:
        return None
    other = {name for name in Reply.model_fields if getattr(reply, name) != getattr(plain, name)}
    told: dict[str, Any] = reply.model_dump(mode="json", include=other) if other else {}
    return dict.fromkeys(other) | told


def _with(beyond: Mapping[str, Any] | None, plain: Reply) -> Reply | None:
    """A reply, of what ``_beyond`` has told."""
    if not beyond:
        return None if beyond is None else plain
    told = {name: value for name, value in beyond.items() if value is not None}
    differing = Reply.model_validate_json(json.dumps(told))
    return plain.model_copy(update={name: getattr(differing, name) for name in beyond})


class KeptTool(BaseModel):
    """A run of a tool.

    Attributes:
        call: A digest of what the model asked for.
        text: What the model was told.
        seconds: How long it took.
        attachments: What was attached to that.
        error: What it raised.
        is_farewell: Whether it ended the conversation with the text.
    """

    model_config = _VALUE

    call: str
    text: str
    seconds: float
    attachments: tuple[Attachment, ...] = _NONE
    error: KeptError | None = _NOTHING
    is_farewell: bool = _NO


class KeptChange(BaseModel):
    """What an effect has changed in the session of the template that asked for it.

    Attributes:
        messages: The messages that it added.
        added: How many messages it has counted as added, those of subroutines included.
        metadata: The metadata that it has set, as JSON.
        removed: The names of those that it has removed.
    """

    model_config = _VALUE

    messages: tuple[Message, ...] = _NONE
    added: int = _FIRST
    metadata: dict[str, Any] = Field(default_factory=dict, exclude_if=lambda value: not value)
    removed: tuple[str, ...] = _NONE


class Performed(BaseModel):
    """An effect that was performed.

    Attributes:
        kind: ``"model"``, ``"user"``, ``"tool"``, or the class of an effect of the program's own.
        path: The path of the template that asked for it.
        asked: The beginning of what was asked for, for people.
        digest: A digest of all that was asked for.
        answer: The answer, as JSON; that of a model is ``message``, that of tools ``tools``.
        message: The answer of a model.
        tools: The runs of tools.
        error: What it failed with.
        calls: The calls of models that it made.
        change: What it has changed in the session; ``None`` where that is nothing.
    """

    model_config = _VALUE

    kind: str
    path: str
    asked: str = _NO_TEXT
    digest: str = _NO_TEXT
    answer: Any = _NOTHING
    message: Message | None = _NOTHING
    tools: tuple[KeptTool, ...] = _NONE
    error: KeptError | None = _NOTHING
    calls: tuple[KeptCall, ...] = _NONE
    change: KeptChange | None = _NOTHING


class Waiting(BaseModel):
    """What a conversation waits for.

    Attributes:
        path: The path of the template that asks the user.
        description: What it asks for; ``None`` where it does not say.
        default: What an empty answer stands for, if anything.
    """

    model_config = _VALUE

    path: str
    description: str | None = _NOTHING
    default: str | None = _NOTHING


class Progress(BaseModel):
    """How far a conversation has come; ``None`` stands for one that has not begun, or has ended.

    Attributes:
        messages: The messages with which it began.
        metadata: The metadata with which it began, as JSON.
        takes_back: Whether a system message is taken back that repeats one of these word for word.
        performed: What was performed since, in order.
        waiting: What it waits for, or waited for when it was broken off; ``None`` where it was broken off before that.
        is_broken_off: Whether it failed after ``waiting`` was answered, or at its beginning.
        answered: Which of ``performed`` has answered ``waiting``, where it was broken off after that.
        added: How many messages it had added by then, those of subroutines included.
        said_in: How many of them each part that runs beside others has said, by the path where it begins.
        said: A digest of the messages as they were left.
        known: A digest of the metadata as they were left.
    """

    model_config = _VALUE

    messages: tuple[Message, ...] = ()
    metadata: dict[str, Any] = Field(default_factory=dict)
    takes_back: bool = _NO
    performed: tuple[Performed, ...] = ()
    waiting: Waiting | None = _NOTHING
    is_broken_off: bool = _NO
    answered: int | None = _NOTHING
    added: int = Field(default=0, exclude_if=lambda value: not value)
    said_in: dict[str, int] = Field(default_factory=dict, exclude_if=lambda value: not value)
    said: str = ""
    known: str = ""

    def written(self, messages: Sequence[Message]) -> dict[str, Any]:
        """As JSON data; a message of the session is named by its place there, from 0, and not written again."""
        plain: dict[str, Any] = self.model_dump(mode="json")
        places = _Places(messages)
        plain["messages"] = [places.of(one, written) for one, written in _pairs(self.messages, plain["messages"])]
        for done, written in _pairs(self.performed, plain["performed"]):
            if done.message is not None:
                written["message"] = places.of(done.message, written["message"])
            elif done.kind == "user" and (place := places.said_by_user(done)) is not None:
                written["answer"] = place
        return plain

    @classmethod
    def read(cls, plain: Any, messages: Sequence[Message]) -> Self:
        """What ``written`` has made.

        Raises:
            ValueError: That was not made by it.
        """
        if not isinstance(plain, dict):
            return cls.model_validate(plain)
        performed = [_read(one, messages) for one in _listed(plain, "performed")]
        began = [_message_at(one, messages) for one in _listed(plain, "messages")]
        progress = cls.model_validate_json(json.dumps({**plain, "performed": performed, "messages": began}))
        if progress.answered is not None and not 0 <= progress.answered < len(performed):
            raise ValueError(f"nothing was performed in place {progress.answered}")
        return progress


def _pairs(values: Sequence[Any], written: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(values, written, strict=True)


def _listed(plain: Mapping[str, Any], name: str) -> list[Any]:
    listed = plain.get(name, [])
    return listed if isinstance(listed, list) else [listed]


def _read(done: Any, messages: Sequence[Message]) -> Any:
    if not isinstance(done, dict):
        return done
    if "message" in done:
        return {**done, "message": _message_at(done["message"], messages)}
    if done.get("kind") == "user" and isinstance(done.get("answer"), int):
        return {**done, "answer": _message_at(done["answer"], messages)["content"]}
    return done


def _message_at(given: Any, messages: Sequence[Message]) -> Any:
    if isinstance(given, dict):
        return {name: value for name, value in given.items() if name in Message.model_fields}
    if not isinstance(given, int):
        return given
    if not 0 <= given < len(messages):
        raise ValueError(f"there is no message {given}")
    return messages[given].model_dump(mode="json")


class _Places:
    """Where messages stand in a session."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = messages
        self._places: dict[tuple[str | None, str], list[int]] = {}
        for place, message in enumerate(messages):
            self._places.setdefault((message.template_path, message.content), []).append(place)

    def of(self, message: Message, written: Any) -> Any:
        places = self._places.get((message.template_path, message.content), ())
        return next((place for place in places if self._messages[place] == message), written)

    def said_by_user(self, done: Performed) -> int | None:
        places = self._places.get((done.path, str(done.answer)), ())
        return next((place for place in places if self._messages[place].content == done.answer), None)


def digest_of(value: Any) -> str:
    """A digest of a JSON value, or of one that is as good as one."""
    plain = json.dumps(value, sort_keys=True, ensure_ascii=False, default=repr)
    return sha256(plain.encode(errors="surrogatepass")).hexdigest()[:16]


def digest_of_metadata(metadata: Mapping[str, Any]) -> str:
    """A digest of metadata; of what has no JSON form, of the text that describes it."""
    return digest_of(as_text(dict(metadata)))


def excerpt(text: str) -> str:
    """The beginning of a text."""
    return _writable(text if len(text) <= _LONGEST_EXCERPT else f"{text[: _LONGEST_EXCERPT - 1]}…")
