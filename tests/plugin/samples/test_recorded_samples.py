"""Samples on a cassette: each has recordings of its own, in one file."""

from __future__ import annotations

import re

import pytest

from pytest_templates.cassettes.format.document import from_text
from pytest_templates.commands.main import main

TEST = """
@pytest.mark.llm_cassette
@pytest.mark.llm_samples(4, pass_rate=0.7)
def test_it(llm_cassette):
    assert ask(real()).last.content != "Answer 2."
    assert llm_cassette.played + llm_cassette.recorded == 1
"""


@pytest.fixture
def sampled(project, chat_server):
    project.tests(TEST)
    return project


def interactions(project):
    return from_text((project.path / "cassettes/test_it/test_it.yaml").read_text(encoding="utf-8"))


def samples(project):
    return [interaction.sample for interaction in interactions(project)]


def with_samples(project, number):
    project.tests(TEST.replace("4, pass_rate=0.7", f"{number}, pass_rate=0.5"))


def test_samples_are_recorded_once_and_replayed_with_the_same_verdict(sampled, chat_server):
    recorded = sampled.run("--templates-record=missing")

    recorded.assert_outcomes(passed=1)
    sampled.says(recorded, "4 recorded", "test_it: 3 of 4 samples passed", "sample 2  test_it.py:12")
    assert samples(sampled) == [1, 2, 3, 4]
    assert len(chat_server.asked) == 4

    replayed = sampled.run()

    replayed.assert_outcomes(passed=1)
    sampled.says(
        replayed, "4 calls of 1 model", "4 replayed", "test_it: 3 of 4 samples passed", "sample 2  test_it.py:12"
    )
    assert len(chat_server.asked) == 4


def test_the_first_sample_is_written_as_that_of_a_test_without_samples(sampled, chat_server):
    sampled.run("--templates-record=missing", "--templates-samples=1").assert_outcomes(passed=1)
    text = (sampled.path / "cassettes/test_it/test_it.yaml").read_text(encoding="utf-8")

    assert "sample" not in text
    sampled.tests(TEST.replace("@pytest.mark.llm_samples(4, pass_rate=0.7)\n", ""))
    sampled.run().assert_outcomes(passed=1)


def test_what_is_missing_of_more_samples_is_recorded_alone(sampled, chat_server):
    with_samples(sampled, 2)
    sampled.run("--templates-record=missing").assert_outcomes(passed=1)
    before = interactions(sampled)
    with_samples(sampled, 5)

    sampled.run("--templates-record=missing").assert_outcomes(passed=1)

    assert len(chat_server.asked) == 5
    assert interactions(sampled)[:2] == before
    assert samples(sampled) == [1, 2, 3, 4, 5]


def test_a_sample_that_was_not_recorded_is_missed_whatever_the_rate(sampled, chat_server):
    sampled.run("--templates-record=missing").assert_outcomes(passed=1)

    result = sampled.run("--templates-samples=6")

    result.assert_outcomes(failed=1)
    sampled.says(
        result,
        "CassetteMiss: No recording for POST",
        "no-sample: it holds no recordings of this sample",
        "pytest test_it.py::test_it --templates-samples=6 --templates-record=missing",
        "in sample 5 of 6",
    )
    assert str(result.stdout).count("No recording for") == 1


def test_a_changed_prompt_is_compared_with_the_recording_of_the_same_sample(sampled, chat_server):
    sampled.run("--templates-record=missing").assert_outcomes(passed=1)
    program = (sampled.path / "program.py").read_text(encoding="utf-8")
    sampled.file("program.py", program.replace('UserTemplate("Hello.")', 'UserTemplate("Hello again.")'))

    result = sampled.run()

    result.assert_outcomes(failed=1)
    sampled.says(result, "no-match", "Nearest is recording 1", "Hello[ again].", "in sample 1 of 4")


def test_recordings_of_fewer_samples_are_unused_and_dropped_when_that_is_asked_for(sampled, chat_server):
    sampled.run("--templates-record=missing").assert_outcomes(passed=1)
    with_samples(sampled, 2)

    result = sampled.run()

    sampled.says(result, "never played:", "3  sample 3  talk/answer", "4  sample 4  talk/answer")
    assert "never played" not in str(sampled.run("--templates-samples=3").stdout)
    sampled.run("--templates-record=changed").assert_outcomes(passed=1)
    assert samples(sampled) == [1, 2]
    assert len(chat_server.asked) == 4


def test_all_samples_are_recorded_anew_together(sampled, chat_server):
    sampled.run("--templates-record=missing").assert_outcomes(passed=1)

    result = sampled.run("--templates-record=all")

    result.assert_outcomes(passed=1)
    sampled.says(result, "changed recordings", "the model answered differently", "- Answer [2].", "+ Answer [6].")
    sampled.says(result, "4 recorded")
    assert samples(sampled) == [1, 2, 3, 4]
    assert len(chat_server.asked) == 8


def test_beyond_the_rate_nothing_is_kept_and_the_next_recording_pays_for_nothing(sampled, chat_server):
    sampled.tests(TEST.replace("0.7", "0.8"))

    result = sampled.run("--templates-record=missing")

    result.assert_outcomes(failed=1)
    sampled.says(result, "3 of 4 samples passed", "test_it.py::test_it (4 answers)")
    assert not (sampled.path / "cassettes/test_it/test_it.yaml").exists()

    sampled.tests(TEST)
    sampled.run("--templates-record=missing").assert_outcomes(passed=1)
    assert samples(sampled) == [1, 2, 3, 4]
    assert len(chat_server.asked) == 4


def test_each_sample_is_checked_to_replay_before_the_next_is_paid_for(sampled, chat_server):
    sampled.tests(
        """
fails = iter([False, False, True, False])

@pytest.mark.llm_cassette
@pytest.mark.llm_samples(4, pass_rate=0)
def test_it():
    ask(real())
    assert not next(fails)
"""
    )

    result = sampled.run("--templates-record=missing")

    result.assert_outcomes(failed=1)
    sampled.says(
        result,
        "NotReplayable: the sample failed while it recorded, and went otherwise when it was played once more from that",
        "it asked the same, and passed",
        "in sample 2 of 4",
    )
    assert len(chat_server.asked) == 2


def test_samples_of_tests_that_share_a_cassette_share_their_recordings(sampled, chat_server):
    sampled.tests(
        """
@pytest.mark.llm_cassette("both")
@pytest.mark.llm_samples(2)
def test_one():
    ask(real())

@pytest.mark.llm_cassette("both")
@pytest.mark.llm_samples(3)
def test_two():
    ask(real())

@pytest.mark.llm_cassette("both")
def test_three():
    ask(real())
"""
    )

    sampled.run("--templates-record=missing").assert_outcomes(passed=3)

    text = (sampled.path / "cassettes/both.yaml").read_text(encoding="utf-8")
    assert [interaction.sample for interaction in from_text(text)] == [1, 2, 3]
    sampled.run().assert_outcomes(passed=3)


def test_rules_of_the_project_match_within_a_sample_and_keep_its_number(sampled, chat_server, monkeypatch):
    sampled.file(
        "conftest.py",
        """
        from dataclasses import replace
        from pytest_templates import Interaction

        def pytest_templates_scrub(interaction):
            return Interaction(interaction.template, interaction.model, interaction.request, interaction.response)

        def pytest_templates_match(request, recorded):
            return True
        """,
    )
    sampled.tests(
        """
import os

@pytest.mark.llm_cassette
@pytest.mark.llm_samples(2)
def test_it():
    for name in os.environ["MODELS"].split():
        ask(real(name))
"""
    )
    monkeypatch.setenv("MODELS", "m")
    sampled.run("--templates-record=missing").assert_outcomes(passed=1)
    assert samples(sampled) == [1, 2]
    monkeypatch.setenv("MODELS", "other another")

    result = sampled.run()

    result.assert_outcomes(failed=1)
    sampled.says(
        result, "asked by  talk/answer (model openai:another)", "1 recorded, 0 left to play", "in sample 1 of 2"
    )


def test_the_whole_costs_what_all_samples_do(sampled, chat_server):
    plain = chat_server.answer
    chat_server.answer = lambda body: {**plain(body), "model": "gpt-4o-mini"}
    sampled.tests(TEST.replace("real()", 'real("gpt-4o-mini")').replace("pass_rate=0.7", "pass_rate=0"))

    result = sampled.run("--templates-record=missing", "--templates-max-cost=0.000006")

    result.assert_outcomes(failed=1)
    sampled.says(result, "BudgetExceeded: test_it.py::test_it is about to call a real model", "in sample 3 of 4")
    assert len(chat_server.asked) == 2


def test_a_repeated_recording_finds_what_other_samples_have_asked(sampled, chat_server):
    sampled.run("--templates-record=missing").assert_outcomes(passed=1)

    result = sampled.run("--templates-twice")

    result.assert_outcomes(passed=1)
    sampled.says(result, "1 test run twice, 0 not deterministic")


def test_samples_are_shown_and_a_damaged_number_is_told(sampled, chat_server, capsys):
    sampled.run("--templates-record=missing").assert_outcomes(passed=1)
    path = sampled.path / "cassettes/test_it/test_it.yaml"

    assert main(["cassettes", "show", str(path)]) == 0
    shown = capsys.readouterr().out
    path.write_text(re.sub("sample: 3", "sample: 0", path.read_text(encoding="utf-8")), encoding="utf-8")
    damaged = sampled.run()

    assert "2. talk/answer  openai:m  sample 2" in shown
    damaged.assert_outcomes(failed=1)
    sampled.says(damaged, "has the impossible sample 0")


def test_what_failed_is_told_without_secrets(sampled, chat_server, monkeypatch):
    monkeypatch.setenv("DESK_API_KEY", "kX3f-Zq9-aB7w-Q2m5")
    sampled.tests(
        """
import os

@pytest.mark.llm_cassette
@pytest.mark.llm_samples(2, pass_rate=0)
def test_within():
    assert os.environ["DESK_API_KEY"] == ask(real()).last.content

@pytest.mark.llm_cassette
@pytest.mark.llm_samples(2)
def test_beyond():
    assert os.environ["DESK_API_KEY"] == ask(real()).last.content
"""
    )

    result = sampled.run("--templates-record=missing", "--templates-json=run.json")

    result.assert_outcomes(passed=1, failed=1)
    assert "kX3f-Zq9" not in str(result.stdout)
    assert "kX3f-Zq9" not in (sampled.path / "run.json").read_text(encoding="utf-8")
