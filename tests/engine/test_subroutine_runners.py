"""Which runner serves a subroutine. Clauses 3 and 6 of what templates with models of their own must do."""

from __future__ import annotations

import pytest

from antiphon import (
    AssistantTemplate,
    BreakTemplate,
    EndTemplate,
    IfTemplate,
    LinearTemplate,
    LoopTemplate,
    Message,
    Runner,
    Session,
    SubroutineTemplate,
    UserTemplate,
)

ASKING = LinearTemplate([UserTemplate("Inside"), AssistantTemplate(template_id="inner")])


def test_clause_3_both_a_runner_and_a_model_are_refused(answering):
    with pytest.raises(ValueError, match=r"\ACannot set both runner and model - use one or the other\Z"):
        SubroutineTemplate(ASKING, runner=Runner(answering()), model=answering())


def test_clause_3_a_subroutines_own_runner_is_used_as_it_is(play, doing, answering):
    default, own = answering("outer"), answering("own")
    runner, seen = Runner(own), []
    tree = SubroutineTemplate(
        LinearTemplate([doing(lambda session: seen.append(session.runner)), ASKING]), runner=runner
    )

    session = play(Runner(default, template=tree))

    assert seen == [runner]
    assert seen[0].model is own
    assert (session.last.content, default.heard) == ("own", [])
    assert session.trace.calls[0].chosen_by == "subroutine-runner"


def test_clause_3_a_subroutines_own_runner_serves_without_a_parent_runner(rendered, answering):
    session = Session()

    rendered(SubroutineTemplate(ASKING, runner=Runner(answering("own"))), session)

    assert [message.content for message in session.messages] == ["own"]


def test_clause_3_a_subroutines_model_is_used_and_the_parents_user_interface_kept(play, saying, doing, answering):
    default, own, user, seen = answering("outer"), answering("own"), saying("I say"), []
    tree = SubroutineTemplate(
        LinearTemplate([doing(lambda session: seen.append(session.runner)), UserTemplate(), AssistantTemplate()]),
        model=own,
    )
    runner = Runner(default, user_interface=user)

    session = play(runner, template=tree)

    assert seen[0] is not runner
    assert seen[0].user_interface is user
    assert own.heard == [[("user", "I say")]]
    assert (session.last.content, session.last.model, default.heard) == ("own", "answering", [])
    assert session.trace.calls[0].chosen_by == "subroutine"


def test_clause_3_a_subroutines_model_works_without_a_parent_runner(rendered, doing, answering):
    own, seen, session = answering("own"), [], Session()

    rendered(SubroutineTemplate(LinearTemplate([doing(lambda s: seen.append(s.runner)), ASKING]), model=own), session)

    assert [message.content for message in session.messages] == ["own"]
    assert type(seen[0]) is Runner
    assert seen[0].user_interface is None
    assert session.runner is None


def test_clause_3_a_subroutine_with_a_model_keeps_the_class_and_attributes_of_the_parents_runner(
    play, doing, answering
):
    class Counting(Runner):
        limit = 3

        def __init__(self, model):
            super().__init__(model)
            self.options = {"limit": self.limit}

    seen = []
    runner = Counting(answering())

    play(runner, template=SubroutineTemplate(doing(lambda session: seen.append(session.runner)), model=answering()))

    assert type(seen[0]) is Counting
    assert seen[0].options == {"limit": 3}
    assert seen[0].options is not runner.options


def test_clause_3_a_subroutine_with_neither_gets_an_isolated_copy_of_the_parents_runner(play, saying, doing, answering):
    seen, user = [], saying()
    runner = Runner(answering("copied"), user_interface=user)

    session = play(
        runner,
        template=SubroutineTemplate(LinearTemplate([doing(lambda session: seen.append(session.runner)), ASKING])),
    )

    assert seen[0] is not runner
    assert seen[0].model is not runner.model
    assert seen[0].model.settings is not runner.model.settings
    assert seen[0].model.origin is runner.model
    assert seen[0].user_interface is user
    assert session.last.content == "copied"
    assert (session.trace.calls[0].origin, session.trace.calls[0].chosen_by) == (runner.model, "runner")


def test_clause_3_a_subroutine_with_neither_and_without_a_parent_runner_has_no_runner(rendered, answering):
    with pytest.raises(ValueError, match="runner is not set"):
        rendered(SubroutineTemplate(AssistantTemplate(model=answering())), Session())


def test_clause_3_a_models_name_is_accepted_and_something_else_refused_when_the_tree_is_built():
    assert SubroutineTemplate(ASKING, model="openai:gpt-4o-mini").model.name == "openai:gpt-4o-mini"
    with pytest.raises(TypeError, match="not int: 42"):
        SubroutineTemplate(ASKING, model=42)
    with pytest.raises(TypeError, match="runner takes a Runner, not str"):
        SubroutineTemplate(ASKING, runner="openai:gpt-4o-mini")


def test_clause_3_templates_in_a_subroutine_still_choose_models_of_their_own(play, answering):
    inner = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(model=answering(name="own"), template_id="own")])

    session = play(Runner(answering(), template=SubroutineTemplate(inner, model=answering(name="of the subroutine"))))

    assert session.trace.models == {"own": ["own"]}
    assert session.trace.calls[0].chosen_by == "template"


def test_clause_3_nested_subroutines_keep_the_model_of_the_outer_one_and_whose_choice_it_was(play, answering):
    own = answering("deep", name="own")
    tree = SubroutineTemplate(SubroutineTemplate(ASKING), model=own)

    session = play(Runner(answering("outer"), template=LinearTemplate([tree, AssistantTemplate(template_id="after")])))

    inner, after = session.trace.calls
    assert (inner.model, inner.chosen_by, inner.depth, inner.origin) == ("own", "subroutine", 2, own)
    assert (after.model, after.chosen_by, after.depth) == ("answering", "runner", 0)


def test_clause_3_the_model_of_a_subroutine_can_be_set_after_building(play, answering):
    tree = SubroutineTemplate(ASKING)
    tree.model = answering("set later")

    assert play(Runner(answering("outer"), template=tree)).last.content == "set later"


CONTROL = {
    "LinearTemplate": lambda **options: LinearTemplate([UserTemplate("Hi")], **options),
    "LoopTemplate": lambda **options: LoopTemplate([UserTemplate("Hi")], exit_loop_count=1, **options),
    "IfTemplate": lambda **options: IfTemplate(lambda session: True, UserTemplate("Hi"), **options),
    "BreakTemplate": BreakTemplate,
    "EndTemplate": EndTemplate,
}


@pytest.mark.parametrize("name", CONTROL)
@pytest.mark.parametrize("model", ["openai:gpt-4o-mini", None])
def test_clause_6_control_templates_refuse_a_model_and_say_what_to_do(name, model):
    with pytest.raises(TypeError) as caught:
        CONTROL[name](model=model)

    assert name in str(caught.value)
    assert "generating templates" in str(caught.value)
    assert "SubroutineTemplate" in str(caught.value)


@pytest.mark.parametrize("name", CONTROL)
def test_clause_6_control_templates_without_a_model_are_fine(name, play, answering):
    session = play(Runner(answering(), template=CONTROL[name]()), Session(messages=[Message(role="user", content="x")]))

    assert len(session.trace) == 0
