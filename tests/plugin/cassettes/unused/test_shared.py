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
    assert "nothing is removed" in refusal
    assert "test_it.py::test_two is not in these reports, and plays cassettes/both.yaml\n" in refusal
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


OTHERS = """
@pytest.mark.llm_cassette("two/more")
def test_three():
    say("Three.")

@pytest.mark.llm_cassette("two/more")
def test_four():
    say("Four.")
    assert False
"""


def test_nothing_is_removed_where_a_later_cassette_is_refused(recorded, holds, record, change, capsys):
    record("two/more", "Three.", "Four.")
    change(
        '@pytest.mark.llm_cassette("both")\ndef test_one', f"{OTHERS}\n@pytest.mark.llm_cassette('both')\ndef test_one"
    )

    outcome = prune("--yes")

    assert outcome == 2
    assert "test_it.py::test_four has not passed in these reports, and plays cassettes/two/more.yaml\n" in (
        capsys.readouterr().err
    )
    assert holds() == ["One.", "Old.", "Two.", "Older."]


def test_nothing_is_removed_where_a_later_cassette_is_damaged(recorded, holds, record):
    recorded.run("--templates-json=a.json").assert_outcomes(passed=4)
    path = record("two/more", "Three.")
    path.write_text(path.read_text().replace("end: true\n", ""))
    recorded.file("test_more.py", "import pytest\n@pytest.mark.llm_cassette('two/more')\ndef test_more(): pass\n")

    assert prune("--yes", "--from", "a.json") == 2

    assert holds() == ["One.", "Old.", "Two.", "Older."]


UNKNOWN = {
    "missing": (lambda test: [], "is not in these reports"),
    "failed": (lambda test: [{**test, "outcome": "failed"}], "has not passed in these reports"),
    "skipped": (lambda test: [{**test, "outcome": "skipped"}], "has not passed in these reports"),
    "silent": (lambda test: [{**test, "shared_cassette": None}], "says in these reports nothing of a cassette"),
    "elsewhere": (
        lambda test: [{**test, "shared_cassette": {"file": "there/both.yaml", "unplayed": []}}],
        "has played there/both.yaml in these reports",
    ),
}


@pytest.mark.parametrize(("told", "reason"), UNKNOWN.values(), ids=UNKNOWN)
def test_a_cassette_of_which_no_test_is_known_is_refused_with_their_names(recorded, holds, capsys, told, reason):
    recorded.run("--templates-json=a.json").assert_outcomes(passed=4)
    report = json.loads(Path(recorded.path, "a.json").read_text(encoding="utf-8"))
    shared = [test for test in report["tests"] if test.get("shared_cassette")]
    report["tests"] = [one for test in report["tests"] for one in (told(test) if test in shared else [test])]
    recorded.file("a.json", json.dumps(report))
    capsys.readouterr()

    outcome = prune("--yes", "--from", "a.json")

    assert outcome == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: nothing is removed, as what some tests need is not known:\n")
    for name in ("test_one", "test_two"):
        assert f"  test_it.py::{name} {reason}" in said.err
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
