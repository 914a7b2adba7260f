"""What a conversation must be like: the rules of the providers, as values.

A rule says how each provider's API treats a conversation that breaks it: it is refused, it is translated so that
nothing is lost (here, in ``antiphon.providers``, or by pydantic-ai), or it is taken as it is. A rule that every
provider refuses to see broken is common: it holds for any model. ``docs/providers.md`` is the table of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, Self, TypeAlias, get_args

from antiphon.errors import InvalidConversation, naming_template
from antiphon.messages import Message
from antiphon.session import Session

Provider: TypeAlias = Literal["openai", "openai-responses", "anthropic", "google"]
"""The APIs: OpenAI's chat completions and Responses, Anthropic's messages, Google's generateContent."""

Treatment: TypeAlias = Literal["refused", "translated", "taken"]

PROVIDERS: Final[tuple[Provider, ...]] = get_args(Provider)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        name: What it is called.
        text: What must be so.
        remedy: What to do about a conversation in which it is not.
        source: Where the provider says so; or a public report of its error message, where its documentation is silent.
        treatments: What becomes of a conversation that breaks it, by provider.
    """

    name: str
    text: str
    remedy: str
    source: str
    treatments: Mapping[Provider, Treatment]

    @property
    def is_common(self) -> bool:
        """Whether every provider refuses what breaks it."""
        return all(treatment == "refused" for treatment in self.treatments.values())

    def holds_for(self, provider: Provider | None) -> bool:
        """Whether a provider refuses what breaks it; ``None`` stands for a provider of which nothing is known."""
        return self.is_common if provider is None else self.treatments[provider] == "refused"


@dataclass(frozen=True, slots=True)
class Violation:
    """A message that breaks a rule.

    Attributes:
        rule: The rule.
        index: Which message, counted from 0.
        template_path: The path of the template that said it; ``None`` where none did.
        text: What is wrong with it.
    """

    rule: Rule
    index: int
    template_path: str | None
    text: str


def by_provider(
    openai: Treatment, responses: Treatment, anthropic: Treatment, google: Treatment
) -> Mapping[Provider, Treatment]:
    """What becomes of a conversation at each provider, in the order of ``PROVIDERS``."""
    return MappingProxyType(dict(zip(PROVIDERS, (openai, responses, anthropic, google), strict=True)))


_ALL_REFUSE: Final = by_provider("refused", "refused", "refused", "refused")
_OPENAI_CALLS: Final = "https://developers.openai.com/api/docs/guides/function-calling"
_ANTHROPIC_RESULTS: Final = "https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls"
_ANTHROPIC_MESSAGES: Final = "https://platform.claude.com/docs/en/api/messages/create"

CALLS_ANSWERED: Final = Rule(
    "calls-answered",
    "Every call of a tool is answered by a message of the role tool, before any other message follows.",
    "answer every call of the message before anything else is said, or leave the calls out of it",
    f"{_OPENAI_CALLS}, {_ANTHROPIC_RESULTS}, and for Google the error message in "
    "https://github.com/google-gemini/gemini-cli/issues/17857",
    _ALL_REFUSE,
)
RESULTS_BELONG: Final = Rule(
    "results-belong",
    "A message of the role tool answers a call of the assistant's message before it.",
    "keep the assistant's message that calls the tool in front of the result, or leave the result out as well",
    "seen as error message: https://github.com/FoundationAgents/OpenManus/issues/744 (chat completions), "
    "https://github.com/microsoft/vscode/issues/320060 (Responses), "
    "https://github.com/anthropics/claude-code/issues/18947, https://github.com/langchain-ai/langchain/issues/27799",
    _ALL_REFUSE,
)
ANSWERED_ONCE: Final = Rule(
    "answered-once",
    "No call is answered twice.",
    "leave the second result out",
    f"seen as error message: https://github.com/agno-agi/agno/issues/5116; {_ANTHROPIC_RESULTS}",
    _ALL_REFUSE,
)
IDS_DIFFER: Final = Rule(
    "ids-differ",
    "The calls of one message have ids that differ.",
    "give every call an id of its own: that is how its result is told from the others'",
    "seen as error message: https://github.com/BerriAI/litellm/issues/23510, "
    "https://github.com/openclaw/openclaw/pull/40996",
    _ALL_REFUSE,
)
USER_SAYS_SOMETHING: Final = Rule(
    "user-says-something",
    "A message of the user is not empty.",
    "ask the user again, or leave the message out",
    "seen as error message: https://github.com/anthropics/claude-code/issues/59812, "
    "https://github.com/google-gemini/deprecated-generative-ai-python/issues/697",
    by_provider("taken", "taken", "refused", "refused"),
)
USER_IS_NOT_BLANK: Final = Rule(
    "user-is-not-blank",
    "A message of the user is more than white space.",
    "ask the user again, or leave the message out",
    "seen as error message: https://github.com/home-assistant/core/issues/175637",
    by_provider("taken", "taken", "refused", "taken"),
)
MORE_THAN_SYSTEM: Final = Rule(
    "more-than-system",
    "There is a message that is not the system's.",
    "say something as the user, after the messages of the system",
    _ANTHROPIC_MESSAGES,
    by_provider("taken", "taken", "refused", "translated"),
)
LAST_IS_NOT_ASSISTANT: Final = Rule(
    "last-is-not-assistant",
    "The last message beside the system's is not the assistant's: newer models do not go on with what they are given "
    "as the beginning of their answer.",
    "let the user say something before the model is asked, or put the beginning of the answer into an instruction",
    "https://platform.claude.com/docs/en/api/errors#prefill-not-supported, and for Google the error message in "
    "https://github.com/LibreChat-AI/agents/pull/323",
    by_provider("taken", "taken", "refused", "refused"),
)
THINKING_FIRST: Final = Rule(
    "thinking-first",
    "Where thinking is switched on, the message whose calls were just answered begins with what led to them.",
    "ask the model that thought, keep its thinking with the message, or switch anthropic_thinking off",
    "https://platform.claude.com/docs/en/build-with-claude/extended-thinking",
    by_provider("taken", "taken", "refused", "taken"),
)
SYSTEM_FIRST: Final = Rule(
    "system-first",
    "Messages of the system stand before all others.",
    "",
    f"{_ANTHROPIC_MESSAGES}, https://ai.google.dev/api/generate-content",
    by_provider("taken", "taken", "translated", "translated"),
)
SYSTEM_IS_NOT_BLANK: Final = Rule(
    "system-is-not-blank",
    "A message of the system is more than white space.",
    "",
    "seen as error message: https://github.com/home-assistant/core/issues/175637",
    by_provider("taken", "taken", "translated", "translated"),
)
USER_FIRST: Final = Rule(
    "user-first",
    "The first message beside the system's is not the assistant's.",
    "",
    "seen as error message: https://github.com/google-gemini/gemini-cli/issues/11814",
    by_provider("taken", "taken", "taken", "translated"),
)
ASSISTANT_SAYS_SOMETHING: Final = Rule(
    "assistant-says-something",
    "A message of the assistant has a text, or calls tools.",
    "",
    "seen as error message: https://github.com/router-for-me/CLIProxyAPI/issues/1292",
    by_provider("translated", "translated", "translated", "translated"),
)
ASSISTANT_IS_NOT_BLANK: Final = Rule(
    "assistant-is-not-blank",
    "The text of the assistant is more than white space, and that of the last message does not end with it.",
    "",
    "seen as error message: https://github.com/aaif-goose/goose/pull/7343, "
    "https://github.com/tailcallhq/forgecode/issues/1872",
    by_provider("taken", "taken", "translated", "taken"),
)
CALLS_FOLLOW_OTHERS: Final = Rule(
    "calls-follow-others",
    "A message that calls tools does not follow another one of the assistant.",
    "",
    "seen as error message: https://github.com/google-gemini/gemini-cli/issues/26486",
    by_provider("taken", "taken", "taken", "translated"),
)
RESULT_IS_NOT_BLANK: Final = Rule(
    "result-is-not-blank",
    "The result of a tool is more than white space.",
    "",
    "seen as error message: https://github.com/anthropics/claude-code/issues/59812",
    by_provider("taken", "taken", "translated", "taken"),
)

RULES: Final = (
    *(CALLS_ANSWERED, RESULTS_BELONG, ANSWERED_ONCE, IDS_DIFFER),
    *(USER_SAYS_SOMETHING, USER_IS_NOT_BLANK, MORE_THAN_SYSTEM, LAST_IS_NOT_ASSISTANT, THINKING_FIRST),
    *(SYSTEM_FIRST, SYSTEM_IS_NOT_BLANK, USER_FIRST, ASSISTANT_SAYS_SOMETHING, ASSISTANT_IS_NOT_BLANK),
    *(CALLS_FOLLOW_OTHERS, RESULT_IS_NOT_BLANK),
)
"""All rules: the common ones, those that some provider refuses to see broken, and those that are only translated."""


def violations(
    messages: Iterable[Message], provider: Provider | None = None, *, prefill: bool = False, thinking: bool = False
) -> Iterator[Violation]:
    """What a provider would refuse in a conversation that a model is to answer.

    Args:
        messages: The conversation.
        provider: The provider; ``None`` for the common rules only.
        prefill: Whether the model goes on with a last message of the assistant: see ``takes_prefill``.
        thinking: Whether the model is asked to think, by a setting such as ``anthropic_thinking``.
    """
    return _NOTHING.after(messages).violations(provider, prefill=prefill, thinking=thinking)


def check_conversation(
    session: Session, model: str, provider: Provider | None = None, *, prefill: bool = False, thinking: bool = False
) -> None:
    """Make sure that a model may be asked to answer a session; the other arguments are those of ``violations``.

    What was read of a conversation is kept with it, so that this costs the same however long it is.

    Raises:
        InvalidConversation: It breaks a rule; the text names the message and the template that said it.
    """
    messages = session.history
    read = messages.reading
    before = read if isinstance(read, Reading) and read.length <= len(messages) else _NOTHING
    messages.reading = reading = before.after(messages[before.length :])
    violation = next(reading.violations(provider, prefill=prefill, thinking=thinking), None)
    if violation is not None:
        raise _error(violation, model, session.template_path, provider)


def _error(violation: Violation, model: str, asking: str | None, provider: Provider | None) -> InvalidConversation:
    by = f" by {asking!r}" if asking else ""
    whose = "every provider" if violation.rule.is_common or provider is None else provider
    error = InvalidConversation(
        f"model {model!r} was not asked{by}: {whose} refuses the conversation, for {violation.text}\n"
        f"  rule {violation.rule.name}: {violation.rule.text}\n"
        f"  {violation.rule.remedy}",
        rule=violation.rule.name,
        index=violation.index,
        template_path=violation.template_path,
        provider=provider,
    )
    return naming_template(error) if violation.template_path or by else error


# Models that go on with a last message of the assistant, of those that still answer, and models that are not the
# provider's own, of which nothing is known. Anthropic's newest does it no more since 4.6:
# https://platform.claude.com/docs/en/about-claude/models/whats-new-claude-4-6#prefill-removal
# Of Google's it was seen model by model: https://github.com/LibreChat-AI/agents/pull/323,
# https://github.com/pipecat-ai/pipecat/pull/5821
_TAKES_PREFILL: Final[Mapping[Provider, re.Pattern[str]]] = MappingProxyType(
    {
        "anthropic": re.compile(r"(?!.*claude)|.*claude-(haiku|opus)-4-5\b"),
        "google": re.compile(r"(?!.*gemini)|.*gemini-(2\.|3-|3\.1-|3\.5-flash(?!-lite))"),
    }
)


def takes_prefill(provider: Provider | None, model: str) -> bool:
    """Whether a model goes on with a last message of the assistant, as older ones do, instead of refusing it.

    Args:
        provider: Whose model.
        model: Its name, without the provider.
    """
    pattern = None if provider is None else _TAKES_PREFILL.get(provider)
    return pattern is None or pattern.match(model) is not None


class Reading:
    """What was read of a conversation up to a message; it does not change.

    Attributes:
        length: How many messages were read.
    """

    __slots__ = ("_answered", "_calling", "_found", "_last", "_waiting", "length")

    def __init__(self) -> None:
        self.length = 0
        self._found: list[Violation] = []
        self._last: tuple[int, Message] | None = None  # of those that are sent, beside the system's
        self._calling: tuple[int, Message] | None = None  # whose calls are being answered
        self._waiting: dict[str, str] = {}  # the names of the tools, by the ids of the calls
        self._answered: set[str] = set()

    def after(self, messages: Iterable[Message]) -> Reading:
        """What is known when some more messages were read."""
        reading = self._copy()
        for message in messages:
            reading._read(message)
        return reading

    def _copy(self) -> Self:
        copy = type(self)()
        copy.length, copy._last, copy._calling = self.length, self._last, self._calling
        copy._found, copy._waiting, copy._answered = [*self._found], {**self._waiting}, {*self._answered}
        return copy

    def violations(self, provider: Provider | None, *, prefill: bool, thinking: bool) -> Iterator[Violation]:
        """What a provider would refuse, if a model were asked now; the arguments are those of ``violations``."""
        yield from (one for one in self._found if one.rule.holds_for(provider))
        yield from (one for one in self._at_the_end(prefill=prefill, thinking=thinking) if one.rule.holds_for(provider))

    def _at_the_end(self, *, prefill: bool, thinking: bool) -> Iterator[Violation]:
        if self._waiting:
            yield from self._unanswered()
        elif thinking and self._calling is not None and not _has_thinking(self._calling[1]):
            yield _violation(THINKING_FIRST, *self._calling, "calls tools, and has no thinking")
        if self._last is None:
            text = "there are messages of the system, and no others" if self.length else "there is no message"
            yield Violation(MORE_THAN_SYSTEM, max(self.length - 1, 0), None, text)
        elif self._last[1].role == "assistant" and not self._last[1].tool_calls and not prefill:
            yield _violation(LAST_IS_NOT_ASSISTANT, *self._last, "is the last one, and not the user's")

    def _read(self, message: Message) -> None:
        index = self.length
        self.length += 1
        if message.role == "tool":
            self._read_result(index, message)
            return
        if self._waiting:
            self._found.extend(self._unanswered())
        self._waiting, self._answered, self._calling = {}, set(), None
        if message.role == "user":
            self._read_text(index, message)
        elif message.role == "assistant" and message.tool_calls:
            self._read_calls(index, message)
        elif message.role == "assistant" and _has_content(message):
            self._last = index, message

    def _read_result(self, index: int, message: Message) -> None:
        self._last = index, message
        call = message.tool_call_id or ""
        if self._waiting.pop(call, None) is not None:
            self._answered.add(call)
        elif call in self._answered:
            self._found.append(_violation(ANSWERED_ONCE, index, message, f"answers the call {call!r} once more"))
        else:
            answers = f"answers the call {call!r}, which" if call else "answers a call that"
            text = f"{answers} is not among those of the message before it"
            self._found.append(_violation(RESULTS_BELONG, index, message, text))

    def _read_text(self, index: int, message: Message) -> None:
        self._last = index, message
        if not _has_content(message):
            rule, text = (USER_IS_NOT_BLANK, "is blank") if message.content else (USER_SAYS_SOMETHING, "is empty")
            self._found.append(_violation(rule, index, message, text))

    def _read_calls(self, index: int, message: Message) -> None:
        self._last = self._calling = index, message
        self._waiting = {call.id: call.name for call in message.tool_calls}
        if len(self._waiting) < len(message.tool_calls):
            ids = ", ".join(repr(call.id) for call in message.tool_calls)
            self._found.append(_violation(IDS_DIFFER, index, message, f"has calls with one id: {ids}"))

    def _unanswered(self) -> Iterator[Violation]:
        calls = ", ".join(f"{name} ({call!r})" for call, name in self._waiting.items())
        if self._calling is not None:
            yield _violation(CALLS_ANSWERED, *self._calling, f"calls {calls}, and no result comes next")


_NOTHING: Final = Reading()


def _violation(rule: Rule, index: int, message: Message, text: str) -> Violation:
    by = f", said by {message.template_path!r}," if message.template_path else ""
    return Violation(rule, index, message.template_path, f"messages[{index}] of the {message.role}{by} {text}")


def _has_thinking(message: Message) -> bool:
    """Whether there is thinking that Anthropic takes back: its own, as the signature shows."""
    data = message.provider_data
    parts = () if data is None or data.provider != "anthropic" else data.answer.get("parts", ())
    return any(part.get("part_kind") == "thinking" and part.get("signature") for part in parts)


def _has_content(message: Message) -> bool:
    return bool(message.content.strip() or message.attachments)
