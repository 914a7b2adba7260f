"""Squash strategies: what returns from a subroutine to its parent."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Iterable, Sequence
from typing import Any, TypeAlias, get_args

from antiphon.connect import ModelSlot
from antiphon.effects import AskModel, ask
from antiphon.errors import BadAnswer, InvalidType, InvalidValue, shown
from antiphon.messages import Message, Role
from antiphon.model import Model
from antiphon.pairing import paired
from antiphon.parameters import check_text
from antiphon.session import Session

Squashing: TypeAlias = Generator[AskModel, Any, list[Message]]


class SquashStrategy(ABC):
    """Chooses what returns from a subroutine to its parent.

    A strategy that is given to a template is not changed: every run works on a copy.

    Attributes:
        parent_session: The parent's session, set by ``initialize``.
        child_session: The subroutine's session, set by ``initialize``.
    """

    parent_session: Session
    child_session: Session

    def initialize(self, parent_session: Session, child_session: Session) -> None:
        """Take note of the two sessions, just before the subroutine runs."""
        self.parent_session = parent_session
        self.child_session = child_session

    @abstractmethod
    def squash(self, messages: list[Message]) -> list[Message] | Squashing:
        """Choose.

        Args:
            messages: What was said in the subroutine, in order; what it inherited is not among it.

        Returns:
            The messages to append to the parent's session. The method may be a generator that returns them, and ask
            a model by ``yield from antiphon.effects.ask(session, model)``.
        """


class LastMessageStrategy(SquashStrategy):
    """The last message; nothing where nothing was said. A tool's result brings the call that it answers."""

    def squash(self, messages: list[Message]) -> list[Message]:
        """Choose."""
        return paired(messages, {len(messages) - 1})


class FilterByRoleStrategy(SquashStrategy):
    """The messages of some roles.

    Calls of tools and their results stay together: a result brings its call, and a message of the assistant loses the
    calls whose results are left out.

    Args:
        roles: The roles; with an empty list nothing returns.
    """

    def __init__(self, roles: Collection[Role]) -> None:
        if isinstance(roles, str):
            raise InvalidType(f"roles is a list of roles, not a text: write [{roles!r}]")
        if not isinstance(roles, Iterable):
            raise InvalidType(f"roles is a list of roles, not {shown(roles)}")
        roles = list(roles)
        for role in roles:
            if not isinstance(role, str):
                raise InvalidType(f"roles is a list of roles, and has {shown(role)} in it")
        unknown = sorted(set(roles) - set(get_args(Role)))
        if unknown:
            raise InvalidValue(f"no such roles: {', '.join(unknown)}; there are {', '.join(get_args(Role))}")
        self.roles = frozenset(roles)

    def squash(self, messages: list[Message]) -> list[Message]:
        """Choose."""
        return paired(messages, {index for index, message in enumerate(messages) if message.role in self.roles})


class _AskingStrategy(SquashStrategy):
    """A strategy that asks a model about the conversation.

    Args:
        model: The model, or the name of one; without one the subroutine's runner is asked. It is shared, not copied.
        prompt: What it is told; ``{conversation}`` stands for the messages.
    """

    model: ModelSlot = ModelSlot()

    def __init__(self, model: Model | str | None = None, prompt: str | None = None) -> None:
        self.model = model
        self.prompt = self._default_prompt if prompt is None else check_text(prompt, "prompt")
        if "{conversation}" not in self.prompt:
            raise InvalidValue(f"the prompt of {type(self).__name__} lacks {{conversation}}: {self.prompt!r}")

    _default_prompt: str

    def _asked(self, lines: Sequence[str]) -> Generator[AskModel, Any, Message]:
        prompt = self.prompt.replace("{conversation}", "\n".join(lines))
        session = Session(messages=[Message(role="user", content=prompt)], runner=self.child_session.runner)
        session.join(self.child_session.run)
        model = self.model
        if session.runner is None and model is not None:
            answer: Message = yield AskModel(model, session, "template")
            return answer
        return (yield from ask(session, model))


class LLMFilteringStrategy(_AskingStrategy):
    """The messages that a model chooses; it is to answer with zero-based indices such as ``0,2``, or ``none``.

    Every line of ``{conversation}`` begins with the message's index in brackets. A result of a tool that is chosen
    brings its call. An answer that is no such list, or
    names a message that is not there, is a ``BadAnswer``.
    """

    _default_prompt = (
        "Here is a conversation, each message with its index in brackets:\n\n{conversation}\n\n"
        "Which messages hold the result? Answer with their indices only, separated by commas, for example 0,2."
    )

    def squash(self, messages: list[Message]) -> Squashing:
        """Choose."""
        if not messages:
            return []
        lines = [f"[{index}] {_line(message)}" for index, message in enumerate(messages)]
        answer = yield from self._asked(lines)
        return paired(messages, _indices(answer, len(messages)))


class LLMSummarizingStrategy(_AskingStrategy):
    """One message of the assistant: a model's summary."""

    _default_prompt = "Summarise this conversation in a few sentences:\n\n{conversation}"

    def squash(self, messages: list[Message]) -> Squashing:
        """Choose."""
        if not messages:
            return []
        summary = yield from self._asked([_line(message) for message in messages])
        return [summary]


def _line(message: Message) -> str:
    """What a model is shown of a message; the calls of tools as they would be written in Python."""
    calls = [
        f"{call.name}({', '.join(f'{name}={value!r}' for name, value in call.arguments.items())})"
        for call in message.tool_calls
    ]
    return f"{message.role}: {' '.join([message.content, *calls]).strip()}"


_INDEX_LIST = r"[\s\[(]*(?:none|(?P<indices>\d+(?:[\s,]+\d+)*))[\s\]).]*"


def _indices(answer: Message, count: int) -> list[int]:
    listed = re.fullmatch(_INDEX_LIST, answer.content, re.IGNORECASE)
    indices = [] if listed is None else sorted({int(text) for text in re.findall(r"\d+", listed["indices"] or "")})
    if listed is None or any(index >= count for index in indices):
        raise BadAnswer(
            f"model {answer.model!r} was to choose among messages 0 to {count - 1} with an answer such as 0,2, "
            f"and said: {answer.content!r}",
            model=answer.model,
            template_path=answer.template_path,
        )
    return indices
