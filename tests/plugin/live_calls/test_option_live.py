"""--templates-live: whether tests that call real models run."""

from __future__ import annotations

import pytest

REAL = """
LIVE = pytest.mark.llm_live(reason="to see it")
"""


def test_a_test_marked_live_calls_the_model_when_it_is_wanted_and_is_skipped_else(project, chat_server):
    project.tests(REAL + "\n@LIVE\ndef test_it():\n    ask(real())\n")

    skipped = project.run("-rs")
    assert chat_server.asked == []
    wanted = project.run("--templates-live")

    skipped.assert_outcomes(skipped=1)
    skipped.stdout.re_match_lines(
        [r"SKIPPED \[1\] test_it.py:\d+: calls real models \(to see it\), in runs with --templates-live"]
    )
    wanted.assert_outcomes(passed=1)
    assert chat_server.asked == ["Hello."]
    assert not (project.path / "cassettes").exists()


def test_workers_know_whether_live_tests_are_wanted(project, chat_server):
    project.tests(REAL + "\n@LIVE\n@pytest.mark.parametrize('n', range(4))\ndef test_it(n):\n    ask(Plain())\n")

    project.run("-n1", "--templates-live").assert_outcomes(passed=4)


def test_a_value_is_refused(project):
    result = project.run("--templates-live=yes")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--templates-live: ignored explicit argument 'yes'" in str(result.stderr)
