"""Items that are no test functions, and runs inside of runs."""

from __future__ import annotations


def test_unittests_are_left_alone_and_held_to_the_same(project):
    project.tests(
        """
        import unittest

        class TestIt(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _models(self, scripted_model, llm_trace):
                self.scripted_model, self.llm_trace = scripted_model, llm_trace

            def test_passes(self):
                ask(self.scripted_model("one"))
                self.assertEqual(self.llm_trace.models, {"answer": ["scripted"]})

            def test_fails(self):
                self.scripted_model("left")
                self.assertEqual(1, 2)

            def test_swallows(self):
                swallow(ask, self.scripted_model())

            def test_is_skipped(self):
                self.skipTest("not here")

            @unittest.expectedFailure
            def test_is_expected_to_fail(self):
                self.assertEqual(1, 2)

        class TestPlain(unittest.IsolatedAsyncioTestCase):
            async def test_passes(self):
                await Runner(ScriptedModel("one"), template=talk()).arun()
        """
    )

    result = project.run()

    assert result.parseoutcomes() == {"passed": 2, "failed": 2, "skipped": 1, "xfailed": 1}
    project.says(result, "UnscriptedCall: ")


def test_a_unittest_may_be_expected_to_fail_for_what_the_program_swallows(project):
    project.tests(
        """
        import unittest

        class TestIt(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _models(self, scripted_model):
                self.scripted_model = scripted_model

            @unittest.expectedFailure
            def test_swallows(self):
                swallow(ask, self.scripted_model())

            @unittest.expectedFailure
            def test_succeeds(self):
                ask(self.scripted_model("one"))

        @unittest.expectedFailure
        class TestAll(unittest.IsolatedAsyncioTestCase):
            async def test_swallows(self):
                swallow(ask, ScriptedModel())
        """
    )

    result = project.run()

    assert result.parseoutcomes() == {"xfailed": 2, "failed": 1}
    project.says(result, "Unexpected success")


def test_a_unittest_that_skips_itself_after_a_call_too_many_fails(project):
    project.tests(
        """
        import unittest

        class TestIt(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _models(self, scripted_model):
                self.scripted_model = scripted_model

            def test_it(self):
                swallow(ask, self.scripted_model())
                self.skipTest("not here")
        """
    )

    assert project.outcomes() == {"skipped": 1, "errors": 1}  # unittest has its own word in the call: teardown tells


def test_doctests_are_left_alone_and_held_to_the_same(project):
    project.file(
        "documented.py",
        '''
        def passes():
            """
            >>> from program import ask
            >>> scripted_model = getfixture("scripted_model")
            >>> ask(scripted_model("one")).last.content
            'one'
            >>> getfixture("llm_trace").models
            {'answer': ['scripted']}
            """

        def fails():
            """
            >>> 1 + 1
            3
            """

        def swallows():
            """
            >>> from program import ask, swallow
            >>> swallow(ask, getfixture("scripted_model")())
            """

        def plain():
            """
            >>> 1 + 1
            2
            """
        ''',
    )

    result = project.run("--doctest-modules", "documented.py")

    result.assert_outcomes(passed=2, failed=2)
    project.says(result, "Expected:", "UnscriptedCall: ")


def test_items_of_other_kinds_are_left_alone(project):
    project.file(
        "conftest.py",
        """
        import pytest

        class Line(pytest.Item):
            def runtest(self):
                assert self.name == "good"

            def reportinfo(self):
                return self.path, 0, self.name

        class Lines(pytest.File):
            def collect(self):
                for name in self.path.read_text().split():
                    yield Line.from_parent(self, name=name)

        def pytest_collect_file(file_path, parent):
            if file_path.suffix == ".lines":
                return Lines.from_parent(parent, path=file_path)
        """,
    )
    project.file("all.lines", "good\nbad\n")

    project.run().assert_outcomes(passed=1, failed=1)


def test_subtests_are_reported_and_a_swallowed_call_fails_the_test_around_them(project):
    project.tests(
        """
        def test_it(subtests, scripted_model):
            for number in range(2):
                with subtests.test(number=number):
                    swallow(ask, scripted_model())
        """
    )

    result = project.run()

    assert result.parseoutcomes()["failed"] == 1
    assert str(result.stdout).count("  seen at ") == 2


NESTED = """
pytest_plugins = ["pytester"]

INNER = '''
from program import *
from pytest_templates import *

def test_meddles():
    notes = []
    research(ScriptedModel("one"), lambda child: notes.append("x") or child, {"notes": notes})

def test_swallows(scripted_model):
    swallow(ask, scripted_model())
'''

def test_outer(pytester, scripted_model, llm_trace):
    ask(scripted_model("one", name="before"))
    pytester.makepyfile(INNER)
    pytester.makeini("[pytest]\\nasyncio_default_fixture_loop_scope = function")
    pytester.runpytest_inprocess("-pno:cacheprovider").assert_outcomes(failed=2)
    ask(scripted_model("two", name="after"))
    assert llm_trace.models == {"answer": ["before", "after"]}

def test_after(scripted_model):
    swallow(ask, scripted_model())
"""


def test_a_run_inside_of_a_test_is_not_held_against_it(project):
    project.tests(NESTED)

    result = project.run_forked("-ppytester", "-rf")

    result.assert_outcomes(passed=1, failed=1)
    project.says(result, "FAILED test_it.py::test_after - Failed: UnscriptedCall: ")


def test_tests_after_a_run_inside_of_a_test_that_was_first_to_load_the_engine_are_watched(project):
    project.file("inner/test_inner.py", "from antiphon import Session\n\ndef test_inner():\n    Session()\n")
    project.file("inner/pytest.ini", "[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    project.file(
        "test_it.py",
        """
        import pytest

        def test_runs_another():
            assert pytest.main(["-q", "-pno:cacheprovider", "--rootdir=inner", "-cinner/pytest.ini", "inner"]) == 0

        def test_meddles():
            from program import research
            from pytest_templates import ScriptedModel

            notes = []
            research(ScriptedModel("one"), lambda child: notes.append("x") or child, {"notes": notes})
        """,
    )

    result = project.run_forked("test_it.py")

    result.assert_outcomes(passed=1, failed=1)
    project.says(result, "IsolationViolation: ")


def test_a_tool_that_is_named_as_a_test_is_none(project):
    project.tests(
        '''
        @tool
        def test_connection(host: str) -> str:
            """Tests a connection."""
            return host

        def test_it():
            assert test_connection("example.org") == "example.org"
        '''
    )

    project.run("-Wignore::pytest.PytestCollectionWarning").assert_outcomes(passed=1)
