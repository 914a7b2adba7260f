"""Projects say something at the end of a run by a hook."""

from __future__ import annotations

import pytest

SECTION = """
    def pytest_templates_report_section(report):
        with open("asked.txt", "a") as file:
            print("once", file=file)
        rows = [f"{test.nodeid} {test.outcome} {[call.model for call in test.calls]}" for test in report.tests]
        return "who asked whom", "\\n".join([*sorted(rows), f"{len(report.calls)} calls, ${report.totals.cost}"])
"""
TESTS = """
    from decimal import Decimal

    def test_asks(scripted_model):
        usage = Usage(input_tokens=1, output_tokens=2, cost=Decimal("0.25"))
        small, large = scripted_model("fine", name="small"), scripted_model(Reply("fine", usage=usage), name="large")
        ask(small)
        ask(large)

    def test_fails(scripted_model):
        ask(scripted_model("fine", "left over", name="small"))

    def test_asks_nobody():
        pass

    @pytest.mark.skip
    def test_skipped():
        pass
"""
SAID = [
    "who asked whom",
    "test_it.py::test_asks passed ['small', 'large']",
    "test_it.py::test_asks_nobody passed []",
    "test_it.py::test_fails error ['small']",
    "test_it.py::test_skipped skipped []",
    "3 calls, $0.25",
]


def test_a_hook_is_asked_once_and_told_of_the_whole_run(project):
    project.file("conftest.py", SECTION)
    project.tests(TESTS)

    result = project.run("-n2")

    project.says(result, *SAID)
    assert str(result.stdout).count("who asked whom") == 1
    assert (project.path / "asked.txt").read_text() == "once\n"


def test_a_hook_hears_of_a_test_whose_worker_died(project):
    project.file("conftest.py", SECTION)
    project.file("test_it.py", "import os\n\ndef test_dies():\n    os._exit(1)\n\ndef test_it():\n    pass\n")

    result = project.run("-n1")

    project.says(result, "test_it.py::test_dies failed []", "test_it.py::test_it passed []")


def test_a_hook_hears_of_runs_without_a_model(project):
    project.file("conftest.py", "def pytest_templates_report_section(report):\n    return 'seen', repr(report)\n")
    project.file("test_it.py", "def test_it():\n    pass\n")

    result = project.run()

    test = "Test(nodeid='test_it.py::test_it', outcome='passed', source=None, calls=(), isolation=None, samples=None"
    project.says(result, "seen", f"tests=({test}, ")


def test_a_hook_that_has_nothing_to_say_says_nothing(project):
    project.file("conftest.py", "def pytest_templates_report_section(report):\n    return None\n")
    project.tests("def test_it(scripted_model):\n    ask(scripted_model('fine'))")

    result = project.run()

    assert result.ret == 0
    assert "None" not in str(result.stdout)


def test_the_report_cannot_be_changed(project):
    project.file(
        "conftest.py",
        """
        import pytest
        from pydantic import ValidationError

        def pytest_templates_report_section(report):
            for part in (report, report.tests[0], report.calls[0]):
                for name in type(part).model_fields:
                    with pytest.raises(ValidationError, match="frozen"):
                        setattr(part, name, None)
            return "frozen", "it is"
        """,
    )
    project.tests("def test_it(scripted_model):\n    ask(scripted_model('fine'))")

    project.says(project.run(), "frozen", "it is")


def test_secrets_are_hidden(project, monkeypatch):
    monkeypatch.setenv("SITE_KEY", "kX3fZq9aB7wQ2m5")
    project.file(
        "conftest.py",
        """
        import os

        def pytest_templates_report_section(report):
            return "the key", f"is {os.environ['SITE_KEY']}"
        """,
    )
    project.file("test_it.py", "def test_it():\n    pass\n")

    result = project.run()

    project.says(result, "the key", "is REDACTED")
    assert "kX3fZq9aB7wQ2m5" not in str(result.stdout)


def test_a_hook_that_fails_fails_the_run_and_the_others_are_asked(project):
    project.file("plugin_a.py", SECTION)
    project.file("conftest.py", "def pytest_templates_report_section(report):\n    return 1 / 0\n")
    project.file("test_it.py", "def test_it():\n    pass\n")

    result = project.run("-p", "plugin_a")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1)
    place = project.path / "conftest.py"
    project.says(
        result,
        "who asked whom",
        f"{place}: the hook pytest_templates_report_section failed with ZeroDivisionError: division by zero",
        f"seen at {place}:2",
    )


NONSENSE = {
    "'text'": "the type is str",
    "('title',)": "the types are (str)",
    "('title', 1)": "the types are (str, int)",
}


@pytest.mark.parametrize("answer", NONSENSE)
def test_what_is_no_section_is_refused_by_name(answer, project):
    project.file("conftest.py", f"def pytest_templates_report_section(report):\n    return {answer}\n")
    project.file("test_it.py", "def test_it():\n    pass\n")

    result = project.run()

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    project.says(
        result,
        "conftest.py: the hook pytest_templates_report_section is to return",
        f"a title and a text, or None for no section; of what it returned, {NONSENSE[answer]}",
    )


def test_a_wrapper_is_refused_by_name(project):
    wrapper = "@pytest.hookimpl(wrapper=True)\ndef pytest_templates_report_section(report):\n    return (yield)\n"
    project.file("conftest.py", f"import pytest\n\n{wrapper}")
    project.file("test_it.py", "def test_it():\n    pass\n")

    result = project.run()

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    project.says(result, "conftest.py: pytest_templates_report_section cannot be a wrapper")
