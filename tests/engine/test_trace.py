"""Who called which model: the trace and its paths."""

from __future__ import annotations

import pickle
import re
from dataclasses import FrozenInstanceError, replace
from typing import ClassVar

import pytest

from antiphon import (
    AssistantTemplate,
    BreakTemplate,
    EndTemplate,
    IfTemplate,
    LinearTemplate,
    LoopTemplate,
    Message,
    Model,
    ModelCall,
    Observer,
    Reply,
    Runner,
    Session,
    SubroutineTemplate,
    ToolCall,
    Trace,
    UserTemplate,
    observing,
)
from antiphon.errors import ModelTimeout, RenderingError
from antiphon.trace import Caller, ToolRun, current_caller


def support() -> LinearTemplate:
    inner = LinearTemplate([UserTemplate("Inside"), AssistantTemplate(template_id="inner"), AssistantTemplate()])
    return LinearTemplate(
        [
            UserTemplate("Hi"),
            AssistantTemplate(template_id="classify"),
            LoopTemplate(
                [AssistantTemplate(template_id="answer"), SubroutineTemplate(inner, "look-up")],
                exit_loop_count=2,
                template_id="turns",
            ),
            IfTemplate(lambda session: True, AssistantTemplate()),
        ],
        template_id="support",
    )


@pytest.fixture
def trace(play, answering) -> Trace:
    return play(Runner(answering(name="m")), template=support()).trace


PATHS = [
    "support/classify",
    "support/turns@1/answer",
    "support/turns@1/look-up/linear-1/inner",
    "support/turns@1/look-up/linear-1/assistant-3",
    "support/turns@2/answer",
    "support/turns@2/look-up/linear-1/inner",
    "support/turns@2/look-up/linear-1/assistant-3",
    "support/if-4/assistant-1",
]


def test_calls_stand_in_order_with_their_paths_subroutines_included(trace):
    assert [call.template_path for call in trace.calls] == PATHS
    assert [call.depth for call in trace.calls] == [0, 0, 1, 1, 0, 1, 1, 0]


def test_models_are_plain_data_by_id_or_else_by_path_without_iterations(trace):
    assert trace.models == {
        "classify": ["m"],
        "answer": ["m", "m"],
        "inner": ["m", "m"],
        "support/turns/look-up/linear-1/assistant-3": ["m", "m"],
        "support/if-4/assistant-1": ["m"],
    }
    assert type(trace.models) is dict


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("support/classify", [0]),
        ("support/turns@1/answer", [1]),
        ("support/turns@*/answer", [1, 4]),
        ("support/turns@?/answer", [1, 4]),
        ("support/*", [0]),
        ("support/*/*", [1, 4, 7]),
        ("support/**", [0, 1, 2, 3, 4, 5, 6, 7]),
        ("**", [0, 1, 2, 3, 4, 5, 6, 7]),
        ("**/inner", [2, 5]),
        ("*", []),
        ("classify", []),
        ("support/turns/answer", []),
        ("support/turns@1", []),
        ("support.classify", []),
        ("support/[c]lassify", []),
        ("", []),
    ],
)
def test_a_star_stays_within_a_segment_and_two_stars_cross_them(glob, found, trace):
    assert [trace.calls.index(call) for call in trace.at(glob)] == found


def test_calls_of_a_template_are_found_by_its_id(trace):
    assert [call.template_path for call in trace.of("answer")] == [PATHS[1], PATHS[4]]
    assert trace.of("support/if-4/assistant-1") == [trace.calls[-1]]
    assert trace.of("no such") == []


def test_a_trace_knows_its_length_and_is_true_also_when_it_is_empty(trace):
    assert len(trace) == 8
    assert bool(Trace())
    assert len(Trace()) == 0
    assert "8 calls" in repr(trace)


def test_calls_keep_what_was_sent_also_when_the_session_changes_later(play, answering):
    session = play(Runner(answering("a")), template=LinearTemplate([UserTemplate("Hi"), AssistantTemplate()]))
    session.messages.clear()

    assert [message.content for message in session.trace.calls[0].messages] == ["Hi"]


def test_direct_calls_stand_under_the_empty_name(answering):
    session = Session(messages=[Message(role="user", content="Hi")])
    answering(name="m").send(session)

    assert session.trace.models == {"": ["m"]}
    assert session.trace.at("**") == []
    assert session.trace.calls[0].chosen_by == "direct"


def test_what_is_recorded_cannot_be_changed(trace):
    run = ToolRun("answer", "support/answer", "search", {}, "found", None, 0.1)
    for record, name in ((trace.calls[0], "model"), (Caller("a", "a", "m"), "model"), (run, "tool")):
        with pytest.raises(FrozenInstanceError):
            setattr(record, name, "other")


def test_calls_are_equal_where_their_data_are_whichever_object_answered(trace):
    call = trace.calls[0]

    assert isinstance(call, ModelCall)
    assert replace(call, origin=object()) == call
    assert replace(call, depth=call.depth + 1) != call
    assert call != trace.calls[1]


def test_who_asks_is_known_while_a_model_is_at_work_and_no_longer():
    callers = []

    class Looking(Model):
        def _send(self, session):
            callers.append(current_caller())
            return "ok"

        def _stream(self, session):
            callers.append(current_caller())
            yield "o"
            callers.append(current_caller())
            yield "k"

    tree = LinearTemplate([UserTemplate("x"), AssistantTemplate(template_id="a")], template_id="t")
    Runner(Looking(), template=tree).run()
    for _ in Runner(Looking(), template=tree).stream():
        assert current_caller() is None

    assert callers == [Caller("t/a", "a", "Looking")] * 3
    assert current_caller() is None


def test_a_message_that_a_model_answers_with_is_recorded_as_its_reply(answering):
    call = ToolCall(id="1", name="look")
    said = Message(
        role="assistant", content="Hi", tool_calls=(call,), thinking="Hm.", refusal="No.", finish_reason="stop"
    )
    session = Session(messages=[Message(role="user", content="Hi")])

    answering(said).send(session)

    assert session.trace.calls[0].reply == Reply(
        "Hi", tool_calls=(call,), thinking="Hm.", refusal="No.", finish_reason="stop"
    )


@pytest.mark.parametrize(
    ("reply", "content"),
    [(Reply("Hi", refusal="No."), "Hi"), (Reply("", refusal="No."), "No."), (Reply(""), "")],
)
def test_the_words_of_a_refusal_are_the_content_where_there_is_no_other(reply, content, answering):
    message = answering(reply).send(Session(messages=[Message(role="user", content="Hi")]))

    assert (message.content, message.refusal) == (content, reply.refusal)


def test_a_model_hears_of_its_recorded_calls():
    class Counting(Model):
        def __init__(self):
            self.calls = []

        def _send(self, session):
            return "ok"

        def _recorded(self, call):
            self.calls.append(call)

    model, session = Counting(), Session(messages=[Message(role="user", content="Hi")])
    model.send(session)

    assert model.calls == session.trace.calls != []


def test_every_attribute_of_a_call_is_recorded(trace):
    recorded = {name: getattr(trace.calls[0], name) for name in ModelCall.__dataclass_fields__}

    assert ModelCall(**recorded) == trace.calls[0]
    assert type(trace.calls[0]) is ModelCall
    with pytest.raises(FrozenInstanceError):
        trace.calls[0].model = "another"


def test_an_answer_of_text_has_its_reply_whenever_that_is_asked_for(trace):
    first, second, third = trace.calls[:3]

    assert first.reply == Reply("ok")
    assert first.reply is first.reply
    assert pickle.loads(pickle.dumps(second)).reply == second.reply == Reply("ok")
    assert replace(third, depth=1).reply == third.reply == Reply("ok")


def test_a_call_is_printed_without_the_conversation_and_the_object_that_answered(trace):
    text = repr(replace(trace.calls[0], origin="the object"))

    assert "support/classify" in text
    assert "messages=" not in text
    assert "the object" not in text


def test_failed_calls_stand_in_the_trace_with_their_error(play, answering):
    error = RuntimeError("down")
    session = Session()

    with pytest.raises(RuntimeError):
        play(Runner(answering(error)), session, template=LinearTemplate([UserTemplate("Hi"), AssistantTemplate()]))

    (call,) = session.trace.calls
    assert (call.error, call.reply, call.template_path) == (error, None, "linear/assistant-2")


def test_an_error_says_in_which_template_it_came_up_once_and_the_innermost(play, answering):
    tree = LinearTemplate([SubroutineTemplate(LinearTemplate([UserTemplate("x"), AssistantTemplate()]), "sub")])

    with pytest.raises(RuntimeError) as caught:
        play(Runner(answering(RuntimeError("down"))), template=tree)

    assert str(caught.value) == "down"
    assert caught.value.__notes__ == ["in the template at 'linear/sub/linear-1/assistant-2'"]


def fail(*_):
    raise RuntimeError("down")


@pytest.mark.parametrize(
    "template",
    [
        IfTemplate(fail, UserTemplate("x"), template_id="here"),
        UserTemplate("x", template_id="here", before_transform=fail),
        UserTemplate("x", template_id="here", after_transform=fail),
        LoopTemplate([UserTemplate("x")], fail, template_id="here"),
    ],
    ids=["condition", "before_transform", "after_transform", "exit_condition"],
)
def test_an_error_of_a_condition_or_a_transform_says_in_which_template_it_came_up(template, play, answering):
    with pytest.raises(RuntimeError, match="down") as caught:
        play(Runner(answering()), template=LinearTemplate([template]))

    assert len(caught.value.__notes__) == 1
    assert caught.value.__notes__[0].startswith("in the template at 'linear/here")


def test_an_error_of_ours_says_where_it_came_up_unless_its_text_does(play, answering):
    mistaken = LinearTemplate([UserTemplate("x"), UserTemplate("{{ nobody }}")])
    silent = LinearTemplate([UserTemplate("x"), AssistantTemplate()])

    with pytest.raises(RenderingError, match="'linear/user-2'") as named:
        play(Runner(answering()), template=mistaken)
    with pytest.raises(ModelTimeout) as unnamed:
        play(Runner(answering(ModelTimeout("no answer"))), template=silent)

    assert not hasattr(named.value, "__notes__")
    assert unnamed.value.__notes__ == ["in the template at 'linear/assistant-2'"]


def test_a_text_that_holds_the_path_by_chance_does_not_keep_an_error_from_saying_where_it_came_up(play, answering):
    tree = LinearTemplate([UserTemplate("x"), AssistantTemplate()], template_id="a")

    with pytest.raises(ModelTimeout) as caught:
        play(Runner(answering(ModelTimeout("no answer of a/assistant-2"))), template=tree)

    assert caught.value.__notes__ == ["in the template at 'a/assistant-2'"]


def test_a_note_of_ones_own_that_sounds_the_same_is_not_taken_for_ours(play, answering):
    error = RuntimeError("down")
    error.add_note("in the template at the end of the road")

    with pytest.raises(RuntimeError) as caught:
        play(Runner(answering(error)), template=LinearTemplate([UserTemplate("x"), AssistantTemplate()]))

    assert caught.value.__notes__[1:] == ["in the template at 'linear/assistant-2'"]


def test_an_error_that_takes_no_note_arrives_all_the_same(play, answering):
    class Rigid(RuntimeError):
        def add_note(self, note: str) -> None:
            raise AttributeError("a constant")

    def refuse(session: Session) -> bool:
        raise Rigid("down")

    with pytest.raises(Rigid, match="down"):
        play(Runner(answering()), template=IfTemplate(refuse, UserTemplate("x")))


def test_a_break_and_an_end_take_no_notes(play, answering):
    class Watching(Observer):
        errors: ClassVar[list[BaseException]] = []

        def on_template_exit(self, event):
            if event.error is not None:
                self.errors.append(event.error)

    with observing(Watching()) as watching:
        play(Runner(answering()), template=LoopTemplate([LoopTemplate([BreakTemplate()]), EndTemplate()]))

    assert watching.errors
    assert not any(hasattr(error, "__notes__") for error in watching.errors)


def test_the_session_is_at_the_path_of_the_template_that_is_rendered(play, doing, answering):
    paths: list[str | None] = []
    look = [doing(lambda session: paths.append(session.template_path)) for _ in range(2)]
    tree = LinearTemplate([LoopTemplate([look[0]], exit_loop_count=2), SubroutineTemplate(look[1])])

    play(Runner(answering()), template=tree)

    assert paths == ["linear/loop-1@1/doing-1", "linear/loop-1@2/doing-1", "linear/subroutine-2/doing-1"]


def test_loops_in_loops_carry_an_iteration_each(play, doing, answering):
    paths: list[str] = []
    look = doing(lambda session: paths.append(session.template_path), template_id="x")
    inner = LoopTemplate([look], exit_loop_count=2, template_id="inner")

    play(Runner(answering()), template=LoopTemplate([inner], exit_loop_count=2, template_id="outer"))

    assert paths == [f"outer@{n}/inner@{m}/x" for n in (1, 2) for m in (1, 2)]


def test_the_name_of_a_model_is_that_at_the_time_of_the_call(play, doing, answering):
    model = answering(name="before")
    rename = doing(lambda session: setattr(model, "name", "after"))
    tree = LinearTemplate([UserTemplate("x"), AssistantTemplate(template_id="a"), rename, AssistantTemplate()])

    trace = play(Runner(model), template=tree).trace

    assert trace.models == {"a": ["before"], "linear/assistant-4": ["after"]}


def test_an_id_that_looks_like_a_pattern_is_found_as_it_is_written(play, answering):
    tree = LinearTemplate([UserTemplate("x"), AssistantTemplate(template_id="a.b(c)+")])

    trace = play(Runner(answering()), template=tree).trace

    assert len(trace.at("linear/a.b(c)+")) == 1
    assert trace.at("linear/aXb(c)+") == []
    assert re.escape("a.b(c)+") not in trace.models
