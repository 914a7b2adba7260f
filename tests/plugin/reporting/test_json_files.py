"""--templates-json: when the file is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_templates.reporting.document import Call, Reach, Test, read, report_of, write

TESTS = "def test_it():\n    print('it ran')\n"


def test_a_run_without_the_option_and_one_that_only_collects_write_nothing(project):
    project.tests(TESTS)

    project.run()
    project.run("--collect-only", "--templates-json=run.json")

    assert not (project.path / "run.json").exists()


def test_an_interrupted_run_has_a_report_of_what_has_ended(project, report_of):
    project.tests(
        "def test_one():\n    pass\n\ndef test_two():\n    pytest.exit('enough')\n\ndef test_three():\n    pass\n"
    )

    assert [test["nodeid"] for test in report_of()["tests"]] == ["test_it.py::test_one"]


def test_a_file_that_cannot_be_written_at_the_end_fails_the_run(project):
    project.tests(
        """
        from pathlib import Path

        def test_it():
            Path("out/run.json").unlink(missing_ok=True)
            Path("out").rmdir()
        """
    )

    result = project.run("--templates-json=out/run.json")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    project.says(result, "run.json could not be written: No such file")


@given(
    cost=st.none() | st.decimals(min_value=0, max_value=10**12, places=30),
    seconds=st.floats(min_value=0, max_value=1e12),
    text=st.text(),
    path=st.none() | st.text(),
    tokens=st.integers(min_value=0, max_value=10**15),
)
def test_what_is_written_is_what_is_read(tmp_path_factory, cost, seconds, text, path, tokens):
    call = Call(
        template_id=text,
        template_path=path,
        model=text,
        served_by=path,
        chosen_by="runner",
        input_tokens=tokens,
        output_tokens=tokens,
        cost=cost,
        unpriced=cost is None,
        seconds=seconds,
        source="model",
        error=path,
    )
    test = Test(nodeid=text, outcome="passed", source="model", calls=(call,), isolation=None)
    reach = Reach(file=text, line=tokens, path=text, kind=text, what=text, reached=path is None)
    report, file = (
        report_of([test], seconds, {"coverage": None if path is None else [reach]}),
        tmp_path_factory.getbasetemp() / "run.json",
    )

    write(report, file)

    assert read(file) == report
