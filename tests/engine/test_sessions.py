"""Sessions between runs."""

from __future__ import annotations

import gc
import pickle
import sys

import pytest
from pydantic import PrivateAttr, ValidationError

from antiphon import AssistantTemplate, LinearTemplate, Message, Runner, Session, SystemTemplate, UserTemplate


def message(content: str) -> Message:
    return Message(role="user", content=content)


def test_an_empty_session_has_no_last_message():
    with pytest.raises(IndexError, match="no messages"):
        _ = Session().last
    with pytest.raises(IndexError, match="no messages"):
        Session().get_last_message()


def test_the_last_message_is_the_one_that_was_appended_last():
    session = Session(messages=[message("a")])
    last = message("b")
    session.append(last)

    assert session.last is last
    assert session.get_last_message() is last


def test_appending_costs_the_same_however_long_the_session_is():
    def steps(length: int) -> int:
        session, last, counted = Session(messages=[message("x")] * length), message("y"), []
        gc.disable()  # what it calls when it finds something is counted as well
        sys.setprofile(lambda frame, event, argument: counted.append(event))
        try:
            session.append(last)
        finally:
            sys.setprofile(None)
            gc.enable()
        return len(counted)

    assert steps(10) == steps(10_000)


def test_two_sessions_share_nothing():
    one, other = Session(), Session()
    one.append(message("a"))
    one.metadata["a"] = 1

    assert (other.messages, other.metadata) == ([], {})
    assert one.trace is not other.trace


def test_a_session_does_not_take_over_the_list_it_is_given():
    given = [message("a")]
    session = Session(messages=given)
    session.append(message("b"))

    assert given == [message("a")]


def test_the_runner_and_the_trace_stay_behind_in_json(answering):
    session = Runner(answering(), template=UserTemplate("Hi")).run(Session(metadata={"a": 1}))

    back = Session.model_validate_json(session.model_dump_json())

    assert back == session
    assert (back.messages, back.metadata) == (session.messages, {"a": 1})
    assert back.runner is None
    assert len(back.trace) == 0


class Booking(Session):
    """A session of a program's own."""

    people: int = 2
    _seats: list[int] = PrivateAttr(default_factory=list)


def test_sessions_are_equal_whatever_runners_serve_them(answering):
    booking = Runner(answering(), template=UserTemplate("Hi")).run(Booking(metadata={"a": 1}))
    same, larger, seated, plain = Booking(), Booking(people=3), Booking(), Session()
    seated._seats.append(7)
    for one in (same, larger, seated, plain):
        one.messages, one.metadata = booking.messages, {"a": 1}
    other = Runner(answering(), template=UserTemplate("Ho")).run(Booking(metadata={"a": 1}))

    assert booking == same == booking
    assert [one for one in (larger, seated, plain, other, None) if one == booking or booking == one] == []
    assert booking.runner is not None
    assert same.runner is None


def test_messages_can_be_replaced_as_a_whole():
    session = Session(messages=[message("a")])
    session.messages = [message("b")]
    session.append(message("c"))

    assert [one.content for one in session.messages] == ["b", "c"]


@pytest.mark.parametrize("wrong", ["text", [1], [{"role": "robot"}], None])
def test_what_is_no_list_of_messages_is_refused(wrong):
    with pytest.raises(ValidationError):
        Session(messages=wrong)


def test_a_misspelt_field_is_refused():
    with pytest.raises(ValidationError, match="Extra inputs"):
        Session(message=[])


def test_between_runs_a_session_is_at_no_template_path(play, doing, answering):
    seen: list[str | None] = []
    tree = LinearTemplate([doing(lambda session: seen.append(session.template_path), template_id="here")])
    session = Session()

    play(Runner(answering()), session, template=tree)

    assert (session.template_path, seen) == (None, ["linear/here"])


def test_a_session_can_be_run_several_times_and_keeps_its_trace_and_messages(play, answering):
    session = Session()
    runner = Runner(answering("a", "b"), template=LinearTemplate([UserTemplate("Hi"), AssistantTemplate()]))

    assert play(runner, session) is session
    assert play(runner, session) is session

    assert [one.content for one in session.messages] == ["Hi", "a", "Hi", "b"]
    assert len(session.trace) == 2


def test_messages_say_at_which_path_they_were_said(play, answering):
    session = play(Runner(answering()), template=LinearTemplate([SystemTemplate("a", template_id="rules")]))

    assert session.last.template_path == "linear/rules"


def test_a_session_survives_pickling():
    session = Session(messages=[message("a")], metadata={"b": [1]})
    back = pickle.loads(pickle.dumps(session))

    assert (back.messages, back.metadata) == (session.messages, session.metadata)
    back.append(message("c"))
    assert len(session.messages) == 1


def test_a_deep_copy_of_a_session_is_independent():
    session = Session(messages=[message("a")], metadata={"b": [1]})
    copy = session.model_copy(deep=True)
    copy.append(message("c"))
    copy.metadata["b"].append(2)

    assert (session.messages, session.metadata) == ([message("a")], {"b": [1]})
