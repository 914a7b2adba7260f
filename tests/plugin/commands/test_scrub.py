"""`cassettes scrub`: files are brought up to today's rules."""

from __future__ import annotations

import pytest

SECRET = "correct-horse-battery"


@pytest.fixture
def dirty(desk, record, cassettes, monkeypatch):
    path = record("dirty", "Hello.", f"My key is {SECRET}.")
    path.write_text(path.read_text().replace("chat/completions", "chat/completions?key=abc", 1))
    cassettes("check", "--fix", path)
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    return path


SAID = """\
cassettes/dirty.yaml
  interaction 1: the request's uri
  interaction 2: the request's body
"""


def test_what_would_change_is_listed_and_nothing_is_changed(dirty, cassettes):
    before = dirty.read_text()

    outcome = cassettes("scrub", "--folder", "cassettes")

    assert (outcome.status, outcome.out, outcome.err) == (0, f"{SAID}1 file to change: --yes changes them\n", "")
    assert dirty.read_text() == before


def test_yes_changes_it_and_the_check_passes(dirty, cassettes):
    outcome = cassettes("scrub", "--folder", "cassettes", "--yes")

    assert (outcome.status, outcome.out) == (0, f"{SAID}1 file changed\n")
    assert SECRET not in dirty.read_text()
    assert "key=abc" not in dirty.read_text()
    assert cassettes("scrub", "--folder", "cassettes").out == "nothing to change\n"
    assert cassettes("check", "--folder", "cassettes").status == 0


def test_a_damaged_file_is_left_alone_and_said(desk, dirty, cassettes):
    damaged = desk.copy("damaged/cut-off.yaml", "cassettes/both.yaml")
    before = damaged.read_text()

    outcome = cassettes("scrub", "--folder", "cassettes", "--yes")

    assert outcome.status == 1
    assert "both.yaml:34: the cassette is cut off" in outcome.err
    assert damaged.read_text() == before
    assert SECRET not in dirty.read_text()
