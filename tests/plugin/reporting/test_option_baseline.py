"""--templates-baseline: the run compared with an earlier one."""

from __future__ import annotations

import pytest

TESTS = """
    def test_it(scripted_model):
        ask(scripted_model(Reply("one", usage=Usage(input_tokens={tokens}, output_tokens=5)), name="{model}"))

    def test_other():
        pass
"""


@pytest.fixture
def earlier(project):
    """An earlier run, in main.json."""
    project.tests(TESTS.format(tokens=100, model="large"))
    project.run("--templates-json=main.json").assert_outcomes(passed=2)
    return project


def test_the_run_is_shown_beside_the_earlier_one(earlier):
    earlier.tests(TESTS.format(tokens=200, model="small"))

    result = earlier.run("--templates-baseline=main.json", "-n1")

    assert result.ret == 0
    shown = [" ".join(line.split()) for line in result.outlines]
    assert shown[shown.index("baseline this run") + 1 :][:5] == [
        *("cost $0.0000 $0.0000", "tokens 105 205", "calls 1 1", "pass_rate 100.0% 100.0%"),
        "models answer asked small, and before large",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [(None, "main.json: the report cannot be read"), ("{}", "main.json is no report of --templates-json")],
)
def test_what_is_no_report_is_refused_before_any_test_runs(project, text, complaint):
    project.tests("def test_it():\n    print('ran')\n")
    if text is not None:
        project.file("main.json", text)

    result = project.run("--templates-baseline=main.json", "-s")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: --templates-baseline: {project.path}" in str(result.stderr)
    assert complaint in str(result.stderr)
    assert "ran" not in str(result.stdout)
