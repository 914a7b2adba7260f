"""What a test costs with the plugin, in calls of functions and in bytes: the same in every run, where times are not.

The limits are a little above what is needed now.
"""

from __future__ import annotations

import tracemalloc

import pytest

UNUSED = """
def test():
    assert True
"""
SCRIPTED = """
def test(scripted_model, llm_trace):
    tree = LinearTemplate([UserTemplate("Question {{ i }}"), AssistantTemplate()])
    session = Runner(scripted_model("Yes."), template=tree).run(Session(metadata={"i": 1}))
    assert [message.content for message in session.messages] == ["Question 1", "Yes."]
    assert len(llm_trace.calls) == 1
"""
MANY = "globals().update({{f'test_{{number}}': test for number in range({})}})"  # the text is no longer for that


def a_test_more(project, text, measured, *arguments):
    """What a run of twenty tests takes of something beyond one of ten, for each test."""

    def run(tests):
        project.run("-pno:syrupy", *arguments).assert_outcomes(passed=tests)

    def suite(tests):
        project.tests(text + MANY.format(tests - 1))
        return measured(lambda: run(tests))

    suite(10)  # what is made once is made
    return (suite(20) - suite(10)) / 10


@pytest.mark.parametrize(("text", "most"), [(UNUSED, 580), (SCRIPTED, 1850)], ids=["unused", "scripted"])
def test_a_test_calls_few_functions_beyond_those_of_a_bare_one(project, text, most, calls_of):
    bare = a_test_more(project, UNUSED, calls_of, "-pno:templates")
    calls = a_test_more(project, text, calls_of) - bare

    assert 0 < calls < most


KEEPING = """
import gc
import tracemalloc
from pathlib import Path

import pytest

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish():
    gc.collect()
    ours = [tracemalloc.Filter(True, f"*/{name}/*") for name in ("pytest_templates", "antiphon")]
    found = tracemalloc.take_snapshot().filter_traces(ours).statistics("filename")
    Path("kept.txt").write_text(str(sum(one.size for one in found)))
"""


def test_of_a_test_that_called_models_next_to_nothing_is_kept(project):
    project.file("conftest.py", KEEPING)

    def bytes_kept(deed):
        tracemalloc.start()
        try:
            deed()
        finally:
            tracemalloc.stop()
        return int((project.path / "kept.txt").read_text())

    kept = a_test_more(project, SCRIPTED, bytes_kept)

    assert kept < 1000
