"""Order, loops, branches, breaks and ends."""

from __future__ import annotations

import pytest

from antiphon import (
    AssistantTemplate,
    BreakTemplate,
    EndTemplate,
    FilterByRoleStrategy,
    IfTemplate,
    LinearTemplate,
    LoopTemplate,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    UserTemplate,
)


@pytest.fixture
def said(play, answering):
    """What a tree says, message by message."""

    def said(template, session=None) -> list[str]:
        # The limit turns a loop that should have ended into a failure.
        ended = play(Runner(answering()), session, template=template, max_messages=500)
        return [message.content for message in ended.messages]

    return said


def say(content: str) -> UserTemplate:
    return UserTemplate(content)


def longer_than(length: int):
    return lambda session: len(session.messages) > length


def test_linear_templates_speak_in_order(said):
    assert said(LinearTemplate([say("a"), LinearTemplate([say("b"), say("c")]), say("d")])) == ["a", "b", "c", "d"]


def test_a_tuple_of_templates_is_as_good_as_a_list(said):
    assert said(LinearTemplate((say("a"), say("b")))) == ["a", "b"]


@pytest.mark.parametrize(("count", "expected"), [(0, []), (1, ["a", "b"]), (3, ["a", "b"] * 3)])
def test_a_loop_turns_as_often_as_it_is_told(count, expected, said):
    assert said(LoopTemplate([say("a"), say("b")], exit_loop_count=count)) == expected


@pytest.mark.parametrize(("length", "expected"), [(0, "a"), (1, "ab"), (2, "aba"), (3, "abab")])
def test_the_exit_condition_is_asked_after_every_child(length, expected, said):
    assert "".join(said(LoopTemplate([say("a"), say("b")], exit_condition=longer_than(length)))) == expected


def test_the_exit_condition_is_not_asked_before_the_first_child(said):
    asked = []

    assert said(LoopTemplate([say("a"), say("b")], lambda session: asked.append(session.last.content), 1)) == ["a", "b"]
    assert asked == ["a", "b"]


def test_whichever_comes_first_ends_a_loop_the_condition_or_the_count(said):
    assert said(LoopTemplate([say("a")], longer_than(1), 5)) == ["a", "a"]
    assert said(LoopTemplate([say("a")], longer_than(9), 5)) == ["a"] * 5


def test_a_condition_may_return_anything_that_is_true_or_false(said):
    assert said(LoopTemplate([say("a")], lambda session: session.messages[1:])) == ["a", "a"]
    assert said(IfTemplate(lambda session: session.messages, say("yes"), say("no"))) == ["no"]


@pytest.mark.parametrize(("answer", "expected"), [(True, ["yes", "after"]), (False, ["no", "after"])])
def test_a_branch_speaks_by_its_condition(answer, expected, said):
    assert said(LinearTemplate([IfTemplate(lambda session: answer, say("yes"), say("no")), say("after")])) == expected


def test_a_branch_without_a_false_template_says_nothing_then(said):
    assert said(LinearTemplate([IfTemplate(lambda session: False, say("yes")), say("after")])) == ["after"]


def test_a_branch_with_one_template_for_both_answers_renders_it_once(said):
    both = say("both")

    assert said(IfTemplate(lambda session: False, both, both)) == ["both"]


def test_what_a_condition_raises_arrives_unwrapped(said):
    def fail(session: Session) -> bool:
        raise KeyError("mood")

    with pytest.raises(KeyError, match="mood"):
        said(IfTemplate(fail, say("x")))
    with pytest.raises(KeyError, match="mood"):
        said(LoopTemplate([say("x")], fail))


def test_a_break_leaves_the_nearest_loop(said):
    inner = LoopTemplate([say("a"), BreakTemplate(), say("never")])

    assert said(LoopTemplate([inner, say("b")], exit_loop_count=2)) == ["a", "b", "a", "b"]


def test_a_break_in_a_loop_goes_through_linear_templates_and_branches(said):
    deep = LinearTemplate([say("a"), IfTemplate(lambda session: True, LinearTemplate([BreakTemplate(), say("never")]))])

    assert said(LinearTemplate([LoopTemplate([deep, say("never")]), say("after")])) == ["a", "after"]


def test_without_a_loop_a_break_leaves_the_nearest_linear_template(said):
    inner = LinearTemplate([say("a"), IfTemplate(lambda session: True, BreakTemplate()), say("never")])

    assert said(LinearTemplate([inner, say("after")])) == ["a", "after"]


def test_after_a_loop_has_ended_a_break_leaves_the_linear_template_again(said):
    inner = LinearTemplate([LoopTemplate([say("a")], exit_loop_count=1), BreakTemplate(), say("never")])

    assert said(LinearTemplate([inner, say("after")])) == ["a", "after"]


def test_after_a_loop_was_broken_a_break_leaves_the_linear_template_again(said):
    inner = LinearTemplate([LoopTemplate([BreakTemplate()]), BreakTemplate(), say("never")])

    assert said(LinearTemplate([inner, say("after")])) == ["after"]


@pytest.mark.parametrize("leaving", [BreakTemplate, EndTemplate])
def test_a_break_or_end_alone_is_a_whole_conversation(leaving, said, rendered):
    assert said(leaving()) == []
    assert said(IfTemplate(lambda session: True, leaving())) == []
    assert rendered(leaving(), Session()) == []


def test_an_end_ends_everything(said):
    inner = LoopTemplate([LinearTemplate([say("a"), EndTemplate(), say("never")])])

    assert said(LinearTemplate([LoopTemplate([inner, say("never")]), say("never")])) == ["a"]


def test_an_end_says_its_own_farewell_as_the_assistant(said, play, answering):
    first, second = EndTemplate("Bye, {{ name }}"), EndTemplate("So long")
    tree = IfTemplate(lambda session: session.metadata["early"], first, second)

    assert said(tree, Session(metadata={"early": True, "name": "Ada"})) == ["Bye, Ada"]
    assert said(tree, Session(metadata={"early": False, "name": "Ada"})) == ["So long"]
    assert play(Runner(answering()), template=second).last.role == "assistant"


def test_a_farewell_may_stand_as_it_is(said):
    assert said(EndTemplate("Bye, {{ name }}", disable_jinja=True)) == ["Bye, {{ name }}"]


def test_a_break_in_a_subroutine_never_reaches_the_parent(said):
    inner = LinearTemplate([say("inside"), BreakTemplate(), say("never")])

    assert said(LoopTemplate([SubroutineTemplate(inner), say("after")], exit_loop_count=2)) == ["inside", "after"] * 2


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: IfTemplate(lambda session: True, one)])
def test_a_break_without_a_linear_template_in_a_subroutine_ends_only_the_subroutine(wrap, said):
    sub = SubroutineTemplate(wrap(BreakTemplate()))

    assert said(LoopTemplate([say("a"), sub, say("b")], exit_loop_count=2)) == ["a", "b"] * 2


def test_a_loop_in_the_parent_is_no_loop_for_a_break_in_a_subroutine(said):
    inner = LinearTemplate([LinearTemplate([BreakTemplate(), say("never")]), say("inside")])

    assert said(LoopTemplate([SubroutineTemplate(inner)], exit_loop_count=2)) == ["inside", "inside"]


def test_an_end_in_a_subroutine_first_squashes_and_then_ends_the_conversation(said):
    inner = LinearTemplate([SystemTemplate("dropped"), say("kept"), EndTemplate("Bye"), say("never")])
    sub = SubroutineTemplate(inner, squash_strategy=FilterByRoleStrategy(["user", "assistant"]))

    assert said(LinearTemplate([say("before"), LoopTemplate([sub, say("never")])])) == ["before", "kept", "Bye"]


def test_an_end_in_nested_subroutines_squashes_at_every_level(said):
    inner = SubroutineTemplate(LinearTemplate([say("deep"), EndTemplate()]))
    outer = SubroutineTemplate(LinearTemplate([say("x"), inner, say("never")]), squash_strategy=everyone())

    assert said(LinearTemplate([outer, say("never")])) == ["x", "deep"]


def everyone() -> FilterByRoleStrategy:
    return FilterByRoleStrategy(["system", "user", "assistant", "tool"])


def test_after_an_end_the_session_can_be_run_again(play, answering, contents):
    session, runner = Session(), Runner(answering(), template=LinearTemplate([LoopTemplate([EndTemplate("Bye")])]))

    play(runner, session)
    play(runner, session)

    assert contents(session) == ["Bye", "Bye"]
    assert [message.template_path for message in session.messages] == ["linear/loop-1@1/end-1"] * 2


def test_after_a_failure_the_session_can_be_run_again(play, answering, contents):
    tree = LoopTemplate([SubroutineTemplate(LinearTemplate([say("x"), AssistantTemplate()]))], exit_loop_count=1)
    session, runner = Session(), Runner(answering(RuntimeError("down"), "up"), template=tree)

    with pytest.raises(RuntimeError, match="down"):
        play(runner, session)
    assert (session.messages, session.template_path) == ([], None)
    play(runner, session)

    assert contents(session) == ["up"]
    assert [call.template_path for call in session.trace.calls] == ["loop@1/subroutine-1/linear-1/assistant-2"] * 2
    assert [call.depth for call in session.trace.calls] == [1, 1]
