"""A replay needs no key, also where a client insists on one."""

from __future__ import annotations

TEST = """
    import os
    import pytest
    from antiphon import AssistantTemplate, LinearTemplate, Runner, UserTemplate

    @pytest.mark.llm_cassette
    def test_it():
        tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(model="openai:gpt-4o-mini")])
        Runner("openai:gpt-4o-mini", template=tree).run()

    def test_after():
        assert "OPENAI_API_KEY" not in os.environ
"""


def test_without_a_key_it_is_the_recording_that_is_missing(project, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    project.tests(TEST)

    result = project.run()

    result.assert_outcomes(failed=1, passed=1)
    project.says(result, "CassetteMiss: No recording for POST https://api.openai.com/v1/responses")


def test_a_recording_needs_the_key(project, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    project.tests(TEST)

    result = project.run("--templates-record=missing")

    project.says(result, "set the environment variable OPENAI_API_KEY")
