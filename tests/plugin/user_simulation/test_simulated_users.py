"""Simulated users: what they are told, what they say, and when they leave."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from pydantic import ValidationError

from antiphon import (
    AssistantTemplate,
    Image,
    LinearTemplate,
    LoopTemplate,
    Message,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    Template,
    UpdateMetadata,
    UserTemplate,
)
from antiphon.errors import InvalidType, InvalidValue, OutputError
from pytest_templates import (
    ConversationOver,
    ScriptedModel,
    SimulatedUser,
    UserTurn,
    assert_models,
    assert_path,
    expecting,
    simulated_user,
)

REACHED = UserTurn(status="goal_reached", reason="I know the day.", says="Thanks!")


def user_of(*turns: Any, max_turns: int = 5) -> SimulatedUser:
    return simulated_user(ScriptedModel(*turns, name="player"), persona="Ada", goal="a date", max_turns=max_turns)


def asked(user: SimulatedUser, number: int = -1) -> list[tuple[str, str]]:
    """What the model was sent that plays a user, in one of its calls, without the message of the system."""
    model = user.model
    assert isinstance(model, ScriptedModel)
    return [(message.role, message.content) for message in model.calls[number].messages[1:]]


def chat(**options: Any) -> Template:
    """A program that talks until its user leaves, or as often as is said."""
    turn = [UserTemplate(template_id="question"), AssistantTemplate(template_id="answer")]
    loop = LoopTemplate(turn, template_id="turns", **options)
    return LinearTemplate([SystemTemplate("Be helpful.", template_id="rules"), loop], template_id="chat")


def talk(user: SimulatedUser, template: Template | None = None) -> Session:
    program = ScriptedModel(*[f"Answer {number}." for number in range(1, 9)], name="program")
    return Runner(program, user, template or chat()).run()


def test_a_user_talks_until_its_goal_is_reached_and_leaves():
    user = user_of(UserTurn(says="When?"), REACHED)

    session = talk(user)

    assert [message.content for message in session.messages] == [
        *("Be helpful.", "When?", "Answer 1.", "Thanks!", "Answer 2."),
    ]
    assert (user.goal_reached, user.reason, user.turns) == (True, "I know the day.", 2)


def test_a_user_who_has_nothing_more_to_say_leaves_at_once():
    user = user_of(UserTurn(says="When?"), UserTurn(status="goal_reached", reason="I know."))

    session = talk(user)

    assert session.last.content == "Answer 1."
    assert (user.goal_reached, user.turns) == (True, 1)


def test_a_user_who_gives_up_has_not_reached_its_goal():
    user = user_of(UserTurn(says="When?"), UserTurn(status="gives_up", reason="No answer.", says="Forget it."))

    talk(user)

    assert (user.goal_reached, user.reason, user.turns) == (False, "No answer.", 2)


def test_a_user_whose_turns_are_over_leaves():
    user = user_of(*[UserTurn(says="And?")] * 3, max_turns=2)

    session = talk(user)

    assert (user.goal_reached, user.reason, user.turns) == (False, "the goal was not reached in max_turns=2", 2)
    assert session.last.content == "Answer 2."


def test_a_user_whose_turns_are_over_may_say_that_its_goal_was_reached():
    user = user_of(UserTurn(says="When?"), REACHED, max_turns=1)

    session = talk(user)

    assert (user.goal_reached, user.turns) == (True, 1)
    assert session.last.content == "Answer 1."


def test_a_user_concludes_whether_its_goal_was_reached_where_the_program_ends_the_conversation():
    user = user_of(UserTurn(says="When?"), REACHED)
    session = talk(user, chat(exit_loop_count=1))

    assert user.conclude(session) is True

    assert (user.goal_reached, user.reason, user.turns) == (True, "I know the day.", 1)
    assert asked(user)[-2:-1] == [("user", "Answer 1.")]
    assert "has ended the conversation" in asked(user)[-1][1]
    assert session.last.content == "Answer 1."


@pytest.mark.parametrize("turn", [UserTurn(says="And?"), UserTurn(status="gives_up")])
def test_a_goal_that_is_not_said_to_be_reached_was_not(turn):
    user = user_of(UserTurn(says="When?"), turn)

    assert user.conclude(talk(user, chat(exit_loop_count=1))) is False

    assert (user.goal_reached, user.reason) == (False, "the program ended the conversation")


def test_a_user_who_has_said_it_is_not_asked_again():
    user = user_of(UserTurn(says="When?"), REACHED)
    session = talk(user)

    assert user.conclude(session) is True
    assert asyncio.run(user.aconclude(session)) is True
    assert asyncio.run(user_of(REACHED).aconclude(session)) is True


def test_nothing_is_known_where_the_program_ends_the_conversation():
    user = user_of(UserTurn(says="When?"))

    talk(user, chat(exit_loop_count=1))

    assert (user.goal_reached, user.reason, user.turns) == (None, "", 1)
    assert repr(user) == "<SimulatedUser 'a date': turns=1, goal_reached=None>"


def test_talking_async_is_the_same():
    user = user_of(UserTurn(says="When?"), REACHED)

    session = asyncio.run(Runner(ScriptedModel("A.", "B."), user, chat()).arun())

    assert (session.last.content, user.goal_reached, user.turns) == ("B.", True, 2)


def test_leaving_ends_the_conversation_as_an_end_does_and_iterators_too():
    user = user_of(UserTurn(says="When?"), UserTurn(status="goal_reached", reason="So."))
    tree = LinearTemplate(
        [chat(after_transform=UpdateMetadata(tidy=True)), AssistantTemplate("Never said.")], template_id="desk"
    )

    session = Session()
    said = [message.content for message in Runner(ScriptedModel("A."), user, tree).iter(session)]

    assert said == ["Be helpful.", "When?", "A."]
    assert session.metadata == {"tidy": True}


def test_a_user_may_be_asked_within_a_subroutine():
    user = user_of(UserTurn(says="When?"), UserTurn(status="goal_reached", reason="So."))

    session = talk(user, SubroutineTemplate(chat(), "sub"))

    assert user.goal_reached is True
    assert session.last.content == "Answer 1."


def test_a_program_that_asks_again_after_its_user_has_left_gets_an_error():
    user = user_of(UserTurn(status="goal_reached", reason="I know."))
    talk(user)

    with pytest.raises(ConversationOver, match=r"'chat/turns@1/question' and has left: its goal was reached \(I know"):
        talk(user)


def test_a_program_that_swallows_that_fails_the_test():
    user = user_of(UserTurn(status="goal_reached", reason="I know."))
    talk(user)

    with expecting(ConversationOver) as caught, suppress(ConversationOver):
        talk(user)

    assert len(caught.errors) == 1


def test_code_beside_templates_gets_an_error_in_place_of_an_end():
    with pytest.raises(ConversationOver, match="its goal was not reached"):
        user_of(UserTurn(status="gives_up")).ask(Session(), None, None)


def test_the_model_sees_the_conversation_with_the_roles_swapped():
    user = user_of(UserTurn(says="When?"), REACHED)

    talk(user)

    assert asked(user, 0) == [("user", "(The conversation begins here.)")]
    assert asked(user, 1) == [
        ("user", "(The conversation begins here.)"),
        ("assistant", "When?"),
        ("user", "Answer 1."),
    ]


def test_the_model_is_told_what_is_attached_to_what_the_program_says():
    user = user_of(REACHED)
    photo = Message(role="assistant", content="", attachments=(Image.from_bytes(b"123", "image/png"),))

    user.ask(Session(messages=[photo]), None, None)

    [said] = [content for role, content in asked(user) if role == "user" and "image/png" in content]
    assert said.startswith("[attached: image, image/png, 3 bytes, sha256 ")


def test_the_model_is_told_whom_it_plays_and_what_it_is_asked_for():
    user = user_of(REACHED)

    user.ask(Session(), "Your order number", None)

    assert isinstance(user.model, ScriptedModel)
    system = user.model.calls[0].messages[0].content
    assert "Who you are: Ada\nWhat you want: a date\n" in system
    assert asked(user)[-1] == ("user", "(It is your turn. You are asked for: Your order number)")


def test_what_users_do_not_see_is_not_told():
    user = user_of(REACHED)
    hidden = [Message(role="system", content="Secret."), Message(role="user", content="Hi.")]

    user.ask(Session(messages=hidden), None, None)

    assert asked(user) == [
        ("user", "(The conversation begins here.)"),
        ("assistant", "Hi."),
        ("user", "(It is your turn again.)"),
    ]


@pytest.mark.parametrize("like", ["openai", "anthropic", "google"])
def test_every_provider_takes_what_the_model_is_asked(like):
    player = ScriptedModel(UserTurn(says="When?"), UserTurn(says="And?"), REACHED, like=like)
    user = simulated_user(player, persona="Ada", goal="a date")

    talk(user, LinearTemplate([UserTemplate(), UserTemplate(description="More"), AssistantTemplate(), UserTemplate()]))

    assert user.goal_reached


def test_calls_of_the_user_are_not_those_of_the_program(llm_trace):
    user = user_of(UserTurn(says="When?"), REACHED)

    session = talk(user)

    assert session.trace.models == {"answer": ["program", "program"]}
    assert llm_trace.models == {"llm_user": ["player", "player"], "answer": ["program", "program"]}
    assert_models(llm_trace, {"answer": "program"})
    assert_models(llm_trace, {"answer": "program", "llm_user": "player"})
    assert_path(llm_trace, ["answer"])


def test_a_turn_that_does_not_fit_is_asked_for_once_more():
    assert user_of("Hello.", '{"says": "Hello."}').ask(Session(), None, None) == "Hello."

    with pytest.raises(OutputError, match="llm_user"):
        user_of("Hello.", '{"says": " "}').ask(Session(), None, None)


def test_who_goes_on_says_something():
    with pytest.raises(ValidationError, match="a conversation goes on with a message"):
        UserTurn(says=" ")


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"model": 1}, InvalidType, "int"),
        ({"persona": None}, InvalidType, "persona takes text"),
        ({"persona": ""}, InvalidValue, "persona is empty"),
        ({"goal": " "}, InvalidValue, "goal is empty"),
        ({"max_turns": 0}, InvalidValue, "max_turns is 1 or more"),
        ({"max_turns": 1.5}, InvalidType, "max_turns is a number"),
    ],
)
def test_whom_nobody_could_play_is_refused(arguments: dict[str, Any], error: type[Exception], text: str):
    with pytest.raises(error, match=text):
        simulated_user(**{"model": ScriptedModel(), "persona": "Ada", "goal": "a date", **arguments})
