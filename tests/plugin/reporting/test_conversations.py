"""What reports tell of a test: its conversation, step by step."""

from __future__ import annotations

TREE = """
def weather(city: str) -> str:
    "The weather."
    return f"fine in {city}"

def tree():
    look_up = LinearTemplate([UserTemplate("Look."), AssistantTemplate(template_id="summary")], template_id="within")
    return LinearTemplate(
        [
            UserTemplate("Hello."),
            AssistantTemplate(template_id="first"),
            SubroutineTemplate(look_up, "research"),
            LoopTemplate([UserTemplate("More?"), AssistantTemplate()], exit_loop_count=2, template_id="turns"),
            ToolingTemplate([weather], template_id="tools"),
        ],
        template_id="talk",
    )

def runner(scripted_model):
    answers = ("Hi.", "Found.", "one", "two", CallTool("weather", city="Rome"), "It is fine.")
    return Runner(scripted_model(*answers, name="small"), template=tree())
"""

DRAWN = """\
talk
  talk/user-1
    user: Hello.
  talk/first
    small is sent 0, answers 'Hi.'
    assistant: Hi.
  talk/research unchanged
    talk/research/within
      talk/research/within/user-1
        user: Look.
      talk/research/within/summary
        small is sent 2, answers 'Found.'
        assistant: Found.
  talk/turns
    talk/turns@1/user-1
      user: More?
    talk/turns@1/assistant-2
      small is sent 0 1 3 4, answers 'one'
      assistant: one
    talk/turns@2/user-1
      user: More?
    talk/turns@2/assistant-2
      small is sent 0 1 3 4 5 6, answers 'two'
      assistant: two
  talk/tools
    small is sent 0 1 3 4 5 6 7, answers ''
    assistant:  asks for weather
    weather {'city': 'Rome'} gives fine in Rome
    tool: fine in Rome
    small is sent 0 1 3 4 5 6 7 8 9, answers 'It is fine.'
    assistant: It is fine."""


def test_a_conversation_is_told_step_by_step_however_it_is_run(project, report_of, drawn):
    project.tests(
        TREE
        + """
import asyncio

def test_run(scripted_model):
    runner(scripted_model).run()

def test_iter(scripted_model):
    for _ in runner(scripted_model).iter():
        pass

def test_stream(scripted_model):
    for _ in runner(scripted_model).stream():
        pass

def test_arun(scripted_model):
    asyncio.run(runner(scripted_model).arun())

def test_aiter(scripted_model):
    async def main():
        async for _ in runner(scripted_model).aiter():
            pass
    asyncio.run(main())

def test_astream(scripted_model):
    async def main():
        async for _ in runner(scripted_model).astream():
            pass
    asyncio.run(main())
"""
    )

    tests = report_of()["tests"]

    assert len(tests) == 6
    for test in tests:
        assert drawn(test) == DRAWN, test["nodeid"]
        assert len(test["messages"]) == 11  # the subroutine's answer is said once
    template, said = tests[0]["steps"][:2]
    assert (template["kind"], template["template_id"], template["subroutine"]) == ("LinearTemplate", "talk", False)
    assert (template["file"], template["seconds"] >= said["seconds"] > 0) == ("test_it.py", True)
    assert tests[0]["messages"][1].items() >= {"path": "talk/first", "model": "small", "role": "assistant"}.items()
    assert (tests[0]["file"], tests[0]["worker"], tests[0]["failure"]) == ("test_it.py", None, None)


def test_conversations_at_the_same_time_are_told_apart(project, report_of, drawn):
    project.tests(
        TREE
        + """
import asyncio
from concurrent.futures import ThreadPoolExecutor

def test_tasks(scripted_model):
    async def main():
        await asyncio.gather(*(runner(scripted_model).arun() for _ in range(3)))
    asyncio.run(main())

def test_threads(scripted_model):
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda one: one.run(), [runner(scripted_model) for _ in range(3)]))
"""
    )

    alone = [line.split(" is sent")[0] for line in DRAWN.splitlines()]
    for test in report_of()["tests"]:
        assert len(test["messages"]) == 33
        lines = drawn(test).splitlines()
        assert [line.split(" is sent")[0] for line in lines] == alone * 3
        places = [line.split("is sent ")[1].split(",")[0].split() for line in lines if "is sent" in line]
        assert [len(one) for one in places] == [1, 1, 4, 6, 7, 9] * 3
        assert len({place for one in places for place in one}) == 33 - 3  # the last answer is sent to nobody


def test_what_a_program_asks_by_itself_is_told(project, report_of, drawn):
    project.tests(
        """
        def test_it(scripted_model):
            model, session = scripted_model("a", "b", name="m"), Session()
            for question in ("one", "two"):
                session.append(Message(role="user", content=question))
                session.append(model.send(session))
        """
    )

    [test] = report_of()["tests"]

    assert drawn(test).splitlines() == [
        "user: one",
        "m is sent 0, answers 'a'",
        "assistant: a",
        "user: two",
        "m is sent 0 1 2, answers 'b'",
    ]


def test_templates_and_calls_in_a_tool_are_told_in_it(project, report_of, drawn):
    project.tests(
        """
        import asyncio

        def test_it(scripted_model):
            judge, inner = scripted_model("9", name="judge"), scripted_model("deep", name="inner")

            async def rate(text: str) -> str:
                "Rate."
                return (await judge.asend(Session(messages=[Message(role="user", content=text)]))).content

            async def dig(text: str) -> str:
                "Dig."
                await asyncio.sleep(0.01)
                return (await Runner(inner, template=talk()).arun()).last.content

            model = scripted_model([CallTool("dig", text="x"), CallTool("rate", text="y")], "Done.", name="outer")
            asyncio.run(Runner(model, template=ToolingTemplate([rate, dig], template_id="tools")).arun(
                Session(messages=[Message(role="user", content="Go.")])
            ))
        """
    )

    [test] = report_of()["tests"]

    assert drawn(test).splitlines() == [
        "user: Go.",
        "tools",
        "  outer is sent 0, answers ''",
        "  assistant:  asks for dig asks for rate",
        "  dig {'text': 'x'} gives deep",
        "    talk",
        "      talk/user-1",
        "        user: Hello.",
        "      talk/answer",
        "        inner is sent 4, answers 'deep'",
        "        assistant: deep",
        "  rate {'text': 'y'} gives 9",
        "    user: y",
        "    judge is sent 2, answers '9'",
        "  tool: deep",
        "  tool: 9",
        "  outer is sent 0 1 6 7, answers 'Done.'",
        "  assistant: Done.",
    ]


def test_a_run_that_is_left_in_the_middle_is_told_as_far_as_it_came(project, report_of, drawn):
    project.tests(
        TREE
        + """
kept = []

def test_left(scripted_model):
    steps = Runner(scripted_model("Hi.", name="small"), template=tree()).iter()
    kept.append(steps)
    assert [next(steps).content for _ in range(3)] == ["Hello.", "Hi.", "Look."]
    scripted_model("aside", name="other").send(Session(messages=[Message(role="user", content="By the way.")]))

def test_next(scripted_model):
    for steps in kept:
        steps.close()
    ask(scripted_model("fine"))
"""
    )

    left, following = report_of()["tests"]

    assert drawn(left).splitlines() == [
        "talk",
        *DRAWN.splitlines()[1:6],
        "  talk/research",
        "    talk/research/within",
        "      talk/research/within/user-1",
        "        user: Look.",
        "user: By the way.",
        "other is sent 3, answers 'aside'",
    ]
    assert drawn(following).splitlines()[0] == "talk"
    assert "research" not in drawn(following)


def test_subroutines_tell_what_the_guard_saw_of_them(project, report_of):
    project.tests(
        """
        def test_it(scripted_model):
            notes = []
            research(scripted_model("one"), lambda child: notes.append("x") or child, {"notes": notes})
            research(scripted_model("two"))
        """
    )

    def seen(*options: str) -> list[tuple[str | None, str | None]]:
        steps = report_of(*options)["tests"][0]["steps"]
        return [(step["isolation"], step["violation"]) for step in steps if step.get("subroutine")]

    (changed, text), unchanged = seen()
    assert (changed, unchanged) == ("changed", ("unchanged", None))
    assert "the subroutine at 'research' changed its parent:\n  metadata['notes'][0] was added: 'x'" in text
    assert [what for what, _ in seen("--templates-isolation=precise")] == ["changed", "unchanged"]
    assert seen("--templates-isolation=off") == [(None, None), (None, None)]


def test_what_a_strategy_asks_and_makes_is_told_in_its_subroutine(project, report_of, drawn):
    project.tests(
        """
        from antiphon import SquashStrategy

        class Summary(SquashStrategy):
            def squash(self, messages):
                return [Message(role="assistant", content=f"{len(messages)} messages")]

        def test_it(scripted_model):
            inner = LinearTemplate([UserTemplate("Look."), AssistantTemplate()], template_id="within")
            looked_up = SubroutineTemplate(inner, "research", squash_strategy=Summary())
            Runner(scripted_model("one", "two"), template=LinearTemplate([looked_up, AssistantTemplate()])).run()
        """
    )

    [test] = report_of()["tests"]

    assert drawn(test).splitlines() == [
        "linear",
        "  linear/research unchanged",
        "    linear/research/within",
        "      linear/research/within/user-1",
        "        user: Look.",
        "      linear/research/within/assistant-2",
        "        scripted is sent 0, answers 'one'",
        "        assistant: one",
        "    assistant: 2 messages",
        "  linear/assistant-2",
        "    scripted is sent 2, answers 'two'",
        "    assistant: two",
    ]


def test_tools_that_cannot_be_run_and_faults_are_told(project, report_of, drawn):
    project.tests(
        """
        from pytest_templates import faults

        def look(key: str) -> str:
            "Look."
            raise KeyError(key)

        def test_tools(scripted_model):
            calls = [CallTool("nope"), CallTool("look", key="x"), CallTool("look")]
            session = Session(messages=[Message(role="user", content="Go.")])
            Runner(scripted_model(calls, "Done."), template=ToolingTemplate([look], template_id="tools")).run(session)

        def test_faults(scripted_model, llm_faults):
            llm_faults.at("talk/answer", faults.truncated(after=3))
            ask(scripted_model("A long answer."))
            swallow(ask, scripted_model(Fail(faults.empty())))
            swallow(ask, scripted_model(lambda session: Fail(faults.timeout())))
            ask(scripted_model("fine"))
        """
    )

    tools, faults = report_of()["tests"]

    lines = drawn(tools).splitlines()
    assert [line.split(" gives ")[0] for line in lines[4:10]] == [
        "  nope {}",
        "  tool: Error: InvalidValue: there is no tool 'nope'; there are look",
        "  look {'key': 'x'}",
        "  tool: Error: KeyError: 'x'",
        "  look {}",
        "  tool: Error: key: Field required",
    ]
    errors = [step["error"] for step in tools["steps"] if step["type"] == "tool"]
    assert [error.partition(":")[0] for error in errors] == ["InvalidValue", "KeyError", "ValidationError"]
    assert [call["fault"] for call in faults["calls"]] == ["truncated(after=3)", "empty()", "timeout()", None]


def test_what_was_waited_between_attempts_is_told_with_the_call(project, report_of):
    project.tests(
        """
        from antiphon import RetryingModel
        from pytest_templates import faults

        def test_it(scripted_model):
            model = scripted_model(Fail(faults.server_error(503)), Fail(faults.timeout()), "fine", "at once")
            retrying = RetryingModel(model, wait=2.5)
            ask(retrying)
            ask(retrying)
        """
    )

    (test,) = report_of()["tests"]

    assert [(call["waited"], call["inner"]) for call in test["calls"]] == [(5.0, ["scripted"] * 3), (0.0, ["scripted"])]


def test_a_fault_is_told_of_the_call_whose_model_met_it_in_a_task_or_thread_of_its_own(project, report_of):
    project.tests(
        """
        import asyncio
        from concurrent.futures import ThreadPoolExecutor
        from contextvars import copy_context
        from pytest_templates import faults

        class Patient(Model):
            name = "patient"

            def __init__(self, model):
                self.model = model

            def _send(self, session):
                with ThreadPoolExecutor() as pool:
                    return pool.submit(copy_context().run, self.model.send, session).result()

            async def _asend(self, session):
                return await asyncio.wait_for(asyncio.create_task(self.model.asend(session)), 5)

        def test_it(scripted_model):
            model = Patient(scripted_model(Fail(faults.empty()), Fail(faults.truncated(after=3)), "fine"))
            asyncio.run(Runner(model, template=talk()).arun())
            ask(model)
            ask(model)
        """
    )

    (test,) = report_of()["tests"]

    assert [call["fault"] for call in test["calls"]] == ["empty()", "truncated(after=3)", None]
