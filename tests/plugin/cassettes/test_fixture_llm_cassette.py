"""llm_cassette, the fixture: the open cassette of a test."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_the_fixture_gives_the_open_cassette(project, chat_server, workers):
    project.tests("@pytest.mark.llm_cassette\ndef test_it():\n    ask(Plain())\n")
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    project.tests(
        """
@pytest.mark.llm_cassette
def test_it(llm_cassette, request):
    assert llm_cassette.path == request.config.rootpath / "cassettes" / "test_it" / "test_it.yaml"
    assert (llm_cassette.played, llm_cassette.recorded, llm_cassette.unused) == (0, 0, 1)
    ask(Plain())
    assert (llm_cassette.played, llm_cassette.recorded, llm_cassette.unused) == (1, 0, 0)
"""
    )

    assert project.outcomes(*workers) == {"passed": 1}


def test_a_test_that_leaves_nothing_over_records_what_changed(project, chat_server):
    asks = """
@pytest.mark.llm_cassette
def test_it(llm_cassette):
    for prompt in {prompts}:
        real().send(Session(messages=[Message(role="user", content=prompt)]))
    assert llm_cassette.unused == 0
"""
    project.tests(asks.replace("{prompts}", "['one', 'two']"))
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    project.tests(asks.replace("{prompts}", "['one', 'three']"))

    project.run("--templates-record=changed").assert_outcomes(passed=1)

    assert chat_server.asked == ["one", "two", "three"]
    assert project.outcomes() == {"passed": 1}


def test_the_fixture_is_refused_without_the_marker(project):
    project.tests("def test_it(llm_cassette):\n    pass\n")

    result = project.run()

    result.assert_outcomes(errors=1)
    project.says(result, "the fixture llm_cassette belongs to tests marked @pytest.mark.llm_cassette")
