"""Recordable models in runs of pytest: where answers come from, budgets, faults, other models, and the commands."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_templates.commands.main import main

OWN = """
import os
import socket

from antiphon import Model, ModelSettings, Reply, Usage, connect
from antiphon.errors import RateLimitError
from program import *

class Own(Model):
    recordable = True
    name = "own"

    def _send(self, session):
        assert "NO_MODEL" not in os.environ, "the model was asked"
        usage = Usage(input_tokens=10, output_tokens=3)
        return Reply(session.last.content.upper(), usage=usage, finish_reason="stop")
"""


@pytest.fixture
def own(project: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A project with a model of its own; `own.replay()` runs its tests where the model cannot be asked."""
    project.file("own.py", OWN)

    def replay(*arguments: str) -> pytest.RunResult:
        monkeypatch.setenv("NO_MODEL", "1")
        return project.run(*arguments)

    project.replay = replay
    return project


def test_the_summary_says_where_the_answers_came_from(own: Any) -> None:
    own.tests(
        """
        from own import *

        @pytest.mark.llm_cassette
        @pytest.mark.parametrize("n", [1, 2])
        def test_it(n, llm_cassette, llm_trace):
            session = ask(Own())
            assert session.last.content == "HELLO."
            assert_models(session, {"answer": "own"})
            assert llm_trace.calls[0].usage.input_tokens == 10

        def test_without_a_cassette(monkeypatch):
            monkeypatch.delenv("NO_MODEL", raising=False)
            assert ask(Own()).last.content == "HELLO."
        """
    )

    recorded = own.run("--templates-record=missing", "--templates-summary")
    recorded.assert_outcomes(passed=3)
    own.says(recorded, "recorded", "2 recorded")
    replayed = own.replay("--templates-summary")
    replayed.assert_outcomes(passed=3)
    own.says(replayed, "cassette", "templates: 3 calls of 1 model, 39 tokens, $0.0000, 2 replayed")


def test_a_missing_recording_fails_the_test_also_where_the_program_swallows_it(own: Any) -> None:
    own.tests(
        """
        from own import *

        @pytest.mark.llm_cassette
        def test_it():
            swallow(ask, Own())
        """
    )

    result = own.replay()

    result.assert_outcomes(failed=1)
    own.says(
        result,
        "CassetteMiss: No recording for SEND model:own",
        "asked by  talk/answer (model own)",
        "pytest test_it.py::test_it --templates-record=missing",
    )


def test_an_error_of_the_model_is_not_recorded_and_the_run_says_so(own: Any) -> None:
    own.tests(
        """
        from own import *

        class Broken(Own):
            def _send(self, session):
                raise ConnectionResetError("gone")

        @pytest.mark.llm_cassette
        def test_it():
            with pytest.raises(ConnectionResetError):
                ask(Broken())
        """
    )

    result = own.run("--templates-record=missing")

    result.assert_outcomes(passed=1)
    own.says(result, "test_it.py::test_it: the call of talk/answer ended before its answer came: it is not recorded")


def test_a_budget_counts_replayed_calls_and_refuses_one_too_many(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    own.tests(
        """
        from own import *

        @pytest.mark.llm_cassette
        @pytest.mark.llm_budget(calls=int(os.environ["ALLOWED"]))
        def test_it():
            ask(Own())
            ask(Own())
        """
    )
    monkeypatch.setenv("ALLOWED", "2")
    own.run("--templates-record=missing").assert_outcomes(passed=1)
    own.replay().assert_outcomes(passed=1)
    monkeypatch.setenv("ALLOWED", "1")

    result = own.replay()

    result.assert_outcomes(failed=1)
    own.says(result, "BudgetExceeded", "a call of own was refused")


def test_a_spent_limit_stops_the_recording(own: Any) -> None:
    own.tests(
        """
        from own import *

        @pytest.mark.llm_cassette
        def test_it():
            ask(Own())
        """
    )

    result = own.run("--templates-record=missing", "--templates-max-cost=0")

    result.assert_outcomes(failed=1)
    own.says(result, "BudgetExceeded")


def test_a_fault_happens_over_replayed_calls(own: Any) -> None:
    own.tests(
        """
        from own import *

        @pytest.mark.llm_cassette
        def test_it(llm_faults):
            llm_faults.at("answer", faults.rate_limited(retry_after=60))
            llm_faults.at("answer", faults.truncated(after=3))
            with pytest.raises(RateLimitError):
                ask(Own())
            assert [ask(Own()).last.content for _ in range(2)] == ["HEL", "HELLO."]
        """
    )

    own.run("--templates-record=missing").assert_outcomes(passed=1)
    own.replay().assert_outcomes(passed=1)


def test_what_waits_for_a_replayed_rate_limit_takes_no_time(own: Any) -> None:
    own.tests(
        """
        import time
        from own import *

        class Limited(Own):
            def _send(self, session):
                if Limited.left:
                    Limited.left -= 1
                    raise RateLimitError("later", retry_after=30)
                return "fine"

        @pytest.mark.llm_cassette
        def test_it():
            Limited.left = 0 if "NO_MODEL" in os.environ else 1
            model, started = Limited(), time.perf_counter()
            try:
                ask(model)
            except RateLimitError as error:
                time.sleep(0 if "NO_MODEL" not in os.environ else error.retry_after)
            assert ask(model).last.content == "fine"
            assert time.perf_counter() - started < 10
        """
    )

    own.run("--templates-record=missing").assert_outcomes(passed=1)
    own.replay().assert_outcomes(passed=1)


def test_a_model_of_a_provider_beyond_http_is_replayed_without_package_and_key(
    own: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recording is that of a model object; a string names the same model, and nothing of it is loaded."""
    own.tests(
        """
        from own import *

        def recorded():
            class Grok(Own):
                name = "xai:grok-4"
            return Grok()

        @pytest.mark.llm_cassette
        def test_it():
            model = "xai:grok-4" if "NO_MODEL" in os.environ else recorded()
            session = Runner(model, template=talk()).run()
            assert session.last.content == "HELLO."
        """
    )
    monkeypatch.delenv("XAI_API_KEY", raising=False)

    own.run("--templates-record=missing").assert_outcomes(passed=1)
    result = own.replay("--templates-summary")

    result.assert_outcomes(passed=1)
    own.says(result, "xai:grok-4", "cassette", "1 replayed")


def test_a_connected_model_of_another_protocol_is_recorded_as_a_whole(own: Any, line_server: Any) -> None:
    own.tests(
        f"""
        import anyio
        import json
        from own import *
        from pydantic_ai.messages import ModelResponse, TextPart
        from pydantic_ai.models import Model as WireModel

        class Wire(WireModel):
            model_name, system = "grok-4", "xai"

            async def request(self, messages, model_settings, model_request_parameters):
                async with await anyio.connect_tcp(*{line_server.address!r}) as stream:
                    await stream.send(json.dumps({{"text": "Paris"}}).encode() + b"\\n")
                    said = (await stream.receive()).decode().strip()
                return ModelResponse(parts=[TextPart(said)], model_name="grok-4")

        @pytest.mark.llm_cassette
        def test_it():
            model = connect(Wire())
            session = ask(model)
            assert session.last.content == "PARIS"
            assert session.trace.calls[0].served_by == "grok-4"
            assert model.recordable
        """
    )

    own.run("--templates-record=missing").assert_outcomes(passed=1)
    assert line_server.reached == 1
    own.replay().assert_outcomes(passed=1)
    assert line_server.reached == 1


def test_a_model_that_http_reaches_may_be_recorded_as_a_whole(own: Any, chat_server: Any) -> None:
    own.tests(
        """
        from own import *

        @pytest.mark.llm_cassette
        def test_it(llm_cassette):
            model = real()
            assert model.recordable is False
            model.recordable = True
            session = ask(model)
            assert (session.last.content, session.trace.calls[0].served_by) == ("Answer 1.", "m-2024")
            assert [one.request.method for one in llm_cassette.requests] == ["SEND"]
        """
    )

    own.run("--templates-record=missing").assert_outcomes(passed=1)
    own.replay().assert_outcomes(passed=1)
    assert len(chat_server.asked) == 1


def test_what_a_recorded_model_asks_of_others_is_recorded_with_it(own: Any, chat_server: Any) -> None:
    own.tests(
        """
        from own import *

        class Asking(Own):
            name = "asking"

            def _send(self, session):
                return real().send(session).content + "!"

        @pytest.mark.llm_cassette
        def test_it():
            assert ask(Asking()).last.content == "Answer 1.!"
        """
    )

    recorded = own.run("--templates-record=missing", "--templates-summary")
    recorded.assert_outcomes(passed=1)
    own.says(recorded, "asking", "recorded", "1 recorded")
    own.replay().assert_outcomes(passed=1)
    assert len(chat_server.asked) == 1


SHOWN = """\
cassettes/test_it/test_it.yaml: 2 interactions, 20 tokens in, 6 out

1. talk/answer  own
   SEND model:own: status 200, 10 tokens in, 3 out
   user: Hello.
   => answer: HELLO.

2. talk/answer  own
   STREAM model:own: status 200, 10 tokens in, 3 out
   user: Hello.
   => answer: HELLO.
1 file checked, 0 problems found
"""


def test_the_commands_show_the_question_and_the_answer(own: Any, capsys: pytest.CaptureFixture[str]) -> None:
    own.tests(
        """
        from own import *

        @pytest.mark.llm_cassette
        def test_it():
            model = Own()
            model.settings = ModelSettings(temperature=0)
            ask(model)
            list(Runner(model, template=talk()).stream())
        """
    )
    own.run("--templates-record=missing").assert_outcomes(passed=1)

    capsys.readouterr()

    statuses = [main(["cassettes", command, *names]) for command, *names in (["show", "test_it"], ["check"])]

    assert statuses == [0, 0]
    assert capsys.readouterr().out == SHOWN


def test_attempts_are_recorded_and_replayed_each(own: Any) -> None:
    own.tests(
        """
        from own import *

        class Busy(Own):
            shared = frozenset({"refusals"})

            def __init__(self):
                self.refusals = [RateLimitError("slow down", retry_after=0.01)]

            def _send(self, session):
                if self.refusals:
                    raise self.refusals.pop()
                return super()._send(session)

        @pytest.mark.llm_cassette
        @pytest.mark.llm_budget(calls=1, input_tokens=10)
        def test_it(llm_cassette):
            session = ask(RetryingModel(Busy()))
            assert session.last.content == "HELLO."
            [call] = session.trace.calls
            print([type(inner.error).__name__ for inner in call.inner], "waited", call.waited)
        """
    )

    own.run("--templates-record=missing").assert_outcomes(passed=1)
    replayed = own.replay("-rA")

    replayed.assert_outcomes(passed=1)
    own.says(replayed, "['RateLimitError', 'NoneType'] waited 0.01\n")


def test_calls_at_the_same_time_each_say_that_they_were_recorded(own: Any) -> None:
    own.tests(
        """
        import asyncio
        from own import *

        class Late(Model):
            shared = frozenset({"answered"})

            def __init__(self, model):
                self.model, self.answered = model, asyncio.Barrier(2)

            def _send(self, session):
                raise NotImplementedError

            async def _asend(self, session):
                message = await self.model.asend(session)
                await self.answered.wait()
                return message

        async def both():
            runner = Runner(Late(Own()), template=AssistantTemplate(template_id="answer"))
            sessions = [Session(messages=[Message(role="user", content=text)]) for text in "ab"]
            await asyncio.gather(*map(runner.arun, sessions))

        @pytest.mark.llm_cassette
        def test_it():
            asyncio.run(both())
        """
    )

    result = own.run("--templates-record=missing", "--templates-record-check=off", "--templates-json=run.json")

    result.assert_outcomes(passed=1)
    assert (own.path / "run.json").read_text(encoding="utf-8").count('"source":"recorded"') == 3  # the test's, too
