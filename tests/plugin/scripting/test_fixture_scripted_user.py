"""A scripted user gives its answers in order, and nothing else."""

from __future__ import annotations

CONVERSATION = """
def question(description=None):
    return LinearTemplate([UserTemplate(description=description, template_id="request")], template_id="talk")

def conversation(user, times=1, description=None):
    runner = Runner(ScriptedModel(), user, question(description))
    return [runner.run().last.content for _ in range(times)]
"""


def test_each_question_takes_the_next_answer_sync_and_async(project):
    project.tests(
        CONVERSATION
        + """
import asyncio

def test_it(scripted_user):
    user = scripted_user("one", lambda session: f"{len(session.messages)} so far", "three")
    assert conversation(user, 2) == ["one", "0 so far"]
    assert user.remaining == 1
    assert asyncio.run(Runner(ScriptedModel(), user, question()).arun()).last.content == "three"
    user.assert_complete()
"""
    )

    assert project.outcomes() == {"passed": 1}


def test_a_subroutine_asks_the_same_user_and_the_guard_has_nothing_against_it(project):
    project.tests(
        """
def test_it(scripted_user, scripted_model):
    user = scripted_user("outside", "inside", "outside again")
    inner = LinearTemplate([UserTemplate(), AssistantTemplate()])
    template = LinearTemplate([UserTemplate(), SubroutineTemplate(inner, "sub"), UserTemplate()])
    session = Runner(scripted_model("answer"), user, template).run()
    assert [message.content for message in session.messages] == ["outside", "answer", "outside again"]
"""
    )

    assert project.outcomes() == {"passed": 1}


def test_an_answer_that_no_user_could_give_is_refused_at_once_with_its_place(project):
    project.tests(
        CONVERSATION
        + """
@pytest.mark.parametrize("answer", [5, None, ["a"], str, b"text", Reply(content="a")])
def test_refused(scripted_user, answer):
    with pytest.raises(TypeError, match="answer 2 of scripted_user is .*") as caught:
        scripted_user("fine", answer)
    assert "an answer is a text, or a function of the session that returns one" in str(caught.value)

def test_returned(scripted_user):
    with pytest.raises(TypeError, match="answer 1 of scripted_user, <function .*>, returned int, not text"):
        conversation(scripted_user(lambda session: 5))
"""
    )

    assert project.outcomes() == {"passed": 7}


def test_a_question_too_many_fails_with_the_template_and_what_it_wants(project):
    project.tests(
        CONVERSATION
        + """
def test_it(scripted_user):
    conversation(scripted_user("one"), 2, description="How can we help?")
"""
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *UnscriptedCall: scripted_user was asked by the template at 'talk/request' and its script is over*",
            "E *the template wants: How can we help[?]",
        ]
    )


def test_a_question_too_many_fails_the_test_also_where_the_program_swallows_it(project):
    project.tests(
        CONVERSATION
        + """
def test_it(scripted_user):
    swallow(conversation, scripted_user())
"""
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["UnscriptedCall: scripted_user was asked by the template at 'talk/request'*"])


def test_answers_that_are_left_fail_the_test_at_its_end(project):
    project.tests(
        CONVERSATION
        + """
def test_it(scripted_user):
    conversation(scripted_user("one", "two"))
"""
    )

    result = project.run()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["UnusedSteps: scripted_user was asked 1 *still holds 1 *", "*2. 'two'"])


def test_every_worker_gives_each_test_a_user_of_its_own(project):
    project.tests(
        CONVERSATION
        + """
@pytest.mark.parametrize("number", range(4))
def test_it(scripted_user, number):
    assert conversation(scripted_user(f"answer {number}")) == [f"answer {number}"]
"""
    )

    assert project.outcomes("-n2") == {"passed": 4}
