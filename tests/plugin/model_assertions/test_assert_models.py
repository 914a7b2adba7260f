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

    assert rows[1][:4] == ["✗", "answer", "large (1)", "large (2)"]
    assert rows[-1] == [
        "two models called 'large': (1) expected for 'answer', (2) called by 'answer'; give each a name of its own"
    ]


def test_many_models_of_one_name_are_told_apart_by_where_they_are(session, small, large):
    expected = {"answer": scripted("large"), "summary": small, "talk/assistant-4": [large, scripted("large")]}

    *_, note = complaint(session, expected)

    places = "(1) expected for 'answer', (2) expected for 'talk/assistant-4', (3) expected for 'talk/assistant-4'"
    assert note == [f"3 models called 'large': {places}; give each a name of its own"]


def test_a_call_from_outside_of_templates_is_named_by_an_empty_text(small):
    session = Session(messages=[Message(role="user", content="Hello.")])
    small.send(session)

    assert_models(session, {"": small})
    assert complaint(session, {}) == [
        ["template", "expected", "used", "chosen by"],
        ["✗", '""', "(not named)", "small", "code called a model of its own"],
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


WRONG = {
    "a number": (5, "int: 5"),
    "nothing": (None, "NoneType: None"),
    "a class": (ScriptedModel, "ScriptedModel()"),
    "an empty list": ([], "list: []"),
    "an empty set": (set(), "set: set()"),
    "a list with something else": (["large", 5], "list: ['large', 5]"),
    "a list of lists": ([["large"]], "list: [['large']]"),
    "a mapping": ({"large": 1}, "dict: {'large': 1}"),
    "an iterator": (iter("large"), "str"),
}


@pytest.mark.parametrize(("models", "shown"), WRONG.values(), ids=WRONG)
def test_what_is_no_model_is_refused_with_its_template(session, models, shown):
    with pytest.raises(TypeError, match=r"'answer' is expected to use a model, .* not ") as caught:
        assert_models(session, {"answer": models, "summary": "small", "talk/assistant-4": "large"})
    assert isinstance(caught.value, AntiphonError)
    assert shown in str(caught.value)


@pytest.mark.parametrize("expected", [None, ["answer"], {5: "large"}])
def test_what_names_no_template_is_refused(session, expected):
    with pytest.raises(TypeError, match=r"NoneType: None|list: \['answer'\]|int: 5") as caught:
        assert_models(session, expected)
    assert isinstance(caught.value, AntiphonError)


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
