"""Matching in any order, and alignment in order, held against trying everything."""

from __future__ import annotations

import re
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from pytest_templates.trajectories.alignment import DIFFERENT, FITS, SIMILAR, aligned, matched

FITTING = st.lists(st.lists(st.integers(0, 4), unique=True, max_size=5), max_size=5)
TEXTS = st.text("abc", max_size=6)


def most_matched(fitting: list[list[int]]) -> int:
    """The largest number of things matched, found by trying every order of what there is."""
    return max(
        sum(thing in some for some, thing in zip(fitting, order, strict=False)) for order in permutations(range(5))
    )


@given(FITTING)
def test_as_many_are_matched_as_can_be(fitting):
    found = matched(fitting)

    assert all(thing in fitting[one] for one, thing in found.items())
    assert len(set(found.values())) == len(found) == most_matched(fitting)


def test_the_first_that_fits_is_not_taken_from_whom_nothing_else_fits():
    assert matched([[0, 1], [0]]) == {0: 1, 1: 0}


def test_a_long_chain_of_those_who_make_room_is_followed():
    count = 3000
    fitting = [[one, one + 1] for one in range(count)] + [[0]]

    assert len(matched(fitting)) == count + 1


def costs_of(expected: str, used: str) -> list[list[int]]:
    return [[FITS if one == other else DIFFERENT for other in used] for one in expected]


@given(TEXTS, TEXTS)
def test_an_alignment_holds_both_sequences_in_their_order(expected, used):
    pairs = aligned(costs_of(expected, used), len(used))

    assert "".join(expected[one] for one, _ in pairs if one is not None) == expected
    assert "".join(used[other] for _, other in pairs if other is not None) == used
    assert all(pair != (None, None) for pair in pairs)


@given(TEXTS, TEXTS)
def test_nothing_stands_alone_where_both_are_the_same(expected, used):
    pairs = aligned(costs_of(expected, used), len(used))

    right = [one is not None and other is not None and expected[one] == used[other] for one, other in pairs]
    assert all(right) == (expected == used)


@given(TEXTS, TEXTS)
def test_what_spans_several_is_as_a_regular_expression_has_it(expected, used):
    pairs = aligned(costs_of(expected, used), len(used), spanning=True)

    right = [one is not None and other is not None and expected[one] == used[other] for one, other in pairs]
    pattern = "".join(f"{letter}+" for letter in expected)
    assert all(right) == (re.fullmatch(pattern, used) is not None)
    assert "".join(used[other] for _, other in pairs if other is not None) == used
    assert list(dict.fromkeys(one for one, _ in pairs if one is not None)) == list(range(len(expected)))


@given(st.lists(st.sampled_from(["a", "b", "ab"]), max_size=4), st.text("ab", max_size=6))
def test_of_what_fits_several_the_right_one_is_found(expected, used):
    costs = [[FITS if letter in some else DIFFERENT for letter in used] for some in expected]

    pairs = aligned(costs, len(used), spanning=True)

    right = [one is not None and other is not None and used[other] in expected[one] for one, other in pairs]
    assert all(right) == (re.fullmatch("".join(f"[{some}]+" for some in expected), used) is not None)


def test_what_is_similar_stands_beside_what_it_may_be_meant_for():
    assert aligned([[SIMILAR], [DIFFERENT]], 1) == [(0, 0), (1, None)]
    assert aligned([[DIFFERENT], [SIMILAR]], 1) == [(0, None), (1, 0)]
