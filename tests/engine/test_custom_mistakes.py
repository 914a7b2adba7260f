"""What a custom template may return, and what it is told where it does not."""

from __future__ import annotations

import pytest

from antiphon import AssistantTemplate, LinearTemplate, Message, Runner, Session, Template


def test_a_template_that_returns_no_session_is_named(play, answering):
    class Forgetful(Template):
        def _render(self, session):
            yield Message(role="user", content="x")

    with pytest.raises(TypeError, match=r"Forgetful\._render at 'forgetful' returned NoneType; it ends with `return"):
        play(Runner(answering()), template=Forgetful())


def test_a_template_that_is_no_generator_is_named(play, answering):
    class Plain(Template):
        def _render(self, session):
            return session

    with pytest.raises(TypeError, match=r"Plain\._render is no generator"):
        play(Runner(answering()), template=Plain())


def test_a_template_may_go_on_in_another_session(play, answering):
    class Elsewhere(Template):
        def _render(self, session):
            yield Message(role="user", content="lost")
            return Session(messages=[Message(role="user", content="other")])

    session = play(Runner(answering("ok")), template=LinearTemplate([Elsewhere(), AssistantTemplate()]))

    assert [message.content for message in session.messages] == ["other", "ok"]
    assert len(session.trace.calls) == 1
