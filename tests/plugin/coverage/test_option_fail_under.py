"""--templates-fail-under: how much of the templates and branches a run has to render."""

from __future__ import annotations

from typing import Any

import pytest

# By hand: the tree, its three children, the branch's template, and two branches are 7; 5 of them are rendered.
HALF = """
def test_it(scripted_model):
    never = IfTemplate(lambda session: False, AssistantTemplate(template_id="never"), template_id="branch")
    tree = LinearTemplate([UserTemplate("Hello."), AssistantTemplate(template_id="answer"), never], template_id="talk")
    Runner(scripted_model("Hi!"), template=tree).run()
"""


@pytest.mark.parametrize(("least", "status"), [("71", 0), ("71.5", 1), ("100", 1), ("0", 0)])
@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_a_run_that_renders_too_little_fails(project: Any, least: str, status: int, workers: list[str]) -> None:
    project.tests(HALF)

    result = project.run(f"--templates-fail-under={least}", *workers)

    assert result.ret == status
    result.stdout.fnmatch_lines(["5 of 7 templates and branches rendered (71%)"])
    if status:
        result.stdout.fnmatch_lines([f"--templates-fail-under={least} wants more"])


@pytest.mark.parametrize("given", ["-1", "101", "most", "nan", ""])
def test_what_is_no_percentage_is_refused(project: Any, given: str) -> None:
    result = project.run(f"--templates-fail-under={given}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--templates-fail-under: {given}: it takes a percentage, from 0 to 100"])


def test_a_run_that_renders_nothing_fails_where_anything_is_wanted(project: Any) -> None:
    project.tests("def test_nothing():\n    pass\n")

    result = project.run("--templates-fail-under=1")

    assert result.ret == 1
    result.stdout.fnmatch_lines(["no template was rendered"])
