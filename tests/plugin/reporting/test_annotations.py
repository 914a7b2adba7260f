"""In GitHub Actions a failure is shown at the line that built the template that asked."""

from __future__ import annotations

import re

import pytest

TESTS = """
    classify = AssistantTemplate(template_id="classify")
    answer = AssistantTemplate(template_id="answer")

    def talk(model):
        tree = LinearTemplate([UserTemplate("Hello."), classify, answer], template_id="desk")
        return Runner(model, template=tree).run()

    def test_fails(scripted_model):
        talk(scripted_model("one", "two", name="small"))
        assert "a" == "b"

    def test_call_fails(scripted_model):
        talk(scripted_model(KeyError("gone"), name="small"))

    def test_passes(scripted_model):
        talk(scripted_model("one", "two"))

    def test_no_model():
        assert False
"""


@pytest.fixture
def in_actions(project, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.path))
    return project


def annotations(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith("::")]


def line_of(project, text: str, file: str = "test_it.py") -> int:
    lines = (project.path / file).read_text("utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_a_failure_is_shown_where_the_template_was_built(in_actions):
    in_actions.tests(TESTS)

    failed, call_failed = sorted(annotations(in_actions.run("-q", "-n1")), key=lambda line: "KeyError" in line)

    built = line_of(in_actions, "answer = Assistant")
    assert failed.startswith(
        f"::error file=test_it.py,line={built},title=desk/answer · small::test_it.py::test_fails%0A"
    )
    assert "AssertionError: assert 'a' == 'b'%0A" in failed
    built = line_of(in_actions, "classify = Assistant")
    assert call_failed.startswith(f"::error file=test_it.py,line={built},title=desk/classify · small::")
    assert "KeyError: 'gone'" in call_failed


def test_elsewhere_nothing_is_printed_for_github(project):
    project.tests(TESTS)

    assert annotations(project.run()) == []


def test_the_file_is_named_from_the_root_of_the_repository(in_actions):
    in_actions.file("sub/pytest.ini", "[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    in_actions.copy("programs/program.py", "sub/program.py")
    in_actions.tests(TESTS, "sub/test_it.py")

    result = in_actions.run("-c", "sub/pytest.ini", "-o", "pythonpath=.", "sub/test_it.py::test_fails")

    assert annotations(result)[0].startswith("::error file=sub/test_it.py,line=")


def test_a_template_from_outside_of_the_repository_is_shown_at_the_test(in_actions, monkeypatch):
    monkeypatch.setenv("GITHUB_WORKSPACE", str(in_actions.path / "tests"))
    in_actions.tests(TESTS)
    in_actions.tests(
        "from test_it import talk\n\ndef test_fails(scripted_model):\n    talk(scripted_model(OSError()))\n",
        "tests/test_other.py",
    )

    result = in_actions.run("tests")

    place = line_of(in_actions, "def test_fails", "tests/test_other.py")
    assert annotations(result)[0].startswith(f"::error file=test_other.py,line={place},title=desk/classify")


def test_no_text_ends_the_command_or_begins_another(in_actions):
    hostile = "a%0A::stop-commands::x\r\n::error::y,line=9:\x1b[31m"
    in_actions.tests(
        TESTS.replace('"a" == "b"', "not HOSTILE").replace("'small'", "HOSTILE").replace('name="small"', "name=HOSTILE")
        + f"\n    HOSTILE = {hostile!r}\n"
    )

    found = annotations(in_actions.run("-k", "test_fails"))

    assert len(found) == 1
    assert re.fullmatch(r"::error file=test_it\.py,line=\d+,title=([^:,\r\n]|%3A|%2C)*::[^\r\n]*", found[0])
    assert r"desk/answer · a%250A%3A%3Astop-commands%3A%3Ax\r\n%3A%3Aerror%3A%3Ay%2Cline=9%3A\x1b[31m" in found[0]


def test_an_error_that_the_program_has_handled_is_not_the_failure(in_actions):
    in_actions.tests(
        TESTS.replace(
            'talk(scripted_model("one", "two", name="small"))',
            """
        with pytest.raises(KeyError):
            talk(scripted_model(KeyError("busy")))
        talk(scripted_model("one", "two", name="small"))""",
        )
    )

    [found] = annotations(in_actions.run("-k", "test_fails"))

    assert f"line={line_of(in_actions, 'answer = Assistant')},title=desk/answer · small::" in found


def test_what_a_program_makes_of_the_error_of_a_call_is_shown_at_that_call(in_actions):
    in_actions.tests(
        TESTS.replace(
            'talk(scripted_model(KeyError("gone"), name="small"))',
            """
        try:
            talk(scripted_model(KeyError("gone"), name="small"))
        except KeyError as error:
            talk(scripted_model("one", "two"))
            raise RuntimeError("no answer") from error""",
        )
    )

    [found] = annotations(in_actions.run("-k", "test_call_fails"))

    assert f"line={line_of(in_actions, 'classify = Assistant')},title=desk/classify · small::" in found


def test_more_than_github_shows_are_counted(in_actions):
    in_actions.tests(
        TESTS.replace(
            "    def test_fails(scripted_model)",
            '    @pytest.mark.parametrize("number", range(12))\n    def test_fails(scripted_model, number)',
        )
    )

    found = annotations(in_actions.run("-k", "test_fails"))

    assert [line.startswith("::error ") for line in found] == [True] * 10 + [False]
    assert found[-1] == "::notice title=prompt templates::2 more tests failed: GitHub shows 10 annotations of a step"


def test_a_sample_that_fails_is_shown_where_its_test_fails_for_it(in_actions):
    in_actions.tests(
        TESTS.replace("    def test_fails", "    @pytest.mark.llm_samples(2)\n    def test_fails").replace(
            "    def test_call_fails", "    @pytest.mark.llm_samples(2, pass_rate=0)\n    def test_call_fails"
        )
    )

    found = annotations(in_actions.run())

    assert len(found) == 1
    assert (
        f"line={line_of(in_actions, 'answer = Assistant')},title=desk/answer · small::test_it.py::test_fails"
        in found[0]
    )
