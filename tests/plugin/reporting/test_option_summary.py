"""What is said at the end of a run: one line always, and the table with --templates-summary."""

from __future__ import annotations

from itertools import takewhile

import pytest

TESTS = """
from decimal import Decimal

def priced(text):
    return Reply(content=text, usage=Usage(input_tokens=1000, output_tokens=200, cost=Decimal("0.0125")))

@pytest.mark.parametrize("number", range(4))
def test_priced(scripted_model, number):
    ask(scripted_model(priced("one"), name="small"))

def test_research(scripted_model):
    research(scripted_model("two", name="large"))

def test_direct(scripted_model):
    scripted_model("three", name="large").send(Session(messages=[Message(role="user", content="Hello.")]))

class Echo(Model):
    def _send(self, session):
        return session.last.content

def test_another_model():
    ask(Echo())
"""
LINE = "templates: 7 calls of 3 models, 4,800 tokens, $0.0500, 1 subroutine checked"


def table(result) -> list[list[str]]:
    """The cells of the table, line by line."""
    lines = str(result.stdout).splitlines()
    start = next(number for number, line in enumerate(lines) if line.strip("= ") == "templates")
    body = takewhile(lambda line: not line.startswith("templates:"), lines[start + 1 :])
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in body]


def test_a_run_that_calls_models_ends_with_one_line(project):
    project.tests(TESTS)

    result = project.run()

    assert str(result.stdout).splitlines().count(LINE) == 1
    result.stdout.no_fnmatch_line("*answers from*")


def test_a_run_that_calls_no_model_says_nothing(project):
    project.tests("def test_it():\n    pass\n")

    result = project.run()

    result.stdout.no_fnmatch_line("*templates:*")


def test_the_table_adds_up_calls_tokens_and_cost_by_template_and_model(project):
    project.tests(TESTS)

    result = project.run("--templates-summary")

    assert table(result) == [
        ["template", "model", "calls", "tokens in", "tokens out", "cost", "answers from"],
        ["answer", "small", "4", "4,000", "800", "$0.0500", "script"],
        ["summary", "large", "1", "0", "0", "$0.0000", "script"],
        ["code outside of templates", "large", "1", "0", "0", "$0.0000", "script"],
        ["answer", "Echo", "1", "0", "0", "$0.0000", "model"],
    ]
    assert LINE in str(result.stdout)


def test_the_line_and_the_table_add_up_over_workers(project):
    project.tests(TESTS)

    result = project.run("-n2", "--templates-summary")

    assert str(result.stdout).splitlines().count(LINE) == 1
    assert min(table(result)[1:]) == ["answer", "Echo", "1", "0", "0", "$0.0000", "model"]
    assert ["answer", "small", "4", "4,000", "800", "$0.0500", "script"] in table(result)


def test_the_table_of_a_run_that_calls_no_model_says_so(project):
    project.tests("def test_it():\n    pass\n")

    result = project.run("--templates-summary")

    result.stdout.fnmatch_lines(["=* templates =*", "no model was called"])


def test_calls_of_failed_tests_and_of_fixtures_count(project):
    project.tests(
        """
        @pytest.fixture
        def greeted(scripted_model):
            ask(scripted_model("one"))
            yield
            ask(scripted_model("two"))

        def test_fails(greeted):
            assert False

        def test_call_fails(scripted_model):
            ask(scripted_model(KeyError("gone")))

        @pytest.fixture
        def broken(scripted_model):
            ask(scripted_model("three"))
            raise KeyError("gone")

        def test_setup_fails(broken):
            pass
        """
    )

    result = project.run()

    result.assert_outcomes(failed=2, errors=1)
    result.stdout.fnmatch_lines(["templates: 4 calls of 1 model, *"])


def test_an_unknown_price_of_a_real_model_is_said(project, chat_server):
    project.tests(
        """
        import os

        @pytest.mark.llm_cassette
        def test_it():
            ask(connect("openai:m", base_url=os.environ["CHAT_URL"], api_key="x"))
        """
    )

    recorded = project.run("--templates-record=missing", "--templates-summary")
    replayed = project.run("--templates-summary")

    line = "templates: 1 call of 1 model, 13 tokens, cost of 1 call unknown, 1"
    project.says(recorded, f"{line} recorded")
    project.says(replayed, f"{line} replayed")
    assert table(recorded)[1] == ["answer", "openai:m", "1", "10", "3", "unknown", "recorded"]
    assert table(replayed)[1] == ["answer", "openai:m", "1", "10", "3", "unknown", "cassette"]


def test_the_table_tells_replayed_answers_from_recorded_ones_within_a_test(project, chat_server):
    project.tests(
        """
        import os
        ROUNDS = [("first", "Hi."), ("second", "Hello.")]

        @pytest.mark.llm_cassette
        def test_it():
            model = connect("openai:m", base_url=os.environ["CHAT_URL"], api_key="x")
            for name, text in ROUNDS:
                talk = LinearTemplate([UserTemplate(text), AssistantTemplate(template_id=name)])
                Runner(model, template=talk).run()
        """
    )
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    test = project.path / "test_it.py"
    test.write_text(test.read_text().replace("Hi.", "Good evening."))

    result = project.run("--templates-record=missing", "--templates-summary")

    result.assert_outcomes(passed=1)
    assert [(line[0], line[-1]) for line in table(result)[1:]] == [("first", "recorded"), ("second", "cassette")]


def test_what_the_program_sends_beside_a_replayed_call_is_none_of_its_own(project, chat_server):
    project.tests(
        """
        import json, os
        from urllib.request import Request, urlopen
        BESIDE = None

        @pytest.mark.llm_cassette
        def test_it():
            if BESIDE:
                body = {"messages": [{"role": "user", "content": BESIDE}]}
                url = os.environ["CHAT_URL"] + "/chat/completions"
                urlopen(Request(url, json.dumps(body).encode(), {"content-type": "application/json"}))
            ask(connect("openai:m", base_url=os.environ["CHAT_URL"], api_key="x"))
        """
    )
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    test = project.path / "test_it.py"
    test.write_text(test.read_text().replace("BESIDE = None", "BESIDE = 'Good evening.'"))

    result = project.run("--templates-record=missing", "--templates-summary")

    result.assert_outcomes(passed=1)
    assert chat_server.asked == ["Hello.", "Good evening."]
    assert [(line[0], line[-1]) for line in table(result)[1:]] == [("answer", "cassette")]


def test_a_value_is_refused(project):
    result = project.run("--templates-summary=short")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--templates-summary: ignored explicit argument 'short'" in str(result.stderr)


def test_the_line_counts_recordings_before_subroutines(project, record):
    record("yes", "Hello.")
    project.tests(
        """
        import httpx

        @pytest.mark.llm_cassette("yes")
        def test_it(scripted_model):
            research(scripted_model("one"))
            asked = {"model": "small", "messages": [{"role": "user", "content": "Hello."}]}
            httpx.post("http://chat.test/v1/chat/completions", json=asked)
        """
    )

    result = project.run()

    line = "templates: 1 call of 1 model, 0 tokens, $0.0000, 1 replayed, 1 of these by code outside of templates, 1 sub"
    project.says(result, line)  # a client that is used without the engine makes no calls
