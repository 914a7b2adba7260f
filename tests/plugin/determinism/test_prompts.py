"""--templates-twice names prompts that are not the same in a second run, and what to do about them."""

from __future__ import annotations

import pytest

REMEDIES = {
    "say('It is {{ now }}.', now=datetime.now())": "It holds a time",
    "say('Today is {{ day }}.', day=date.today())": "It holds a time",
    "say('{{ day }}!', day=date.today().strftime('%A, %d %B'))": "It holds a time",
    "say('{{ time }}', time=time.time())": "It holds a time",
    "say('Ticket {{ id }}', id=random.random())": "or another number",
    "say('Ticket {{ id }}', id=uuid.uuid4())": "It holds a random id",
    "say('Ticket {{ id }}', id=uuid.uuid4().hex)": "It holds a random id",
    "say('About {{ order }}', order=Order())": "It holds the address of an object",
    "say('{{ tags }}', tags={*'abcdefghij'})": "the same words in another order, as a set does: sort them",
    "say(', '.join({*'abcdefghij'}))": "the same words in another order, as a set does: sort them",
    "say(f'{uuid.uuid4()} at {datetime.now()}')": "Freeze the time, sort what is a set",
}


@pytest.mark.usefixtures("unforked")
def test_a_prompt_that_is_not_deterministic_is_named_with_its_remedy(project, twice):
    result = twice("".join(f"def test_{place}():\n    {call}\n\n" for place, call in enumerate(REMEDIES)))

    assert result.parseoutcomes() == {"passed": len(REMEDIES), "errors": len(REMEDIES)}
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    for place, remedy in enumerate(REMEDIES.values()):
        project.says(
            result,
            f" ERROR at teardown of test_{place} ",
            "NotDeterministic: the prompt of talk/answer is not the same in a second run (- first, + second):",
            "message 1: the same",
            "message 2 (user):",
            remedy,
            "The second run was another process, with PYTHONHASHSEED=",
        )
    project.says(result, "11 tests run twice, 11 not deterministic")


def test_prompts_that_are_the_same_are_counted(project, twice):
    result = twice(
        """
def test_sorted():
    say(', '.join(sorted({*'abcdefghij'})))

@pytest.mark.parametrize("city", ["Oslo", "Rome"])
def test_seeded(city):
    say('{{ city }} {{ id }}', city=city, id=random.Random(1).random())
"""
    )

    assert result.parseoutcomes() == {"passed": 3}
    assert result.ret == pytest.ExitCode.OK
    project.says(result, "templates: running 3 tests a second time", "3 tests run twice, 0 not deterministic")


def test_what_is_said_in_between_has_a_line_of_its_own(project, twice):
    result = twice("def test_it():\n    say('Hello.')\n", "-q")

    assert "templates: running 1 test a second time" in result.outlines


def test_the_words_that_differ_are_marked(project, twice):
    result = twice("def test_it():\n    say(f'You are on {date.today():%A}, are you not?')\n")

    assert "You are on [" in str(result.stdout)
    assert "day], are you not?" in str(result.stdout)


def test_calls_that_follow_are_counted_only(project, twice):
    result = twice(
        """
def test_it():
    model = ScriptedModel("Yes.", "Yes.", "Yes.")
    turns = LoopTemplate([talk_about("{{ id }}")], template_id="turns", exit_loop_count=3)
    Runner(model, template=turns).run(Session(metadata={"id": uuid.uuid4()}))
"""
    )

    project.says(result, "the prompt of turns@1/talk/answer is not", "and 2 calls more, which may follow from this one")


def test_a_call_that_one_run_alone_makes_is_named(project, twice):
    result = twice(
        """
def test_it():
    say("Hello.")
    if "PYTHONHASHSEED" not in os.environ:
        say("Hello again.")
""",
        "-v",
    )

    project.says(result, "NotDeterministic: talk/answer asked a model in the first run only")


def test_what_is_asked_at_the_same_time_may_come_in_any_order(twice):
    result = twice(
        """
import asyncio

@pytest.mark.asyncio
async def test_it():
    model = ScriptedModel(*["Yes."] * 8)
    sessions = [Session(metadata={"number": number}) for number in range(8)]
    random.shuffle(sessions)
    await asyncio.gather(*(Runner(model, template=talk_about("{{ number }}")).arun(one) for one in sessions))
"""
    )

    assert result.parseoutcomes() == {"passed": 1}


def test_secrets_are_hidden(project, twice, monkeypatch):
    monkeypatch.setenv("SHOP_API_KEY", "correct-horse-battery")

    result = twice("def test_it():\n    say(f'{os.environ[\"SHOP_API_KEY\"]} {uuid.uuid4()}')\n")

    project.says(result, "NotDeterministic: ", "It holds a random id")
    assert "correct-horse" not in str(result.stdout)
