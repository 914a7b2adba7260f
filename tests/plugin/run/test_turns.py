"""Programs that hold a conversation by turns, and save it in between: what their tests see."""

from __future__ import annotations

import json

PROGRAM = """
def note(session):
    session.metadata["answers"] = session.metadata.get("answers", 0) + 1
    return session


research = LinearTemplate([UserTemplate("Research."), AssistantTemplate(template_id="found")])
answer = AssistantTemplate(template_id="answer", after_transform=note)
turns = LoopTemplate([UserTemplate(description="You"), answer], exit_loop_count=2)
chat = LinearTemplate([SystemTemplate("Be brief."), SubroutineTemplate(research, "research"), turns])


def hold(model, user):
    session = Runner(model, template=chat).advance(Session())
    while session.waiting_for is not None:
        session = Session.model_validate_json(session.model_dump_json())
        session = Runner(model, template=chat).advance(session, user.ask(session, session.waiting_for, None))
    return session


"""


def test_a_call_counts_once_however_often_it_is_played(project):
    project.tests(
        PROGRAM
        + """
@pytest.mark.llm_budget(calls=3)
def test_it(scripted_model, scripted_user, llm_trace):
    model = scripted_model("42", "Hello!", "Bye!")

    session = hold(model, scripted_user("Hi", "Bye"))

    assert session.metadata == {"answers": 2}
    assert len(model.calls) == len(llm_trace.calls) == len(session.trace.calls) == 3
    assert_models(session, {"found": model, "answer": model})
    assert_models(llm_trace, {"found": model, "answer": model})
"""
    )

    result = project.run("--templates-json=run.json", "--templates-coverage")

    result.assert_outcomes(passed=1)
    project.says(result, "templates: 3 calls of 1 model", "3 subroutines checked")
    report = json.loads((project.path / "run.json").read_text(encoding="utf-8"))
    assert report["totals"]["calls"] == 3
    assert [call["template_id"] for call in report["tests"][0]["calls"]] == ["found", "answer", "answer"]


def test_a_failure_shows_what_was_said_once(project):
    project.tests(
        PROGRAM
        + """
def test_it(scripted_model, scripted_user):
    hold(scripted_model("42", "Hello!", "Bye!"), scripted_user("Hi", "Bye"))
    assert False
"""
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    said = [line for line in result.outlines if line.startswith("│ ")]
    assert said == ["│ Be brief.", "│ Research.", "│ 42", "│ Hi", "│ Hello!", "│ Bye", "│ Bye!"]


def test_a_subroutine_is_guarded_in_every_turn(project):
    project.tests(
        PROGRAM
        + """
def spoil(session):
    if len(begun) == 2:
        begun[-1].metadata["spoilt"] = True
    return session


class Keeping(antiphon.Observer):
    def on_subroutine_enter(self, event):
        begun.append(event.parent)


begun = []
found = AssistantTemplate(template_id="found", before_transform=spoil)
research = SubroutineTemplate(found, "research", InheritSystemStrategy())
chat = LinearTemplate([SystemTemplate("Hi"), research, UserTemplate(), UserTemplate()])


def test_it(scripted_model):
    runner = Runner(scripted_model("42"), template=chat)
    with antiphon.observing(Keeping()):
        runner.advance(runner.advance(Session()), "Well?")
"""
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, "IsolationViolation", "metadata['spoilt']")


WAITING = """
ask = UserTemplate(description="Which one?", template_id="ask")
which = IfTemplate(lambda session: True, ask, template_id="which")
loop = LoopTemplate([UserTemplate("Again."), which], template_id="loop")


def test_it(scripted_model):
    runner = Runner(scripted_model(), template=loop)
    session = runner.advance(Session())
"""


def test_a_turn_that_waits_is_told_as_no_failure(project):
    project.tests(WAITING)

    result = project.run("--templates-json=run.json", "--templates-report=run.html")

    result.assert_outcomes(passed=1)
    (test,) = json.loads((project.path / "run.json").read_text(encoding="utf-8"))["tests"]
    assert [step["type"] for step in test["steps"]].count("template") == 4
    assert not [step for step in test["steps"] if step.get("error")]
    for name in ("run.json", "run.html"):
        assert "UserNeeded" not in (project.path / name).read_text(encoding="utf-8")


def test_a_turn_that_waits_has_taken_the_branches_that_it_went_into(project):
    project.tests(WAITING)

    result = project.run("--templates-coverage")

    result.assert_outcomes(passed=1)
    project.says(result, "never false", "never 1 turn", "never many turns")
    assert "never true" not in result.stdout.str()


def test_a_wait_in_the_second_turn_of_a_loop_has_taken_many(project):
    project.tests(WAITING + '    assert runner.advance(session, "This one.").waiting_for\n')

    result = project.run("--templates-coverage")

    result.assert_outcomes(passed=1)
    assert "many turns" not in result.stdout.str()
