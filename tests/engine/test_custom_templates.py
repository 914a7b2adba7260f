"""Templates that programs write themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from antiphon import (
    AssistantTemplate,
    BreakTemplate,
    EndTemplate,
    Event,
    LinearTemplate,
    LoopTemplate,
    Message,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    Template,
    UserTemplate,
)


class Custom(Template):
    """Renders by a generator function given to it."""

    def __init__(self, script: Callable[[Template, Session], Any], **options: Any) -> None:
        super().__init__(**options)
        self.script_of_its_own = script

    def _render(self, session: Session) -> Any:
        return self.script_of_its_own(self, session)


class Noticed(Event):
    pass


def user(content: str = "x") -> Message:
    return Message(role="user", content=content)


def test_a_yielded_message_that_was_not_appended_is_appended(play, answering, contents):
    def script(template, session):
        yield user("a")
        yield user("b")
        return session

    assert contents(play(Runner(answering()), template=Custom(script))) == ["a", "b"]


def test_a_yielded_message_that_was_appended_is_not_appended_again(play, answering, contents):
    def script(template, session):
        message = user("a")
        session.append(message)
        yield message
        session.append(first := user("b"))
        session.append(second := user("b"))
        yield first
        yield second
        return session

    assert contents(play(Runner(answering()), template=Custom(script))) == ["a", "b", "b"]


def test_an_equal_message_that_is_another_one_is_appended(play, answering, contents):
    def script(template, session):
        session.append(user("a"))
        yield user("a")
        return session

    assert contents(play(Runner(answering()), template=Custom(script))) == ["a", "a"]


def test_events_are_handed_on_and_change_nothing(steps, answering):
    event = Noticed()

    def script(template, session):
        yield event
        return session

    session = Session()
    assert steps(Runner(answering(), template=LinearTemplate([Custom(script)])), session) == [event]
    assert session.messages == []


@pytest.mark.parametrize("garbage", ["text", None, 42, {"role": "user"}, Message, [user()]])
def test_anything_else_that_is_yielded_is_a_type_error(garbage, play, answering):
    def script(template, session):
        yield garbage
        return session

    with pytest.raises(TypeError, match=r"a template yielded .*it yields messages, events and what"):
        play(Runner(answering()), template=Custom(script))


def test_a_template_sees_the_refusal_of_its_garbage_where_it_yields_it(play, answering, contents):
    def script(template, session):
        try:
            yield 42
        except TypeError:
            yield user("sorry")
        return session

    assert contents(play(Runner(answering()), template=Custom(script))) == ["sorry"]


def test_ask_returns_the_models_message_and_appends_nothing(play, answering):
    def script(template, session):
        before = list(session.messages)
        message = yield from template.ask(session)
        assert session.messages == before
        assert (message.role, message.content, message.template_path) == ("assistant", "answer", "linear/mine")
        return session

    tree = LinearTemplate([UserTemplate("Hi"), Custom(script, template_id="mine")])
    session = play(Runner(answering("answer")), template=tree)

    assert len(session.messages) == 1
    assert session.trace.models == {"mine": ["answering"]}
    assert session.trace.calls[0].chosen_by == "runner"


def test_ask_takes_a_model_of_its_own_and_a_session_of_its_own(play, answering):
    own = answering("own", name="own")

    def script(template, session):
        draft = Session(messages=[user("draft")], runner=session.runner)
        message = yield from template.ask(draft, model=own)
        yield message
        return session

    session = play(Runner(answering()), template=Custom(script))

    assert session.last.content == "own"
    assert own.heard == [[("user", "draft")]]


def test_ask_without_a_runner_says_that_the_runner_is_not_set(rendered, answering):
    def script(template, session):
        yield from template.ask(session, model=answering())
        return session

    with pytest.raises(ValueError, match="runner is not set"):
        rendered(Custom(script), Session(messages=[user()]))


def test_ask_refuses_what_is_no_model(play, answering):
    def script(template, session):
        yield from template.ask(session, model=42)
        return session

    with pytest.raises(TypeError, match="takes a Model or a name"):
        play(Runner(answering()), template=Custom(script))


def test_a_template_may_catch_what_its_model_raises(play, answering, contents):
    def script(template, session):
        try:
            yield from template.ask(session)
        except RuntimeError as error:
            yield user(f"caught {error}")
        return session

    tree = LinearTemplate([UserTemplate("Hi"), Custom(script), UserTemplate("after")])

    assert contents(play(Runner(answering(RuntimeError("down"))), template=tree)) == ["Hi", "caught down", "after"]


def test_include_renders_another_template_at_a_path_below(play, answering):
    child, listed = UserTemplate("a"), UserTemplate("b", template_id="listed")

    def script(template, session):
        session = yield from template.include(child, session)
        session = yield from template.include(listed, session)
        return (yield from template.include(child, session, "named"))

    session = play(Runner(answering()), template=Custom(script, template_id="mine"))

    assert [message.template_path for message in session.messages] == ["mine/user", "mine/listed", "mine/named"]


def test_include_goes_on_in_the_session_that_a_transform_returns(play, answering, contents):
    child = UserTemplate("b", before_transform=lambda session: Session(messages=session.messages))

    def script(template, session):
        yield user("a")
        session = yield from template.include(child, session)
        yield user("c")
        return session

    assert contents(play(Runner(answering()), template=Custom(script))) == ["a", "b", "c"]


@pytest.mark.parametrize("leaving", [BreakTemplate, EndTemplate])
def test_a_break_or_end_passes_through_a_custom_template_with_its_clean_up(leaving, play, answering, contents):
    cleaned = []

    def script(template, session):
        try:
            yield from template.include(leaving(), session)
        finally:
            cleaned.append(True)
        return session

    tree = LoopTemplate([UserTemplate("a"), Custom(script), UserTemplate("never")], exit_loop_count=3)

    assert contents(play(Runner(answering()), template=tree)) == ["a"]
    assert cleaned == [True]


def test_a_template_may_render_another_by_itself_in_blocking_code(answering):
    child = LinearTemplate([UserTemplate("a"), AssistantTemplate()])

    def script(template, session):
        return (yield from child.render(session))

    session = Runner(answering(), template=LinearTemplate([Custom(script, template_id="mine")])).run()

    assert [message.content for message in session.messages] == ["a", "ok"]
    assert session.trace.calls[0].template_path == "linear/mine/linear/assistant-2"


def test_children_of_a_custom_template_are_walked_and_called_by_their_places(play, answering):
    class Both(Template):
        def __init__(self, *children: Template) -> None:
            super().__init__()
            self._children = children

        @property
        def children(self) -> tuple[Template, ...]:
            return self._children

        def _render(self, session: Session) -> Any:
            for child in self.children:
                session = yield from self.include(child, session)
            return session

    tree = Both(SystemTemplate("a"), SystemTemplate("b", template_id="b"))

    assert len(list(tree.walk())) == 3
    session = play(Runner(answering()), template=tree)
    assert [message.template_path for message in session.messages] == ["both/system-1", "both/b"]
    twice = Both(SystemTemplate("a", template_id="b"), SystemTemplate("b", template_id="b"))
    with pytest.raises(ValueError, match=r"linear/both-1/b \(built at .*\.py:\d+\) and linear/both-1/b \(built at"):
        LinearTemplate([twice])


def test_a_template_without_render_cannot_be_made():
    with pytest.raises(TypeError, match="abstract"):
        type("Lazy", (Template,), {})()


def test_a_custom_template_in_a_subroutine_asks_the_subroutines_model(play, answering, contents):
    def script(template, session):
        yield user("inside")
        yield (yield from template.ask(session))
        return session

    tree = SubroutineTemplate(Custom(script), model=answering("own"))

    assert contents(play(Runner(answering("outer")), template=tree)) == ["own"]


def test_several_questions_in_one_template_are_all_answered_in_order(play, answering):
    def script(template, session):
        for _ in range(3):
            yield (yield from template.ask(session))
        return session

    session = play(Runner(answering("a", "b", "c")), Session(messages=[user()]), template=Custom(script))

    assert [message.content for message in session.messages] == ["x", "a", "b", "c"]
    assert [len(call.messages) for call in session.trace.calls] == [1, 2, 3]
