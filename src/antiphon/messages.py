"""Messages, their tool calls, and the replies of providers with their usage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeAlias, TypedDict, Unpack

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from antiphon.attachments import Attachment
from antiphon.deferring import built_when_used
from antiphon.json_values import Kept, storable

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]

_VALUE = ConfigDict(frozen=True, extra="forbid", defer_build=True)
_LEFT_OUT: Any = Field(default=None, exclude_if=lambda value: value is None)  # of JSON, where there is nothing
_NONE_LEFT_OUT: Any = Field(default=(), exclude_if=lambda value: not value)


BROKEN_OFF: Mapping[str, str] = {
    "length": "it reached the longest answer allowed; see the model's max_tokens",
    "content_filter": "the provider filtered its content",
    "error": "the provider failed in the middle of it",
}
"""The finish reasons of answers that are not whole, with what they mean."""


@storable
@built_when_used
class ToolCall(BaseModel):
    """A model's request to run a tool.

    Attributes:
        id: The provider's name for this call; the tool's answer carries it as ``tool_call_id``.
        name: The tool's name.
        arguments: The arguments by name, as the model gave them.
    """

    model_config = _VALUE

    id: str
    name: str
    arguments: Annotated[dict[str, Any], Kept()] = Field(default_factory=dict)


@built_when_used
class ProviderData(BaseModel):
    """An answer as its provider gave it, where text and calls alone would lose some of it.

    That is what was thought, with its signature, ids, and citations. It goes back to that provider with the
    conversation; others do not get it.

    Attributes:
        provider: The provider: ``"anthropic"``.
        answer: The answer, as JSON data in the form that pydantic-ai gives it.
    """

    model_config = _VALUE

    provider: str
    answer: Annotated[dict[str, Any], Kept()]


@built_when_used
class Citation(BaseModel):
    """A source that an answer names.

    Attributes:
        title: What the source is called, where the provider says it.
        url: The address of a web page; ``None`` for a document.
        excerpts: Passages of the source.
        start: Where the part of ``content`` begins that the source backs, from 0; ``None`` where that is not said.
        end: Where it ends.
    """

    model_config = _VALUE

    title: str | None = None
    url: str | None = None
    excerpts: tuple[str, ...] = ()
    start: int | None = None
    end: int | None = None


@storable
@built_when_used
class Message(BaseModel):
    """A message of a conversation; immutable.

    Attributes:
        role: Who speaks.
        content: The text.
        tool_calls: The tools that an assistant's message asks for.
        tool_call_id: In a tool's message: the call that it answers.
        metadata: Whatever the program keeps with the message. It is not sent to models.
        template_path: Where in the template tree the message was said; ``None`` outside of templates.
        model: The name of the model that gave the message; ``None`` where none did.
        thinking: What the model thought before it answered, as far as its provider shows it.
        refusal: With which words the model refused to answer; they are the content, too, where there is no other.
        finish_reason: Why the model stopped: see ``Reply``.
        provider_data: The answer as its provider gave it, where that is more than the other attributes tell.
        attachments: Images, audio and documents beside the text.
    """

    model_config = _VALUE

    __slots__ = ("_parsed",)

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    metadata: Annotated[dict[str, Any], Kept()] = Field(default_factory=dict)
    template_path: str | None = None
    model: str | None = None
    thinking: str | None = _LEFT_OUT
    refusal: str | None = _LEFT_OUT
    finish_reason: str | None = _LEFT_OUT
    provider_data: ProviderData | None = _LEFT_OUT
    attachments: tuple[Attachment, ...] = _NONE_LEFT_OUT

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The sources that the model names, as far as its provider tells them."""
        return () if self.provider_data is None else tuple(_citations(self.provider_data.answer, self.content))

    @property
    def parsed(self) -> Any:
        """The object that the answer was asked to be; ``None`` where none was. It is in no JSON, and no comparison."""
        try:
            return object.__getattribute__(self, "_parsed")  # pydantic's own way is slow to say no
        except AttributeError:
            return None

    def with_parsed(self, parsed: object) -> Message:
        """A copy of the message that holds an object."""
        return _holding(self.model_copy(), parsed)

    def __copy__(self) -> Message:
        copy = super().__copy__()
        return copy if self.parsed is None else _holding(copy, self.parsed)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Message:
        copy = super().__deepcopy__(memo)
        return copy if self.parsed is None else _holding(copy, deepcopy(self.parsed, memo))

    def __isolate__(self, copier: Any) -> Message:
        """An isolated copy: see ``antiphon.copies``."""
        copy: Message = copier.copy_pydantic(self)
        return copy if self.parsed is None else _holding(copy, copier(self.parsed))

    def __getstate__(self) -> dict[Any, Any]:
        return {**super().__getstate__(), "parsed": self.parsed}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        if state.get("parsed") is not None:
            _holding(self, state["parsed"])


class _Draft(Message):
    """A message that is being written down: its fields are set, and then it is a ``Message``, which does not change.

    Python keeps fields that are set one by one in a third of the memory of those that pydantic sets, all at once.
    """

    model_config = ConfigDict(defer_build=True)  # nothing is ever validated by it

    __slots__ = ()

    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__  # overriding both keeps Python's own fast way


def text_message(role: Role, content: str, template_path: str | None, model: str | None = None) -> Message:
    """A message that is no more than a text, as most are: what ``Message(...)`` gives, in a quarter of the time.

    The names of the fields that were given are one set for all such messages.
    """
    if type(content) is not str or not (model is None or type(model) is str):  # pydantic makes texts of others
        return Message(role=role, content=content, template_path=template_path, model=model)
    message: Any = _Draft.__new__(_Draft)
    message.role, message.content = role, content
    message.tool_calls, message.tool_call_id = (), None
    message.metadata, message.template_path, message.model = {}, template_path, model
    message.thinking = message.refusal = message.finish_reason = message.provider_data = None
    message.attachments = ()
    message.__pydantic_fields_set__ = _OF_A_TEXT
    message.__pydantic_extra__ = message.__pydantic_private__ = None
    message.__class__ = Message
    whole: Message = message
    return whole


_OF_A_TEXT: Final = {"role", "content", "template_path", "model"}


def _holding(message: Message, parsed: object) -> Message:
    object.__setattr__(message, "_parsed", parsed)
    return message


def _citations(answer: dict[str, Any], content: str) -> Iterator[Citation]:
    texts = [part for part in answer.get("parts", ()) if part.get("part_kind") == "text"]
    is_unchanged = "".join(part["content"] for part in texts) == content  # else the places are somewhere else
    before = 0
    for part in texts:
        for citation in part.get("citations") or ():
            anchor = citation.get("anchor") if is_unchanged else None
            place = {} if anchor is None else {end: before + anchor[end] for end in ("start", "end")}
            for source in citation["sources"]:
                told = {name: source.get(name) for name in ("title", "url")}
                yield Citation(**told, excerpts=tuple(source.get("excerpts") or ()), **place)
        before += len(part["content"])


def recast(message: Message, role: Role) -> Message:
    """The message as one of another role."""
    return message if message.role == role else message.model_copy(update={"role": role})


_MOST_TOKENS = 10**15  # what is added up stays a number that can be counted with, and printed
_LEAST, _MOST = -30, 12  # exponents of a price


def _affordable(dollars: Decimal | None) -> Decimal | None:
    if dollars and not (_LEAST <= dollars.adjusted() <= _MOST):
        raise ValueError(f"a price in dollars is 0, or from 1e{_LEAST} to 1e{_MOST}")
    return dollars


_SOME_TOKENS: Any = Field(default=0, ge=0, le=_MOST_TOKENS, exclude_if=lambda value: not value)


@storable
@built_when_used
class Usage(BaseModel):
    """The tokens and the cost of one model call.

    Attributes:
        input_tokens: Tokens sent, 0 to 10**15.
        output_tokens: Tokens received, 0 to 10**15.
        cost: US dollars, 0 or from 1e-30 to 1e12; ``None`` when the price is not known.
        cached_input_tokens: Those of ``input_tokens`` that the provider had kept from an earlier call.
        cache_write_tokens: Those of ``input_tokens`` that it kept for later ones.
        input_audio_tokens: Those of ``input_tokens`` that are sound.
        reasoning_tokens: Those of ``output_tokens`` that were thought, not said.
        output_audio_tokens: Those of ``output_tokens`` that are sound.
    """

    model_config = _VALUE

    input_tokens: int = Field(default=0, ge=0, le=_MOST_TOKENS)
    output_tokens: int = Field(default=0, ge=0, le=_MOST_TOKENS)
    cost: Annotated[Decimal | None, AfterValidator(_affordable)] = None
    cached_input_tokens: int = _SOME_TOKENS
    cache_write_tokens: int = _SOME_TOKENS
    input_audio_tokens: int = _SOME_TOKENS
    reasoning_tokens: int = _SOME_TOKENS
    output_audio_tokens: int = _SOME_TOKENS


def total_usage(usages: Iterable[Usage]) -> Usage | None:
    """What several calls have used together: tokens up to 10**15, and the costs that are known.

    ``None`` where there is none.
    """
    added = [*usages]
    if not added:
        return None
    tokens = {
        name: min(sum(getattr(usage, name) for usage in added), _MOST_TOKENS)
        for name in Usage.model_fields
        if name != "cost"
    }
    costs = [usage.cost for usage in added if usage.cost is not None]
    return Usage(**tokens, cost=sum(costs, Decimal(0)) if costs else None)


class _ReplyFields(TypedDict, total=False):
    """The fields of a ``Reply`` that are given by name."""

    tool_calls: Sequence[ToolCall]
    usage: Usage | None
    served_by: str | None
    finish_reason: str | None
    thinking: str | None
    refusal: str | None
    provider_data: ProviderData | None
    attachments: Sequence[Attachment]


@storable
@built_when_used
class Reply(BaseModel):
    """What a provider answered to one call.

    Attributes:
        content: The text.
        tool_calls: The tools that the model asks for.
        usage: What the call used up, where the provider said it.
        served_by: The model name that the provider reported, which may differ from the one requested.
        finish_reason: Why the model stopped. Real models say ``"stop"``, ``"length"``, ``"tool_call"``,
            ``"content_filter"`` or ``"error"``, whatever their provider calls it; ``None`` where nothing was said.
        thinking: What the model thought before it answered.
        refusal: With which words the model refused to answer.
        provider_data: The answer as its provider gave it, where that is more than the other attributes tell.
        attachments: Images, audio and documents beside the text.
    """

    model_config = _VALUE

    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    served_by: str | None = None
    finish_reason: str | None = None
    thinking: str | None = _LEFT_OUT
    refusal: str | None = _LEFT_OUT
    provider_data: ProviderData | None = _LEFT_OUT
    attachments: tuple[Attachment, ...] = _NONE_LEFT_OUT

    def __init__(self, content: str = "", **fields: Unpack[_ReplyFields]) -> None:
        # The text may stand first without its name, as in Reply("Hello"): as scripts often write it.
        super().__init__(content=content, **fields)
