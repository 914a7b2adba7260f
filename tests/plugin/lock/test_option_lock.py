"""--templates-lock, as its users meet it."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_templates.lock.file import read_lock

DESK = """
from pydantic import BaseModel

from antiphon import *
from antiphon import connect


class Topic(BaseModel):
    topic: str


@tool
def weather(city: str) -> str:
    "Tells the weather."
    return city


desk = LinearTemplate(
    [
        SystemTemplate("You are brief."),
        UserTemplate("What is this about: {{ question }}?", template_id="question"),
        AssistantTemplate(output_type=Topic, template_id="topic"),
        LoopTemplate([ToolingTemplate([weather], template_id="answer")], exit_loop_count=2, template_id="turns"),
    ],
    template_id="desk",
)
"""

TEST = """
    from desk import *

    def test_it(scripted_model):
        model = scripted_model(Topic(topic="x"), "first", "second")
        Runner(model, template=desk).run(Session(metadata={"question": "rain"}))
"""

LOCK = """\
# What each template says and which models answer it, by hash, with the first words.
# Made by `pytest --templates-lock=update`; `pytest --templates-lock=check` compares.
version = 1

["desk.py"."desk/question"]
text = "user 59f2189258a7: What is this about: {{ question }}?"

["desk.py"."desk/system-1"]
text = "system d4c181f057fc: You are brief."

["desk.py"."desk/topic"]
output = "Topic 88b28f6da151"

["desk.py"."desk/turns/answer"]
tool = "weather 93e4052a978b: Tells the weather."
"""


@pytest.fixture
def desk(project: Any) -> Any:
    """A project whose templates are locked."""
    project.file("desk.py", DESK)
    project.tests(TEST)
    project.run("--templates-lock=update").assert_outcomes(passed=1)
    return project


def lock_of(project: Any) -> str:
    return (project.path / "templates.lock").read_text(encoding="utf-8")


def change(project: Any, old: str, new: str) -> None:
    assert old in DESK
    project.file("desk.py", DESK.replace(old, new))


def test_the_file_is_the_same_on_every_machine(desk: Any) -> None:
    assert lock_of(desk) == LOCK


def test_what_was_locked_holds(desk: Any) -> None:
    result = desk.run("--templates-lock=check")

    assert result.ret == 0
    desk.says(result, "templates: templates.lock holds for all 4 templates")


@pytest.mark.parametrize(
    ("old", "new", "path", "said"),
    [
        ("You are brief.", "You are short.", "desk/system-1  desk.py:20", "text is  system"),
        ("about: {{", "about, {{", "desk/question  desk.py:21", "text is  user"),
        ('UserTemplate("What', 'AssistantTemplate("What', "desk/question  desk.py:21", "text is  assistant"),
        ("topic: str", "topic: str | None", "desk/topic  desk.py:22", "output is  Topic"),
        ("Tells the weather.", "Says the weather.", "desk/turns/answer  desk.py:23", "tool is  weather"),
        ("city: str", "town: str", "desk/turns/answer  desk.py:23", "tool is  weather"),
    ],
)
def test_a_change_is_told_of_its_template_and_of_no_other(desk: Any, old: str, new: str, path: str, said: str) -> None:
    change(desk, old, new)

    result = desk.run("--templates-lock=check")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    desk.says(result, "= templates lock =", "1 template is not as in templates.lock:", path, "was", said)
    assert lock_of(desk) == LOCK


def test_code_that_moves_changes_nothing(desk: Any) -> None:
    change(desk, "\ndesk =", "\n# moved down\n\ndesk =")

    assert desk.run("--templates-lock=check").ret == 0


def test_what_the_user_and_the_model_say_changes_nothing(desk: Any) -> None:
    desk.tests(TEST.replace("first", "other").replace("rain", "snow") + TEST.replace("test_it", "test_more"))

    assert desk.run("--templates-lock=check").ret == 0
    assert desk.run("--templates-lock=update").ret == 0
    assert lock_of(desk) == LOCK


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_an_update_writes_what_is_new_and_drops_what_is_gone(desk: Any, workers: list[str]) -> None:
    change(desk, 'SystemTemplate("You are brief.")', 'SystemTemplate("Be brief.", template_id="system")')

    result = desk.run("--templates-lock=update", *workers)

    assert result.ret == 0
    desk.says(result, "templates: templates.lock has 4 templates: 1 new, 1 gone")
    assert "desk/system-1" not in lock_of(desk)
    assert desk.run("--templates-lock=check", *workers).ret == 0


def test_templates_that_are_new_or_gone_are_told(desk: Any) -> None:
    change(desk, 'SystemTemplate("You are brief.")', 'SystemTemplate("Be brief.", template_id="system")')

    result = desk.run("--templates-lock=check")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    desk.says(result, "2 templates are not", "desk/system is new  desk.py:20", "desk/system-1 is not rendered any more")
    desk.says(result, "if the change is meant, --templates-lock=update locks it")


TWO = """
    def test_a(scripted_model):
        list(UserTemplate("Hello A.", template_id="a").render(Session()))

    def test_b(scripted_model):
        list(UserTemplate("Hello B.", template_id="b").render(Session()))
"""


@pytest.fixture
def two(project: Any) -> Any:
    project.tests(TWO)
    project.run("--templates-lock=update").assert_outcomes(passed=2)
    return project


@pytest.mark.parametrize("part", [["-k", "test_a"], ["test_it.py::test_a"], ["--deselect", "test_it.py::test_b"]])
def test_a_run_of_some_tests_compares_and_writes_what_it_rendered(two: Any, part: list[str]) -> None:
    two.tests(TWO.replace("Hello", "Good morning"))

    checked = two.run("--templates-lock=check", *part)
    updated = two.run("--templates-lock=update", *part)

    two.says(checked, "1 template is not as in templates.lock:", "  a  test_it.py")
    two.says(updated, "templates.lock has 2 templates: 1 changed; 1 not rendered in this run, and kept")
    assert "Good morning A." in lock_of(two)
    assert "Hello B." in lock_of(two)
    assert two.run("--templates-lock=check", *part).ret == 0
    assert two.run("--templates-lock=check").ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("end", ["assert False", "pytest.skip('not here')", "pytest.xfail('not yet')"])
def test_a_run_in_which_a_test_did_not_pass_drops_nothing(two: Any, end: str) -> None:
    kept = lock_of(two)
    two.tests(TWO.replace("def test_b(scripted_model):", f"def test_b(scripted_model):\n        {end}"))

    two.run("--templates-lock=update")

    assert lock_of(two) == kept


def test_a_module_that_is_skipped_drops_nothing(two: Any) -> None:
    kept = lock_of(two)
    two.tests("pytest.skip('not here', allow_module_level=True)")
    two.tests(TWO.replace("test_b", "test_c").replace("Hello B", "Hello C").replace('"b"', '"c"'), "test_more.py")

    two.run("--templates-lock=update")

    assert kept.splitlines()[-2:] == lock_of(two).splitlines()[7:9]


def test_there_has_to_be_a_file_to_compare_with(project: Any) -> None:
    project.tests(TWO)

    result = project.run("--templates-lock=check")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*there is no templates.lock in *", "Write it with --templates-lock=update, and commit it."]
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<<<<<<< HEAD\nversion = 1\n", "is damaged, or holds the marks of a merge: * (at line 1, column 1)"),
        ("version = 2\n", "was written by a later version of this plugin: its format is 2, and 1 is known here. *"),
        ("x = 1\n", "is damaged: it does not say `version = 1`"),
        ('version = 1\nx = "y"\n', "is damaged: 'x' is no table"),
        ('version = 1\n["x"."y"]\nnoise = "z"\n', "is damaged: 'noise' of 'y' is none of text, *"),
        ('version = 1\n["x"."y"]\ntext = 3\n', "is damaged: 'text' of 'y' is none of text, *"),
    ],
)
@pytest.mark.parametrize("mode", ["check", "update"])
def test_a_file_that_cannot_be_read_is_refused_and_left_alone(project: Any, mode: str, text: str, said: str) -> None:
    project.tests(TWO)
    project.file("templates.lock", text)

    result = project.run(f"--templates-lock={mode}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *templates.lock {said}"])
    assert lock_of(project) == text


def test_in_ci_the_file_is_compared_and_not_written(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")

    assert two.run("--templates-lock=check").ret == 0
    result = two.run("--templates-lock=update")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*where the environment variable CI is set: templates.lock is not written here.*"])


def test_a_file_that_cannot_be_written_fails_the_run(project: Any) -> None:
    project.tests(
        """
        def test_it(pytestconfig):
            list(UserTemplate("Hello.").render(Session()))
            (pytestconfig.rootpath / "templates.lock").mkdir()
        """
    )

    result = project.run("--templates-lock=update")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    project.says(result, "templates.lock cannot be written: ")


def test_a_template_that_tests_build_in_several_ways_has_a_line_for_each(project: Any) -> None:
    project.tests(
        """
        @pytest.mark.parametrize("name", ["Ada", "Bob"])
        def test_it(name):
            list(UserTemplate(f"I am {name}.").render(Session()))
        """
    )
    project.run("--templates-lock=update")
    kept = lock_of(project)

    [values] = read_lock(project.path / "templates.lock").values()
    assert len(values) == 2
    assert project.run("--templates-lock=check", "-k", "Ada").ret == 0
    project.run("--templates-lock=update", "-k", "Ada")
    assert lock_of(project) == kept


def test_without_the_option_nothing_is_noticed(project: Any) -> None:
    project.tests(TWO)

    result = project.run()

    assert "templates.lock" not in str(result.stdout)
    assert not (project.path / "templates.lock").exists()


def test_a_run_that_renders_nothing_writes_nothing(project: Any) -> None:
    project.tests("def test_it():\n    pass\n")

    result = project.run("--templates-lock=update")

    project.says(result, "templates: templates.lock has 0 templates: unchanged")
    assert not (project.path / "templates.lock").exists()


def test_another_value_is_refused_with_the_valid_ones(project: Any) -> None:
    said = str(project.run("--templates-lock=maybe").stderr).replace("'", "")
    assert "--templates-lock: invalid choice: maybe (choose from check, update)" in said
