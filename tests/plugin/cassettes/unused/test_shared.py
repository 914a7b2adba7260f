"""Recordings of a shared cassette that no test of a full run played are dropped one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_templates.cassettes.storage.store import load_cassette
from pytest_templates.commands.main import main


@pytest.fixture
def holds(recorded, record):
    """The questions in the shared cassette, of which the second and the fourth are asked by nobody."""
    record("both", "One.", "Old.", "Two.", "Older.")

    def read() -> list[str]:
        interactions = load_cassette(Path(recorded.path, "cassettes/both.yaml"))
        return [json.loads(one.request.body)["messages"][0]["content"] for one in interactions]

    return read


def prune(*words: str) -> int:
    return main(["cassettes", "prune", "--interactions", *words])


def test_they_are_listed_and_removed_after_a_run_of_all_tests(recorded, holds, capsys):
    listed, there = prune(), holds()
    said = capsys.readouterr().out
    removed = prune("--yes")

    assert (listed, removed) == (0, 0)
    assert "cassettes/both.yaml  talk/answer" in said
    assert said.endswith("2 recordings that no test has played: --yes removes them\n")
    assert there == ["One.", "Old.", "Two.", "Older."]
    assert holds() == ["One.", "Two."]
    recorded.run().assert_outcomes(passed=4)


def test_the_reports_of_shards_make_one_run(recorded, holds, capsys):
    recorded.run("--templates-json=a.json", "-k", "test_one or ada", "-n1").assert_outcomes(passed=2)
    recorded.run("--templates-json=b.json", "-k", "not (test_one or ada)").assert_outcomes(passed=2)

    alone = prune("--yes", "--from", "a.json")
    refusal, there = capsys.readouterr().err, holds()
    both = prune("--yes", "--from", "a.json", "b.json")

    assert (alone, both) == (2, 0)
    assert "nothing is removed: test_it.py::test_two has not passed in these reports" in refusal
    assert there == ["One.", "Old.", "Two.", "Older."]
    assert holds() == ["One.", "Two."]


def test_what_was_added_since_the_reports_stays(recorded, holds, record):
    recorded.run("--templates-json=a.json").assert_outcomes(passed=4)
    record("both", "New.", "One.", "Old.", "Two.", "Old.")

    assert prune("--yes", "--from", "a.json") == 0

    assert holds() == ["New.", "One.", "Old.", "Two."]  # of two equal ones the one that was there goes


def test_a_test_that_failed_is_refused_as_what_it_needs_is_not_known(recorded, holds, change, capsys):
    change('say("Two.")', 'say("Two.")\n    assert False')

    assert prune("--yes") == 2

    assert "test_two has not passed" in capsys.readouterr().err
    assert holds() == ["One.", "Old.", "Two.", "Older."]


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_changed_drops_them_after_a_full_run(recorded, holds, workers):
    part = recorded.run("--templates-record=changed", "-k", "test_one")
    there = holds()
    full = recorded.run("--templates-record=changed", *workers)

    part.assert_outcomes(passed=1, deselected=3)
    full.assert_outcomes(passed=4)
    assert there == ["One.", "Old.", "Two.", "Older."]
    assert holds() == ["One.", "Two."]
    recorded.says(full, "cassettes/both.yaml: 2 recordings dropped, which no test has played")
