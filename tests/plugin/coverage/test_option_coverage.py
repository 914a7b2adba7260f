"""--templates-coverage: which templates and branches no test rendered."""

from __future__ import annotations

from typing import Any

import pytest

PROGRAM = """
from antiphon import *

@tool
def weather(city: str) -> str:
    "Tells the weather."
    return city

@tool
def clock(city: str) -> str:
    "Tells the time."
    return city

def is_urgent(session):
    return session.metadata.get("urgent", False)

quick = AssistantTemplate(template_id="quick")
again = AssistantTemplate(template_id="again")
stop = IfTemplate(lambda session: "x" in session.last.content, BreakTemplate(template_id="leave"), template_id="enough")
research = SubroutineTemplate(
    LinearTemplate([UserTemplate("Look it up."), AssistantTemplate(template_id="summary")]), "research"
)
desk = LinearTemplate(
    [
        UserTemplate("Hello."),
        IfTemplate(is_urgent, quick, template_id="urgent"),
        LoopTemplate([again, stop], exit_loop_count=5, template_id="turns"),
        ToolingTemplate([weather, clock], template_id="tools"),
        IfTemplate(is_urgent, research, EndTemplate(template_id="end"), template_id="which"),
    ],
    template_id="desk",
)
"""

# By hand: 15 templates, and three ifs with two branches each, are 21. A quiet customer never reaches quick, leave,
# research, the linear template in it, its two messages, and three branches: 12 are left.
QUIET = """
    def test_quiet(scripted_model):
        answers = ["a", "b", "c", "d", "e", CallTool("weather", city="Oslo"), "rain"]
        Runner(scripted_model(*answers, name="small"), template=desk).run()
"""
URGENT = """
    def test_urgent(scripted_model):
        model = scripted_model("quick", "x", CallTool("clock", city="Oslo"), "noon", "found", name="large")
        Runner(model, template=desk).run(Session(metadata={"urgent": True}))
"""


@pytest.fixture
def desk(project: Any) -> Any:
    project.file("desk.py", PROGRAM)
    return project


def write(project: Any, text: str) -> None:
    project.tests(f"\n    from desk import *\n{text}")


def test_what_no_test_rendered_is_listed_with_the_line_that_built_it(desk: Any) -> None:
    write(desk, QUIET)

    result = desk.run("--templates-coverage")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*= templates coverage =*",
            "12 of 21 templates and branches rendered (57%)",
            "  missing                  template * built at",
            "  never rendered           desk/urgent/quick (assistant) * desk.py:17",
            "  never true               desk/turns/enough (if) * desk.py:19",
            "  never rendered           desk/turns/enough/leave (break) * desk.py:19",
            "  never rendered           desk/which/research (subroutine) * desk.py:20",
            "  never rendered           desk/which/research/linear-1 (linear) * desk.py:21",
            "  never true               desk/urgent (if) * desk.py:26",
            "  never 1 turn             desk/turns (loop) * desk.py:27",
            "  tool clock never called  desk/tools (tooling) * desk.py:28",
            "  never true               desk/which (if) * desk.py:29",
        ],
        consecutive=False,
    )
    assert "weather" not in str(result.stdout)


def test_the_tests_of_a_suite_add_up(desk: Any) -> None:
    write(desk, QUIET + URGENT)

    result = desk.run("--templates-coverage")

    result.stdout.fnmatch_lines(["21 of 21 templates and branches rendered (100%)"])
    result.stdout.no_fnmatch_line("*never*")


def test_the_models_that_were_tested_are_listed_by_template(desk: Any) -> None:
    write(desk, QUIET + URGENT)

    result = desk.run("--templates-coverage")

    result.stdout.fnmatch_lines(
        [
            "  template * answered by",
            "  desk/tools * small, large",
            "  desk/turns/again * small, large",
            "  desk/urgent/quick * large",
            "  desk/which/research/linear-1/summary * large",
        ]
    )


def test_the_workers_of_xdist_add_up(desk: Any) -> None:
    write(desk, QUIET + URGENT)

    result = desk.run("--templates-coverage", "-n", "2")

    result.stdout.fnmatch_lines(["21 of 21 templates and branches rendered (100%)"])


def test_without_the_option_nothing_is_said(desk: Any) -> None:
    write(desk, QUIET)

    desk.run().stdout.no_fnmatch_line("*templates coverage*")


def test_a_value_is_refused(desk: Any) -> None:
    result = desk.run("--templates-coverage=most")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--templates-coverage: ignored explicit argument 'most'" in str(result.stderr)
