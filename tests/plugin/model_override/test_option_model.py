"""--templates-model: what is refused, and what is said."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_one_that_no_test_rendered_is_said(project, tests, reached, workers):
    tests(
        """
@pytest.mark.llm_cassette
def test_desk(real):
    desk(real()).run()

def test_other(scripted_model):
    ask(scripted_model("one"))
"""
    )

    result = project.run(
        *workers,
        "--templates-record=missing",
        "--templates-model=clasify=openai:small",
        "--templates-model=desk/classify=openai:small",
    )

    result.assert_outcomes(passed=2)
    lines = [line for line in result.outlines if "replaced no model" in line]
    reason = "no test rendered a template that asks a model at 'clasify'; did you mean 'classify'?"
    assert lines == [f"templates: --templates-model=clasify=openai:small replaced no model: {reason}"]


def test_nothing_is_said_where_no_test_ran(project, tests, reached):
    tests()

    project.run("--collect-only", "--templates-model=x=openai:small").stdout.no_fnmatch_line("*replaced*")


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("answer", "--templates-model=answer: it takes ID=MODEL, the id of a template or a glob of its path"),
        ("=openai:m", "--templates-model==openai:m: it takes ID=MODEL"),
        ("answer=", "--templates-model=answer=: it takes ID=MODEL"),
        ("answer=small", "--templates-model=answer=small: 'small' does not name a model"),
        ("answer=nobody:small", "--templates-model=answer=nobody:small: "),
        ("answer=local:large", "--templates-model=answer=local:large: there is no local model 'large'"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_before_any_test_runs(project, tests, value, complaint):
    project.tests("def test_it():\n    print('was run')\n")

    result = project.run("-s", f"--templates-model={value}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert complaint in str(result.stderr)
    assert "was run" not in str(result.stdout)


def test_a_missing_package_is_said_before_any_test_runs(project, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "groq", None)

    result = project.run("--templates-model=answer=groq:small")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "pip install" in str(result.stderr)


def test_a_key_is_needed_for_recording_and_not_for_a_replay(project, tests, reached, monkeypatch):
    tests()
    option = "--templates-model=answer=openai:small"
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    project.run("--templates-record=missing", option).assert_outcomes(passed=1)
    monkeypatch.delenv("OPENAI_API_KEY")

    project.run(option).assert_outcomes(passed=1)
    monkeypatch.delenv("OPENAI_BASE_URL")  # another server than OpenAI's may do without a key
    project.run("--templates-model=triage=openai:small").assert_outcomes(passed=1)
    refused = project.run("--templates-record=missing", option)

    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert "OPENAI_API_KEY" in str(refused.stderr)


def test_a_test_that_is_not_marked_for_real_models_goes_on_unchanged(project, tests, reached):
    project.tests(
        """
        class Echo(Model):
            def _send(self, session):
                return session.last.content

        def test_it(scripted_model, llm_trace):
            ask(Echo())
            ask(scripted_model("one"))
            assert llm_trace.models == {"answer": ["Echo", "scripted"]}
        """
    )

    result = project.run("--templates-model=answer=openai:small")

    result.assert_outcomes(passed=1)
    project.says(
        result,
        "templates: --templates-model=answer=openai:small replaced no model: ",
        "scripted models stay, and so do all models of tests that are marked neither llm_cassette nor llm_live",
    )
