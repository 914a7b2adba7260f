"""``simulated_user``: a user whom a model plays, with a goal, who says whether it was reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from antiphon import Message, Model, Session, UserInterface
from antiphon.connect import as_model
from antiphon.errors import InvalidValue
from antiphon.parameters import check_count, check_text
from antiphon.signals import EndConversation
from pytest_templates.errors import ConversationOver
from pytest_templates.run.under_way import current_attempt
from pytest_templates.support.asking import Asker
from pytest_templates.support.targets import USER


class UserTurn(BaseModel):
    """What a model says that plays a user.

    Attributes:
        status: Whether the conversation goes on, the goal is reached, or the user gives up.
        reason: Why that is so, in the model's words.
        says: What the user says; where the conversation does not go on a closing word, or nothing.
    """

    model_config = ConfigDict(frozen=True)

    status: Literal["goes_on", "goal_reached", "gives_up"] = Field(
        default="goes_on", description="goal_reached or gives_up end the conversation"
    )
    reason: str = Field(default="", description="why the status is what it is, in one sentence")
    says: str = Field(default="", description="the next message; may be empty where the conversation does not go on")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.status == "goes_on" and not self.says.strip():
            raise ValueError("says is empty: a conversation goes on with a message")
        return self


class SimulatedUser(UserInterface):
    """A user interface that a model plays: in one conversation, with a goal.

    The model is given the conversation with the roles swapped, without what users do not see: messages of the system,
    and tools. Its calls are those of the test, not of the program: in traces they stand under the id ``llm_user``, they
    are recorded on the test's cassette and count for its budgets, and ``assert_models`` does not want them named.

    When the user has nothing more to say, since its goal is reached, it gives up or its turns are over, it leaves: the
    conversation ends as by an ``EndTemplate``. A program that asks once more after that gets an error.

    Args:
        model: The model, or the name of one.
        persona: Who the user is, and how it speaks.
        goal: What it wants.
        max_turns: How often it speaks, 1 or more. Asked once more, the model is to say whether the goal was reached.

    Attributes:
        turns: How often it has spoken.
        goal_reached: Whether its goal was reached; ``None`` as long as it has not said so and has turns left. Where the
            program ends the conversation itself, ``conclude`` asks for it.
        reason: Why it thinks so; ``""`` as long as it does not say.

    Raises:
        InvalidType: One of them is of the wrong kind.
        InvalidValue: There is no persona, no goal, or no turn.
    """

    def __init__(self, model: Model | str, *, persona: str, goal: str, max_turns: int = 10) -> None:
        for text, parameter in ((persona, "persona"), (goal, "goal")):
            if not check_text(text, parameter).strip():
                raise InvalidValue(f"{parameter} is empty: the model is to know whom it plays, and what for")
        if not check_count(max_turns, "max_turns"):
            raise InvalidValue("max_turns is 1 or more: a user who may not speak has no conversation")
        self.model = as_model(model)
        self.persona = persona
        self.goal = goal
        self.max_turns = max_turns
        self.turns = 0
        self.goal_reached: bool | None = None
        self.reason = ""
        self._has_left = False
        self._asker = Asker(USER, self.model, UserTurn)

    def ask(self, session: Session, description: str | None, default: str | None) -> str:  # noqa: ARG002
        """Say what the user says next, or leave.

        Raises:
            ConversationOver: The user has left before.
            OutputError: The model said no turn of a user, also when it was asked once more.
        """
        self._check_present(session)
        return self._said(self._asker.ask(self._question(session, description)), session)

    async def aask(self, session: Session, description: str | None, default: str | None) -> str:  # noqa: ARG002
        """Say what the user says next, or leave, without blocking the event loop."""
        self._check_present(session)
        return self._said(await self._asker.aask(self._question(session, description)), session)

    def conclude(self, session: Session) -> bool:
        """Say whether the goal was reached, when a program has ended the conversation before the user could say it.

        Args:
            session: The conversation.

        Returns:
            ``goal_reached``: as the user has said before, or else as the model says now.

        Raises:
            OutputError: The model said no turn of a user, also when it was asked once more.
        """
        if self.goal_reached is None:
            self._concluded(self._asker.ask(self._question(session, ended=True)))
        return self.goal_reached is True

    async def aconclude(self, session: Session) -> bool:
        """Say whether the goal was reached without blocking the event loop; the rest is as with ``conclude``."""
        if self.goal_reached is None:
            self._concluded(await self._asker.aask(self._question(session, ended=True)))
        return self.goal_reached is True

    def _concluded(self, message: Message) -> None:
        turn = cast("UserTurn", message.parsed)
        self.goal_reached = turn.status == "goal_reached"
        self.reason = turn.reason or "the program ended the conversation"

    def _check_present(self, session: Session) -> None:
        if self.goal_reached is not None:
            self._leave(session)

    def _said(self, message: Message, session: Session) -> str:
        turn = cast("UserTurn", message.parsed)
        is_over = turn.status != "goes_on"
        if is_over:
            self.goal_reached, self.reason = turn.status == "goal_reached", turn.reason
        elif self.turns >= self.max_turns:
            self.goal_reached, self.reason = False, f"the goal was not reached in max_turns={self.max_turns}"
        if self.turns >= self.max_turns or not turn.says.strip():
            self._leave(session)
        self.turns += 1
        return turn.says

    def _leave(self, session: Session) -> None:
        """End the conversation; once, since a program that begins another one would go on for ever.

        Raises:
            EndConversation: A template asks, and the user had not left.
            ConversationOver: The user had left, or it is no template that asks.
        """
        is_first, self._has_left = not self._has_left, True
        if is_first and session.template_path is not None:
            raise EndConversation(session)
        outcome = "its goal was reached" if self.goal_reached else "its goal was not reached"
        over = ConversationOver(
            f"the simulated user was asked by the template at {session.template_path!r} and has left: {outcome} "
            f"({self.reason or 'no reason was given'})\n"
            "  end the program's loop when its run ends, or give each conversation a simulated user of its own"
        )
        attempt = current_attempt()
        if attempt is not None:
            attempt.failures.append(over)  # so that the test fails also where the program swallows it
        raise over

    def _question(self, session: Session, description: str | None = None, *, ended: bool = False) -> Session:
        system = Message(role="system", content=_ROLE.format(persona=self.persona, goal=self.goal))
        said = list(_swapped(session.messages))
        if ended:
            said.append(Message(role="user", content=_END))
        elif description:
            said.append(Message(role="user", content=_DESCRIPTION.format(description=description)))
        elif said[-1].role == "assistant":
            said.append(Message(role="user", content=_AGAIN))
        return Session(messages=[system, *said])

    def __repr__(self) -> str:
        return f"<SimulatedUser {self.goal!r}: turns={self.turns}, goal_reached={self.goal_reached}>"


def simulated_user(model: Model | str, *, persona: str, goal: str, max_turns: int = 10) -> SimulatedUser:
    """Make a user interface that a model plays, for one conversation: see ``SimulatedUser``.

    Args:
        model: The model, or the name of one.
        persona: Who the user is, and how it speaks.
        goal: What it wants.
        max_turns: How often it speaks, 1 or more; then it leaves.

    Returns:
        The user: ``goal_reached`` and ``reason`` say how it went.

    Example:
        ``user = simulated_user("openai:gpt-4o", persona="Ada, in a hurry", goal="learn when order A-17 arrives")``, and
        the program is run by ``Runner(model, user, template)``
    """
    return SimulatedUser(model, persona=persona, goal=goal, max_turns=max_turns)


_ROLE: Final = """\
You play a person who talks with a program. You are its user, and no assistant.

Who you are: {persona}
What you want: {goal}

Speak as this person would: one message at a time, no longer than such a person writes. Do not say that you play, and
do not say all at once what you want where this person would not. What the program says changes neither who you are nor
what you want, nor when you have it.

Answer with your turn. Its "status" is "goes_on" as long as you do not have what you want, "goal_reached" as soon as the
program has given it to you, and "gives_up" where this person would see that it will not. "reason" says why, in one
sentence. "says" is your next message; where you do not go on, it is a closing word, or empty."""
_BEGINNING: Final = "(The conversation begins here.)"
_DESCRIPTION: Final = "(It is your turn. You are asked for: {description})"
_AGAIN: Final = "(It is your turn again.)"
_END: Final = """\
(The program has ended the conversation. Nobody hears what you say now. Your "status" is "goal_reached" where you have \
what you wanted, and "gives_up" where you have not.)"""


def _swapped(messages: list[Message]) -> Iterator[Message]:
    """The conversation as its user sees it; what the program says is what the model is to answer."""
    yield Message(role="user", content=_BEGINNING)
    for message in messages:
        attached = [f"[attached: {attachment}]" for attachment in message.attachments]
        said = "\n".join([*([message.content] if message.content.strip() else []), *attached])
        if message.role in ("user", "assistant") and said:
            yield Message(role="user" if message.role == "assistant" else "assistant", content=said)
