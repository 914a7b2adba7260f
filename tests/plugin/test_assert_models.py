"""assert_models: which template used which model, told as a table."""

from __future__ import annotations

import pytest

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Message,
    Runner,
    Session,
    SubroutineTemplate,
    Trace,
    UserTemplate,
)
from antiphon.errors import AntiphonError
from pytest_templates import ScriptedModel, assert_models


def scripted(name: str) -> ScriptedModel:
    return ScriptedModel(*["said"] * 9, name=name)


@pytest.fixture
def small() -> ScriptedModel:
    return scripted("small")


@pytest.fixture
def large() -> ScriptedModel:
    return scripted("large")


@pytest.fixture
def session(small, large) -> Session:
    """Two answers of the large model, one of the small one in a subroutine, one more by a template without an id."""
    look_up = LinearTemplate([UserTemplate("?"), AssistantTemplate(template_id="summary")])
    template = LinearTemplate(
        [
            UserTemplate("Hello."),
            AssistantTemplate(model=large, template_id="answer"),
            SubroutineTemplate(look_up, "research", model=small),
            AssistantTemplate(),
        ],
        template_id="talk",
    )
    return Runner(large, template=template).run()


def complaint(used, expected) -> list[list[str]]:
    """The cells of each line of the table that the failure shows."""
    with pytest.raises(AssertionError) as caught:
        assert_models(used, expected)
    first, *lines = str(caught.value).splitlines()
    assert first == "models are not as expected"
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


def test_models_and_names_are_both_accepted(session, small, large):
    assert_models(session, {"answer": large, "summary": small, "talk/assistant-4": large})
    assert_models(session.trace, {"answer": "large", "summary": "small", "talk/assistant-4": large})


def test_a_model_of_a_fork_is_the_model_it_was_copied_from(small):
    look_up = LinearTemplate([UserTemplate("?"), AssistantTemplate(template_id="summary")])
    session = Runner(small, template=SubroutineTemplate(look_up, "research")).run()

    assert_models(session, {"summary": small})


def test_the_failure_is_a_table_of_template_expected_used_and_why(session, small, large):
    assert complaint(session, {"answer": small, "summary": large, "talk/assistant-4": large}) == [
        ["template", "expected", "used", "chosen by"],
        ["✗", "answer", "small", "large", "the template's own model="],
        ["✗", "summary", "large", "small", "model= of the subroutine around it"],
        ["talk/assistant-4", "large", "large", "the runner's model"],
    ]


def test_a_template_that_called_a_model_must_be_named(session, small, large):
    rows = complaint(session, {"answer": large, "summary": small})

    assert rows[-1] == ["✗", "talk/assistant-4", "(not named)", "large", "the runner's model"]


def test_a_template_that_is_named_must_have_called_a_model(session, small, large):
    expected = {"answer": large, "summary": small, "talk/assistant-4": large, "triage": "openai:gpt-4o"}

    assert complaint(session, expected)[-1] == ["✗", "triage", "openai:gpt-4o", "(not called)"]


def test_every_call_of_a_template_must_be_of_its_model(session, small, large):
    session.trace.calls.extend([session.trace.calls[0]] * 2)
    session.trace.calls.append(session.trace.of("summary")[0])
    rows = complaint(session, {"answer": large, "summary": large, "talk/assistant-4": large})

    assert rows[1] == ["answer", "large", "large (x3)", "the template's own model= (x3)"]
    assert rows[2][3] == "small (x2)"


def test_two_models_of_one_name_are_two_models(session, small):
    rows = complaint(session, {"answer": scripted("large"), "summary": small, "talk/assistant-4": "large"})

    assert rows[1][:4] == ["✗", "answer", "large", "large"]


def test_a_call_from_outside_of_templates_is_named_by_an_empty_text(small):
    session = Session(messages=[Message(role="user", content="Hello.")])
    small.send(session)

    assert_models(session, {"": small})
    assert complaint(session, {}) == [
        ["template", "expected", "used", "chosen by"],
        ["✗", '""', "(not named)", "small", "code called the model itself"],
    ]


def test_nothing_was_called_and_nothing_expected():
    assert_models(Session(), {})
    assert_models(Trace(), {})


@pytest.mark.parametrize("used", [None, [], {"answer": ["small"]}])
def test_what_is_neither_a_trace_nor_a_session_is_refused(used):
    with pytest.raises(
        TypeError, match=f"assert_models takes a Trace or a Session, not {type(used).__name__}"
    ) as caught:
        assert_models(used, {})
    assert isinstance(caught.value, AntiphonError)


@pytest.mark.parametrize("model", [5, ["large"], None, ScriptedModel])
def test_an_expectation_that_is_neither_a_model_nor_a_name_is_refused_with_its_template(session, model):
    with pytest.raises(TypeError, match="answer"):
        assert_models(session, {"answer": model, "summary": "small", "talk/assistant-4": "large"})


def test_the_failure_shows_the_users_line_and_not_ours(project):
    project.tests(
        """
        def test_it(scripted_model, llm_trace):
            ask(scripted_model("one", name="small"))
            assert_models(llm_trace, {"answer": "large"})
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(
        result, '>       assert_models(llm_trace, {"answer": "large"})', "E            template  expected  used "
    )
    result.stdout.no_fnmatch_line("*assertions.py*")
