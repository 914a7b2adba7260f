"""The page of two runs side by side, in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REFUND = "tests/test_support_desk.py::test_a_refund_is_answered"
SAMPLED = "tests/test_triage.py::test_finds_the_topic"
Opened = Callable[..., Any]
At = Callable[..., str]
MINUS = "\N{MINUS SIGN}"


def rows(page: Any, title: str) -> dict[str, list[str]]:
    """The texts of a table, by what stands in front."""
    lines = page.get_by_role("region", name=title).locator("tbody tr").all()
    return {line.locator("th").inner_text(): line.locator("td").all_inner_texts() for line in lines}


def test_two_runs_are_seen_side_by_side(opened: Opened, two_runs: Path) -> None:
    page = opened(two_runs)

    assert page.get_by_role("heading", level=1).inner_text() == "12 of 16 tests changed"
    assert rows(page, "In all")["tests passed"] == ["10", "11", "+1 +10%"]
    assert rows(page, "In all")["cost"] == ["$0.0082", "$0.0048", f"{MINUS}$0.0035 {MINUS}42%"]
    assert page.locator("section", has=page.locator("#outcomes")).locator("li").count() == 4
    assert rows(page, "Templates")["answer"][0] == "desk-large desk-medium"
    assert rows(page, "Templates")["answer"][1] == "in 4 tests"
    assert set(rows(page, "Templates")) == {"topic", "answer"}
    assert page.locator("#prompts ~ .change ins").all_inner_texts() == [",", " and precise"]
    assert list(rows(page, "Pass rates that changed").values()) == [["80%", "60%", f"{MINUS}20 points"]]


def test_only_what_changed_is_listed_at_first(opened: Opened, two_runs: Path) -> None:
    page = opened(two_runs)
    assert page.locator("#found").inner_text() == "12 tests"
    page.get_by_label("Also 4 tests without a change").check()

    page.locator("#found", has_text=re.compile("^16 tests$")).wait_for()
    assert page.url.endswith("#all=1")


def test_what_changed_in_a_test_is_marked_word_by_word(opened: Opened, two_runs: Path, at: At) -> None:
    page = opened(two_runs, at(REFUND))
    changes = page.locator(".changes .change")

    assert [one.split("\n") for one in changes.locator(".change-head").all_inner_texts()] == [
        ["prompt", "desk/0", "system"],
        ["model", "desk/answer"],
        ["answer", "desk/answer"],
    ]
    assert changes.nth(1).locator("del, ins").all_inner_texts() == ["large", "medium"]
    assert changes.nth(2).locator("del").all_inner_texts() == ["You", " The", " five working days"]
    assert changes.nth(2).locator("ins").all_inner_texts() == ["Yes, you", " Your", " a week"]


def test_samples_are_compared_by_their_number(opened: Opened, two_runs: Path, at: At) -> None:
    page = opened(two_runs, at(SAMPLED))

    heads = page.locator(".changes .change-head").all_inner_texts()
    assert [head.split("\n") for head in heads] == [["answer", "sample 4", "triage/topic"]]
    assert page.locator(".changes ins").all_inner_texts() == ["other"]


def test_a_test_of_one_run_is_said_to_be_of_one(opened: Opened, two_runs: Path, at: At) -> None:
    page = opened(two_runs, at("tests/test_prices.py::test_tomorrow"))

    assert page.get_by_text("The test ran in one of the runs only.").is_visible()


def test_search_finds_what_was_said_in_either_run(opened: Opened, two_runs: Path) -> None:
    page = opened(two_runs, "q=within a week")

    page.locator("#found", has_text=re.compile("^3 of 12 tests(?!.*searching)")).wait_for()


@pytest.mark.parametrize("width", [360, 1600])
def test_nothing_is_wider_than_the_window(opened: Opened, two_runs: Path, at: At, width: int) -> None:
    for where in ("", at(REFUND)):
        page = opened(two_runs, where, width=width)

        assert page.evaluate("(({scrollWidth, clientWidth}) => scrollWidth - clientWidth)(content)") == 0


def test_nobody_is_left_out(opened: Opened, two_runs: Path, at: At, objections: Callable[..., list[str]]) -> None:
    for where in ("", at(REFUND)):
        assert objections(opened(two_runs, where)) == [], where


def test_why_a_test_failed_is_told_in_full(opened: Opened, two_runs: Path, at: At) -> None:
    page = opened(two_runs, at("tests/test_support_desk.py::test_a_lost_parcel_is_sent_again"))

    failure = page.get_by_role("region", name="Failure in A")
    assert "our prompt changed" in failure.locator(".failure-message").inner_text()
    assert "tests/test_support_desk.py:41: AssertionError" in failure.locator(".failure-text").inner_text()
    assert page.get_by_role("region", name="Failure in B").count() == 0
