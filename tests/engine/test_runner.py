"""Runners: one conversation from beginning to end."""

from __future__ import annotations

import pytest

from antiphon import (
    AssistantTemplate,
    FilterByRoleStrategy,
    IfTemplate,
    LinearTemplate,
    LLMSummarizingStrategy,
    LoopTemplate,
    Message,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    UserTemplate,
)
from antiphon.errors import MessageLimitExceeded

TALK = LinearTemplate([UserTemplate("a"), AssistantTemplate(), UserTemplate("b")])


def test_run_works_on_the_session_it_is_given_and_returns_it(play, answering, contents):
    session = Session(messages=[Message(role="user", content="before")])
    runner = Runner(answering(), template=TALK)

    assert play(runner, session) is session
    assert contents(session) == ["before", "a", "ok", "b"]
    assert session.runner is runner


def test_without_a_session_every_run_has_a_new_one(play, answering):
    runner = Runner(answering(), template=TALK)
    first, second = play(runner), play(runner)

    assert first is not second
    assert len(first.messages) == len(second.messages) == 3


def test_a_template_given_to_run_is_rendered_instead_of_the_runners(play, answering, contents):
    runner = Runner(answering(), template=TALK)

    assert contents(play(runner, template=SystemTemplate("other"))) == ["other"]
    assert runner.template is TALK


def test_nothing_to_run_is_refused(play, answering):
    with pytest.raises(ValueError, match="nothing to run: give the runner a template"):
        play(Runner(answering()))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"template": "text"}, "template takes a Template, not str"),
        ({"template": LinearTemplate}, "template takes a Template, not"),
        ({"session": [Message(role="user")]}, "session takes a Session, not list"),
        ({"session": {}}, "session takes a Session, not dict"),
        ({"template": TALK, "max_messages": "3"}, "max_messages is a number, not str"),
        ({"template": TALK, "max_messages": True}, "max_messages is a number, not bool"),
        ({"template": TALK, "max_messages": 1.5}, "max_messages is a number, not float"),
    ],
)
def test_arguments_of_the_wrong_kind_are_refused(options, text, play, answering):
    with pytest.raises(TypeError, match=text):
        play(Runner(answering()), **options)


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match=r"model takes a Model or a name such as .* not NoneType: None"):
        Runner(None)
    with pytest.raises(TypeError, match="template takes a Template"):
        Runner("openai:gpt-4o-mini", template="text")


def test_a_runner_takes_the_name_of_a_model_also_later(answering):
    runner = Runner("openai:gpt-4o-mini")
    assert runner.model.name == "openai:gpt-4o-mini"

    runner.model = answering()
    assert runner.model.name == "answering"
    with pytest.raises(TypeError, match="takes a Model or a name"):
        runner.model = None


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_going_over_the_limit_is_an_error_that_carries_what_was_said(limit, play, answering):
    session = Session(messages=[Message(role="user", content="does not count")])

    with pytest.raises(MessageLimitExceeded, match=f"max_messages={limit} ") as caught:
        play(Runner(answering(), template=TALK), session, max_messages=limit)

    assert caught.value.session is session
    assert caught.value.max_messages == limit
    assert [message.content for message in session.messages[1:]] == ["a", "ok", "b"][: limit + 1]
    assert session.template_path is None


def test_as_many_messages_as_the_limit_allows_are_fine(play, answering):
    runner, session = Runner(answering(), template=TALK), Session()

    assert len(play(runner, session, max_messages=3).messages) == 3
    assert len(play(runner, session, max_messages=3).messages) == 6


INSIDE = SubroutineTemplate(
    LinearTemplate([UserTemplate("x"), UserTemplate("y")]), squash_strategy=FilterByRoleStrategy(["user"])
)


def test_the_limit_counts_messages_of_subroutines_and_a_squashed_one_once(play, answering):
    runner = Runner(answering(), template=LinearTemplate([INSIDE, UserTemplate("after")]))

    assert len(play(runner, max_messages=3).messages) == 3
    with pytest.raises(MessageLimitExceeded):
        play(runner, max_messages=2)


def test_the_limit_exceeded_in_a_subroutine_carries_the_outermost_session(play, answering):
    session = Session()

    with pytest.raises(MessageLimitExceeded) as caught:
        play(
            Runner(answering()),
            session,
            template=LinearTemplate([UserTemplate("before"), SubroutineTemplate(INSIDE)]),
            max_messages=2,
        )

    assert caught.value.session is session
    assert [message.content for message in session.messages] == ["before"]


def test_a_message_that_only_the_squash_strategy_says_counts_too(play, answering):
    tree = SubroutineTemplate(UserTemplate("x"), squash_strategy=LLMSummarizingStrategy())

    assert len(play(Runner(answering()), template=tree, max_messages=2).messages) == 1
    with pytest.raises(MessageLimitExceeded):
        play(Runner(answering()), template=tree, max_messages=1)


def test_the_limit_stops_a_loop_without_an_end(play, answering):
    with pytest.raises(MessageLimitExceeded) as caught:
        play(Runner(answering()), template=LoopTemplate([UserTemplate("again")]), max_messages=20)

    assert len(caught.value.session.messages) == 21


def test_a_runner_serves_templates_that_ask_for_it_by_the_session(play, answering):
    runner = Runner(answering())
    tree = IfTemplate(lambda session: session.runner is runner, SystemTemplate("yes"), SystemTemplate("no"))

    assert play(runner, template=tree).last.content == "yes"


def test_a_conversation_can_be_arbitrarily_long(play, answering):
    session = play(Runner(answering()), template=LoopTemplate([AssistantTemplate("x")], exit_loop_count=3000))

    assert len(session.messages) == 3000


def test_a_template_is_not_changed_by_its_runs(play, answering):
    tree = LoopTemplate([TALK, INSIDE], exit_loop_count=2)
    before = {id(template): dict(vars(template)) for template in tree.walk()}

    play(Runner(answering()), template=tree)

    assert {id(template): dict(vars(template)) for template in tree.walk()} == before


def test_a_negative_limit_is_refused(play, answering):
    with pytest.raises(ValueError, match="0 or more, not -1"):
        play(Runner(answering()), template=SystemTemplate("a"), max_messages=-1)
