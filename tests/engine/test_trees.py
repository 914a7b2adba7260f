"""Trees of templates: ids, places, children, and what is refused when a tree is built."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from antiphon import (
    AssistantTemplate,
    BreakTemplate,
    EndTemplate,
    GenerateTemplate,
    IfTemplate,
    LinearTemplate,
    LoopTemplate,
    MessageTemplate,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    Template,
    UserTemplate,
)


@pytest.mark.parametrize("template_id", ["", "a/b", "a@1", "a b", "a\n", "\t", "a\u00a0b"])
def test_an_id_with_a_slash_an_at_sign_or_white_space_is_refused(template_id):
    with pytest.raises(ValueError, match="a template_id is not empty and has no '/', '@' or white space"):
        SystemTemplate("x", template_id=template_id)


@pytest.mark.parametrize("template_id", [1, b"a", ["a"]])
def test_an_id_that_is_no_text_is_refused(template_id):
    with pytest.raises(TypeError, match="template_id takes text, not"):
        SystemTemplate("x", template_id=template_id)


@pytest.mark.parametrize("template_id", ["a", "größe", "x-1.y_z", "天気"])
def test_other_ids_are_fine(template_id):
    assert SystemTemplate("x", template_id=template_id).template_id == template_id


def say(template_id: str | None = None) -> SystemTemplate:
    return SystemTemplate("x", template_id=template_id)


@pytest.mark.parametrize(
    ("build", "places"),
    [
        (lambda: LinearTemplate([say("a"), say("a")]), ["linear/a"]),
        (lambda: IfTemplate(len, say("a"), say("a")), ["if/a"]),
        (lambda: LoopTemplate([LinearTemplate([say("a"), say("a")])], template_id="l"), ["linear/a"]),
    ],
)
def test_two_siblings_with_one_id_are_refused_naming_both_places(build, places):
    with pytest.raises(ValueError, match=r"two templates are called 'a'.*unique among siblings") as caught:
        build()

    assert all(place in str(caught.value) for place in places)


def part() -> LinearTemplate:
    """A part of a tree, built by a function."""
    return LinearTemplate([UserTemplate("Well?"), AssistantTemplate(template_id="answer")])


def test_a_part_that_a_function_builds_may_stand_in_a_tree_twice(play, answering):
    tree = LinearTemplate([part(), SubroutineTemplate(part(), "again"), AssistantTemplate(template_id="answer")])

    trace = play(Runner(answering(name="m")), template=tree).trace

    assert trace.models == {"answer": ["m"] * 3}
    assert [call.template_path for call in trace.calls] == [
        "linear/linear-1/answer",
        "linear/again/linear-1/answer",
        "linear/answer",
    ]
    assert (len(trace.of("answer")), len(trace.at("linear/again/**"))) == (3, 1)


def test_a_part_may_have_the_id_of_what_it_stands_in():
    SubroutineTemplate(LinearTemplate([say("s")]), "s")


def test_an_id_that_equals_the_place_of_a_sibling_is_refused():
    with pytest.raises(ValueError, match="assistant-2"):
        LinearTemplate([AssistantTemplate(template_id="assistant-2"), AssistantTemplate()])


def test_one_template_may_stand_in_two_places_walked_once_and_rendered_twice(play, answering, contents):
    twice = say("twice")
    tree = LinearTemplate([twice, LinearTemplate([twice]), twice])

    assert list(tree.walk()).count(twice) == 1
    session = play(Runner(answering()), template=tree)
    assert contents(session) == ["x"] * 3
    assert [m.template_path for m in session.messages] == ["linear/twice", "linear/linear-2/twice", "linear/twice"]


def test_templates_without_an_id_are_called_after_their_kind_and_place(play, answering):
    class GreetingTemplate(Template):
        def _render(self, session: Session) -> Any:
            yield self._say(session, "Hello", "assistant")
            return session

    tree = LinearTemplate(
        [
            SystemTemplate("a"),
            UserTemplate("b"),
            AssistantTemplate("c"),
            MessageTemplate("d", "tool"),
            GreetingTemplate(),
        ]
    )

    session = play(Runner(answering()), template=tree)

    kinds = ["system-1", "user-2", "assistant-3", "message-4", "greeting-5"]
    assert [message.template_path for message in session.messages] == [f"linear/{kind}" for kind in kinds]


@pytest.mark.parametrize(
    ("template", "path"), [(say(), "system"), (say("rules"), "rules"), (LinearTemplate([say()]), "linear/system-1")]
)
def test_a_root_without_an_id_is_called_after_its_kind(template, path, play, answering):
    assert play(Runner(answering()), template=template).last.template_path == path


def test_every_template_lists_its_children_and_walks_parents_first():
    yes, no, turn, inside = say(), say(), say(), say()
    branch, loop, sub = IfTemplate(len, yes, no), LoopTemplate([turn]), SubroutineTemplate(inside)
    tree = LinearTemplate([branch, loop, sub])

    assert tree.children == (branch, loop, sub)
    assert (branch.children, loop.children, sub.children) == ((yes, no), (turn,), (inside,))
    assert IfTemplate(len, yes).children == (yes,)
    assert all(leaf.children == () for leaf in (say(), BreakTemplate(), EndTemplate(), GenerateTemplate("user")))
    assert list(tree.walk()) == [tree, branch, yes, no, loop, turn, sub, inside]


@pytest.mark.parametrize("deep", [5000])
def test_a_very_deep_tree_can_be_built_and_walked(deep):
    class Nest(Template):
        def __init__(self, inner: Template | None) -> None:
            super().__init__()
            self.inner = inner

        @property
        def children(self) -> tuple[Template, ...]:
            return () if self.inner is None else (self.inner,)

        def _render(self, session: Session) -> Any:
            return session
            yield

    tree: Template | None = None
    for _ in range(deep):
        tree = Nest(tree)

    assert len(list(LinearTemplate([tree]).walk())) == deep + 1


WRONG_CHILDREN = [42, "text", None, say, SystemTemplate, Runner]


@pytest.mark.parametrize("wrong", WRONG_CHILDREN)
@pytest.mark.parametrize(
    "build",
    [
        lambda wrong: LinearTemplate([say(), wrong]),
        lambda wrong: LoopTemplate([wrong]),
        lambda wrong: IfTemplate(len, wrong),
        SubroutineTemplate,
    ],
)
def test_what_is_no_template_is_refused_when_the_tree_is_built(build, wrong):
    with pytest.raises(TypeError, match="takes a template, not"):
        build(wrong)


@pytest.mark.parametrize("kind", [LinearTemplate, LoopTemplate])
def test_templates_without_brackets_are_refused_and_the_error_says_to_write_some(kind):
    with pytest.raises(TypeError, match=r"takes a list of templates.* write (it in brackets|LinearTemplate)"):
        kind(say(), say())
    with pytest.raises(TypeError, match=r"takes a list of templates, not SystemTemplate.*; write it in brackets"):
        kind(say())


@pytest.mark.parametrize("kind", [LinearTemplate, LoopTemplate])
def test_a_group_of_a_program_may_be_made_of_whatever_the_program_likes(kind):
    class Greeting(kind):
        def __init__(self, first, second, *, model):
            super().__init__([first, second, AssistantTemplate(model=model)])

    assert Greeting(say(), say(), model="openai:x").templates[2].model.name == "openai:x"


@pytest.mark.parametrize("wrong", [42, "text", b"bytes", say(), iter([])])
@pytest.mark.parametrize("kind", [LinearTemplate, LoopTemplate])
def test_what_is_no_list_of_templates_is_refused(kind, wrong):
    with pytest.raises(TypeError, match=rf"templates of {kind.__name__} takes a list of templates, not"):
        kind(wrong)


def test_the_refused_child_is_named_by_its_place():
    with pytest.raises(TypeError, match=r"templates\[1\] of LinearTemplate takes a template, not int: 42"):
        LinearTemplate([say(), 42])


@pytest.mark.parametrize("wrong", [42, True, "yes", None, say(), bool])
def test_what_is_no_condition_is_refused(wrong):
    with pytest.raises(TypeError, match=r"^condition of .* takes a function of the session"):
        IfTemplate(wrong, say())
    if wrong is not None:
        with pytest.raises(TypeError, match=r"exit_condition of .* takes a function of the session"):
            LoopTemplate([say()], exit_condition=wrong)


@pytest.mark.parametrize("wrong", [1.5, "3", True])
def test_a_number_of_turns_must_be_a_number(wrong):
    with pytest.raises(TypeError, match="exit_loop_count is a number"):
        LoopTemplate([say()], exit_loop_count=wrong)


def test_fewer_than_no_turns_are_refused():
    with pytest.raises(ValueError, match="0 or more, not -1"):
        LoopTemplate([say()], exit_loop_count=-1)


def test_an_empty_loop_is_refused_and_an_empty_linear_template_says_nothing(play, answering):
    with pytest.raises(ValueError, match="a loop without templates"):
        LoopTemplate([])

    assert play(Runner(answering()), template=LinearTemplate([])).messages == []


@pytest.mark.parametrize("role", ["robot", "", None, 1, "User"])
@pytest.mark.parametrize("build", [lambda role: MessageTemplate("x", role), GenerateTemplate])
def test_an_unknown_role_is_refused_when_the_template_is_built(build, role):
    with pytest.raises(ValueError, match="is no role; there are system, user, assistant, tool"):
        build(role)


def test_messages_are_logged_unless_a_template_says_otherwise(caplog, answering):
    tree = LinearTemplate([SystemTemplate("told"), SystemTemplate("secret", enable_logging=False), AssistantTemplate()])

    with caplog.at_level(logging.DEBUG, logger="antiphon"):
        Runner(answering("answer"), template=tree).run()

    text = caplog.text
    assert "linear/system-1 system: told" in text
    assert "linear/assistant-3 assistant: answer" in text
    assert "secret" not in text


def test_an_unnamed_root_and_a_child_with_an_id_may_be_called_alike():
    LinearTemplate([SystemTemplate("a", template_id="linear")])
