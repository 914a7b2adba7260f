"""assert_path: which templates a conversation went through, told as a table."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon import (
    AssistantTemplate,
    EndTemplate,
    IfTemplate,
    LinearTemplate,
    LoopTemplate,
    Message,
    Runner,
    Session,
    SubroutineTemplate,
    Template,
    Trace,
    UserTemplate,
)
from antiphon.errors import InvalidType
from pytest_templates import ScriptedModel, assert_path


def run(*templates: Template) -> Session:
    """A run of templates in the tree "desk"."""
    return Runner(ScriptedModel(*["said"] * 20), template=LinearTemplate(list(templates), template_id="desk")).run()


def asks(template_id: str | None = None) -> AssistantTemplate:
    return AssistantTemplate(template_id=template_id)


@pytest.fixture
def session() -> Session:
    """Triage, research by two templates in a subroutine, and an answer."""
    research = LinearTemplate([UserTemplate("?"), asks("look_up"), asks("summary")])
    return run(UserTemplate("Hello."), asks("triage"), SubroutineTemplate(research, "research"), asks("answer"))


def complaint(used: Session | Trace, expected: list[str]) -> list[list[str]]:
    """The cells of each line of the table that the failure shows."""
    with pytest.raises(AssertionError) as caught:
        assert_path(used, expected)
    first, *lines = str(caught.value).splitlines()
    assert first == "the conversation took another path"
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


@pytest.mark.parametrize(
    "path",
    [
        ["triage", "research/*", "answer"],
        ["triage", "research", "answer"],
        ["triage", "look_up", "summary", "answer"],
        ["triage", "research/*/look_up", "**/summary", "answer"],
        ["desk/triage", "desk/research/**", "desk/answer"],
        ["*", "research/linear-1/look_up", "summary", "answer"],
        ["desk"],
        ["**"],
    ],
)
def test_a_path_goes_by_ids_paths_and_globs(session, path):
    assert_path(session, path)
    assert_path(session.trace, tuple(path))


@pytest.mark.parametrize(
    "path",
    [
        [],
        ["triage", "answer"],
        ["triage", "research/look_up", "summary", "answer"],  # it lies deeper
        ["research/*", "triage", "answer"],
        ["triage", "research/*", "answer", "answer"],
        ["triage", "research/*", "answer", "farewell"],
        ["tri", "research/*", "answer"],
    ],
)
def test_another_path_is_not_taken_for_it(session, path):
    with pytest.raises(AssertionError):
        assert_path(session, path)


def test_the_failure_aligns_what_was_expected_and_gone_through(session):
    assert complaint(session, ["research/*", "check", "answer"]) == [
        ["expected", "gone through"],
        ["✗", "(not expected here)", "desk/triage"],
        ["research/*", "desk/research/linear-1/look_up"],
        ["desk/research/linear-1/summary"],
        ["✗", "check", "(not gone through here)"],
        ["answer", "desk/answer"],
        ["'check': no such template asked a model"],
    ]


def test_a_target_that_means_no_template_is_told_with_one_that_does(session):
    assert complaint(session, ["triag", "research", "answer"])[-1] == [
        "'triag': no such template asked a model; did you mean 'triage'?"
    ]


def test_calls_of_one_template_in_a_row_are_one_place(session):
    class Twice(AssistantTemplate):
        def _render(self, session):
            yield from self.ask(session)
            return (yield from super()._render(session))

    assert_path(run(UserTemplate("Hello."), Twice(template_id="twice")), ["twice"])
    with pytest.raises(AssertionError):
        assert_path(run(UserTemplate("Hello."), Twice(template_id="twice")), ["twice", "twice"])


def test_turns_of_a_loop_are_places_of_their_own_and_one_name_may_stand_for_all():
    session = run(
        LoopTemplate([UserTemplate("?"), asks("sort"), asks("answer")], exit_loop_count=2, template_id="turns")
    )

    assert_path(session, ["sort", "answer", "sort", "answer"])
    assert_path(session, ["turns@1", "turns@2/sort", "desk/turns/answer"])
    assert_path(session, ["turns"])
    assert_path(run(LoopTemplate([UserTemplate("?"), asks("a")], exit_loop_count=3)), ["a"])
    assert_path(run(LoopTemplate([UserTemplate("?"), asks("a")], exit_loop_count=3)), ["a"] * 3)


def test_an_id_is_known_where_its_template_stands_in_the_path_under_another_name():
    class Renaming(LinearTemplate):
        def _render(self, session):
            return (yield from self.include(self.templates[-1], session, "renamed"))

    session = run(UserTemplate("Hello."), Renaming([asks("answer")], template_id="inner"))

    assert_path(session, ["answer"])
    assert_path(session, ["inner/renamed"])


def test_templates_that_say_a_text_of_their_own_are_no_places():
    session = run(UserTemplate("Hello."), asks("a"), IfTemplate(lambda _: True, EndTemplate("Bye.")), asks("b"))

    assert_path(session, ["a"])


def test_calls_from_outside_of_templates_are_no_places(session):
    other = Session(messages=[Message(role="user", content="Hello.")])
    ScriptedModel("said").send(other)

    assert_path(Trace([*session.trace.calls, *other.trace.calls]), ["triage", "research", "answer"])
    assert_path(other, [])


def test_a_session_that_was_loaded_has_no_path(session):
    loaded = Session.model_validate_json(session.model_dump_json())

    assert complaint(loaded, ["triage"])[-1] == [
        "no template asked a model here; a session that was saved and loaded has no trace"
    ]


@pytest.mark.parametrize(
    ("used", "expected", "text"),
    [
        ("desk/triage", ["triage"], "takes a Trace or a Session, not str"),
        (Trace(), "triage", "takes a list of ids, paths and globs of paths, not str"),
        (Trace(), [asks("triage")], "named by its id or a glob of its path, not by AssistantTemplate"),
    ],
)
def test_what_is_no_path_is_refused(used: Any, expected: Any, text: str):
    with pytest.raises(InvalidType, match=text):
        assert_path(used, expected)


def test_tools_and_paths_are_asserted_async_and_under_xdist(project):
    project.tests(
        """
@tool
async def search(city: str) -> str:
    "Look for hotels."
    return "one in " + city

@pytest.mark.asyncio
@pytest.mark.parametrize("city", ["Oslo", "Bergen"])
async def test_trip(scripted_model, llm_trace, city):
    model = scripted_model(CallTool("search", city=city), "Done.")
    agent = ToolingTemplate([search], template_id="agent")
    await Runner(model, template=LinearTemplate([UserTemplate("Go."), agent], template_id="trip")).arun()
    assert_tools(llm_trace, [CallTool("search", city="Oslo")])
    assert_path(llm_trace, ["trip/*"])
"""
    )

    result = project.run("-n2")

    result.assert_outcomes(passed=1, failed=1)
    project.says(result, "search(city='Oslo')  search(city='Bergen')  city: 'Oslo' expected, 'Bergen' given")
