"""One cassette that several tests and processes record into at the same time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_templates.cassettes.storage import merging
from pytest_templates.cassettes.storage.store import Store


def test_both_recordings_are_kept(tester: Any, asked: Any) -> None:
    one, other = tester("test_a"), tester("test_b")
    one.asks("one")
    other.asks("other")
    one.cassette.save()
    other.cassette.save()
    assert asked() == ["one", "other"]


@pytest.mark.parametrize("mode", ["missing", "all"])
@pytest.mark.parametrize("done", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_tests_of_a_run_stand_in_their_order_whichever_was_done_first(
    tester: Any, asked: Any, mode: str, done: tuple[int, ...]
) -> None:
    before = tester()
    before.asks("before")
    before.cassette.save()
    tests = [tester(f"test_{place}", mode, run="1", place=place) for place in range(3)]
    for place, test in enumerate(tests):
        test.asks(f"{place}a")
        test.asks(f"{place}b")
    for place in done:
        tests[place].cassette.save()
    assert asked() == ["before", "0a", "0b", "1a", "1b", "2a", "2b"]


def test_the_tests_of_a_run_that_begin_later_replay_what_it_has_recorded_anew(tester: Any, asked: Any) -> None:
    for place in range(3):
        test = tester(f"test_{place}", "all", run="1", place=place)
        test.asks("the same", f"asked by {place}")
        test.asks(str(place))
        test.cassette.save()
    assert asked() == ["the same: asked by 0", "0", "1", "2"]


def test_another_run_records_all_of_it_anew(tester: Any, asked: Any) -> None:
    for run in ("1", "2"):
        for place in range(2):
            test = tester(f"test_{place}", "all", run=run, place=place)
            test.asks(str(place), f"in run {run}")
            test.cassette.save()
    assert asked() == ["0: in run 2", "1: in run 2"]


def test_what_is_not_recorded_anew_stays_for_the_tests_that_need_it(tester: Any, asked: Any) -> None:
    for name in ("a", "b"):
        test = tester(f"test_{name}")
        test.asks("the same", "before")
        test.asks(name, "before")
        test.cassette.save()
    test = tester("test_a", "all", run="1")
    test.asks("the same", "anew")
    test.asks("a", "anew")
    test.cassette.save()
    assert asked() == ["b: before", "the same: anew", "a: anew"]


def test_what_is_asked_by_both_is_there_once_as_if_they_had_come_one_after_the_other(tester: Any, asked: Any) -> None:
    one, other = tester("test_a"), tester("test_b")
    for name, test in {"a": one, "b": other}.items():
        test.asks("the same", f"asked by {name}")
        test.asks(name)
    one.cassette.save()
    other.cassette.save()
    assert asked() == ["the same: asked by a", "a", "b"]


def test_what_is_asked_more_often_by_one_is_there_as_often_as_that_one_needs_it(tester: Any, asked: Any) -> None:
    one, other = tester("test_a"), tester("test_b")
    for number in range(2):
        one.asks("the same", f"a{number}")
    for number in range(3):
        other.asks("the same", f"b{number}")
    one.cassette.save()
    other.cassette.save()
    assert asked() == ["the same: a0", "the same: a1", "the same: b2"]


def test_one_test_that_is_recorded_by_two_runs_at_once_is_there_once(tester: Any, asked: Any) -> None:
    runs = [tester(), tester()]
    for number, run in enumerate(runs):
        for content in ("one", "two", "two"):
            run.asks(content, f"in run {number}")
    for run in runs:
        run.cassette.save()
    assert asked() == ["one: in run 0", "two: in run 0", "two: in run 0"]


def test_what_was_loaded_and_played_does_not_count_as_recorded_by_others(tester: Any, asked: Any) -> None:
    for number in range(3):
        test = tester(f"test_{number}")
        for _ in range(number + 1):
            test.asks("the same", f"by {number}")
        test.cassette.save()
    assert asked() == ["the same: by 0", "the same: by 1", "the same: by 2"]


def test_what_another_recorded_meanwhile_is_kept_by_one_that_is_saved_twice(tester: Any, asked: Any) -> None:
    one, other = tester("test_a", "all"), tester("test_b")
    one.asks("one")
    one.cassette.save()
    other.asks("other")
    other.cassette.save()
    one.asks("one", "again")
    one.cassette.save()
    assert asked() == ["one", "other", "one: again"]


def test_an_edit_between_two_tests_of_a_run_costs_no_recording(tester: Any, asked: Any, path: Path) -> None:
    first = tester("test_a", "all", run="1", place=5)
    first.asks("first")
    first.cassette.save()
    elsewhere = tester("test_b")
    elsewhere.asks("elsewhere")
    elsewhere.cassette.save()
    second = tester("test_c", "all", run="1", place=1)
    second.asks("second")
    second.cassette.save()
    assert asked() == ["first", "elsewhere", "second"]


def test_the_end_of_a_run_leaves_nothing_of_it(tester: Any, path: Path, workplace: Path) -> None:
    for run in ("1", "2"):
        test = tester(run=run)
        test.asks(run)
        test.cassette.save()
    store = Store(path.parent.parent)
    merging.remove_ledgers(store, "1")
    assert workplace.exists()
    merging.remove_ledgers(store, "2")
    assert not workplace.exists()
