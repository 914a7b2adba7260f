"""Which model answers a template. Clauses 1 and 2 of what templates with models of their own must do."""

from __future__ import annotations

import pytest

from antiphon import (
    AssistantTemplate,
    EndTemplate,
    GenerateTemplate,
    IfTemplate,
    LinearTemplate,
    LoopTemplate,
    Message,
    Runner,
    Session,
    SystemTemplate,
    UserTemplate,
)

BOTH = pytest.mark.parametrize("kind", [AssistantTemplate, lambda **options: GenerateTemplate("assistant", **options)])


@BOTH
def test_clause_1_a_templates_own_model_is_used_instead_of_the_runners(kind, play, answering):
    own, default = answering("own", name="own"), answering("default", name="default")

    session = play(Runner(default, template=LinearTemplate([UserTemplate("Hi"), kind(model=own)])))

    assert session.last.content == "own"
    assert session.last.model == "own"
    assert own.heard == [[("user", "Hi")]]
    assert default.heard == []


@BOTH
def test_clause_1_a_template_without_a_model_uses_the_runners(kind, play, answering):
    default = answering("default", name="default")

    session = play(Runner(default, template=LinearTemplate([UserTemplate("Hi"), kind()])))

    assert session.last.content == "default"
    assert session.last.model == "default"
    assert default.heard == [[("user", "Hi")]]


@BOTH
@pytest.mark.parametrize("has_model", [False, True], ids=["no-model", "own-model"])
def test_clause_1_generating_without_a_runner_says_that_the_runner_is_not_set(kind, has_model, rendered, answering):
    model = answering()
    template = kind(model=model if has_model else None)

    with pytest.raises(ValueError, match="runner is not set") as caught:
        rendered(template, Session(messages=[Message(role="user", content="Hi")]))

    assert str(caught.value) == "runner is not set"
    assert model.heard == []


def test_clause_1_a_session_that_has_a_runner_can_be_rendered_without_run(rendered, answering):
    session = Session(messages=[Message(role="user", content="Hi")], runner=Runner(answering("default")))

    rendered(LinearTemplate([AssistantTemplate(), AssistantTemplate(model=answering("own"))]), session)

    assert [message.content for message in session.messages] == ["Hi", "default", "own"]


def test_clause_1_the_model_of_a_template_can_be_set_and_taken_away_after_building(play, answering):
    template = AssistantTemplate(template_id="answer")
    runner = Runner(answering("default"), template=LinearTemplate([UserTemplate("Hi"), template]))

    template.model = answering("own")
    assert play(runner).last.content == "own"

    template.model = None
    assert play(runner).last.content == "default"


def test_clause_1_the_trace_says_whose_choice_each_model_was(play, answering):
    template = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(model=answering(name="own")), AssistantTemplate()])

    session = play(Runner(answering(name="default"), template=template))

    assert [(call.model, call.chosen_by) for call in session.trace.calls] == [
        ("own", "template"),
        ("default", "runner"),
    ]


def test_clause_1_a_template_that_names_the_runners_own_model_has_chosen_it(play, answering):
    model = answering()

    session = play(Runner(model, template=LinearTemplate([UserTemplate("Hi"), AssistantTemplate(model=model)])))

    assert [call.chosen_by for call in session.trace.calls] == ["template"]


def test_clause_2_three_models_in_one_tree_each_get_their_calls_with_what_was_said_before(play, answering):
    small = answering("billing", name="small")
    large = answering("first", "second", name="large")
    default = answering("Bye", name="default")
    tree = LinearTemplate(
        [
            SystemTemplate("Be brief."),
            UserTemplate("My bill"),
            AssistantTemplate(template_id="classify", model=small),
            LoopTemplate(
                [AssistantTemplate(template_id="answer", model=large)], exit_loop_count=2, template_id="turns"
            ),
            AssistantTemplate(template_id="close"),
        ],
        template_id="support",
    )

    session = play(Runner(default, template=tree))

    said = [("system", "Be brief."), ("user", "My bill")]
    assert small.heard == [said]
    said.append(("assistant", "billing"))
    assert large.heard == [said, [*said, ("assistant", "first")]]
    assert default.heard == [[*said, ("assistant", "first"), ("assistant", "second")]]
    assert session.trace.models == {"classify": ["small"], "answer": ["large", "large"], "close": ["default"]}
    assert [message.model for message in session.messages] == [None, None, "small", "large", "large", "default"]


def test_clause_2_three_models_in_branches_are_asked_only_where_they_are_reached(play, answering):
    yes, no, late = (answering(name=name) for name in ("yes", "no", "late"))
    tree = LinearTemplate(
        [
            UserTemplate("Hi"),
            IfTemplate(lambda session: True, AssistantTemplate(model=yes), AssistantTemplate(model=no)),
            EndTemplate(),
            AssistantTemplate(model=late),
        ]
    )

    play(Runner(answering(), template=tree))

    assert (len(yes.heard), len(no.heard), len(late.heard)) == (1, 0, 0)


@pytest.mark.parametrize("role", ["assistant", "user", "system"])
def test_the_role_of_a_generating_template_overrides_the_answers_role(role, play, answering):
    model = answering(Message(role="assistant", content="Well?", metadata={"kept": 1}))

    session = play(Runner(model, template=LinearTemplate([UserTemplate("Hi"), GenerateTemplate(role, model=model)])))

    assert (session.last.role, session.last.content, session.last.metadata) == (role, "Well?", {"kept": 1})


@pytest.mark.parametrize("given", [42, "", object(), [], b"openai:gpt-4o", type])
def test_what_is_no_model_is_refused_when_the_template_is_built_naming_what_was_given(given):
    with pytest.raises((TypeError, ValueError)) as caught:
        AssistantTemplate(model=given)

    assert repr(given) in str(caught.value)


def test_a_model_class_instead_of_a_model_is_refused(answering):
    with pytest.raises(TypeError, match="model takes a Model or a name"):
        AssistantTemplate(model=answering)


def test_a_name_is_taken_for_a_model_and_not_connected_before_it_is_asked():
    template = AssistantTemplate(model="openai:gpt-4o-mini")

    assert template.model.name == "openai:gpt-4o-mini"


def test_content_together_with_a_model_is_refused(answering):
    with pytest.raises(ValueError, match="asks no model"):
        AssistantTemplate("Hello", model=answering())
