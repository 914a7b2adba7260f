"""Merging cassettes of two branches: whole interactions, and nothing of either side is lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_templates.cassettes.format.document import from_text
from pytest_templates.cassettes.recorded import Chunk, Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.three_way import Conflict, Merged, conflicts_in, merge, text_of


def call(said: str, template: str = "talk/answer") -> Interaction:
    """A call, written as ``question=answer``."""
    question, _, answer = said.partition("=")
    request = RecordedRequest("POST", f"https://host/{question}", (), b"")
    return Interaction(template, "m", request, RecordedResponse(200, "", (), answer.encode()))


def calls(text: str) -> list[Interaction]:
    return [call(said) for said in text.split()]


def written(merged: Merged) -> str:
    """What was merged, as `calls` takes it; of a conflict both sides, with a bar between."""
    return " ".join(
        f"{_said(one.ours)}|{_said(one.theirs)}" if isinstance(one, Conflict) else _said(one) for one in merged
    )


def _said(one: Interaction | None) -> str:
    return "-" if one is None else f"{one.request.uri.removeprefix('https://host/')}={one.response.body.decode()}"


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        ("a=1 b=1", "0=0 a=1 b=1", "a=1 b=1 c=1", "0=0 a=1 b=1 c=1"),
        ("a=1 b=1", "a=1 x=1 b=1", "a=1 y=1 b=1", "a=1 x=1 y=1 b=1"),  # at one place: ours first
        ("a=1 b=1", "a=1 x=1 b=1", "a=1 x=1 b=1", "a=1 x=1 b=1"),  # equal additions are one
        ("", "a=1 b=1", "a=1 c=1", "a=1 b=1 c=1"),  # both were begun anew
        ("a=1 b=1 c=1", "a=1 c=1", "a=1 b=1 c=2", "a=1 c=2"),
        ("a=1 b=1 c=1", "b=1 c=1", "a=1 b=1", "b=1"),
        ("a=1 b=1 c=1", "a=1 b=1 c=1", "c=1 a=1 b=1", "c=1 a=1 b=1"),  # moved
        ("a=1 b=1 c=1", "a=1 x=1 b=1 c=1", "c=1 a=1 b=1", "c=1 a=1 x=1 b=1"),
        ("a=1", "a=0 a=1", "a=1 a=2", "a=0 a=1 a=2"),  # the same request, asked again on both sides
        ("a=1 a=2", "a=2", "a=1 a=2 a=3", "a=2 a=3"),
        ("b=1 a=2", "a=2 b=1", "b=1 a=1 a=2", "a=1 a=2 b=1"),  # those with one request keep their order
        ("a=1 b=1", "a=2 b=1", "a=3 b=1", "a=2|a=3 b=1"),
        ("a=1 b=1", "b=1", "a=3 b=1", "-|a=3 b=1"),
        ("a=1 b=1", "a=3 b=1", "b=1", "a=3|- b=1"),
        ("", "a=1", "a=2", "a=1|a=2"),
    ],
)
def test_sides_are_merged_call_by_call(base, ours, theirs, merged):
    assert written(merge(calls(base), calls(ours), calls(theirs))) == merged


def test_calls_of_other_samples_are_others():
    first, second = call("a=1"), replace(call("a=2"), sample=2)

    assert merge([], [first], [second]) == [first, second]


def test_the_same_answer_recorded_on_both_sides_is_that_of_ours():
    def answered(number: int, words: str = "Yes.") -> Interaction:
        body = f'{{"id": "chat-{number}", "choices": [{{"message": {{"content": "{words}"}}}}]}}'.encode()
        response = RecordedResponse(200, "", (), body, arrivals=(Chunk(len(body), number / 10),))
        return replace(call("a="), response=response)

    base, ours, theirs = answered(1, "No."), answered(2), answered(3)

    assert merge([base], [ours], [theirs]) == [ours]
    assert merge([answered(1)], [ours], [answered(3, "No.")]) == [answered(3, "No.")]  # ours has other ids alone
    assert merge([answered(1)], [ours], []) == []


def test_a_renamed_template_and_a_new_answer_are_one_call():
    base, renamed, answered = call("a=1"), call("a=1", "desk/answer"), call("a=2")

    assert merge([base], [renamed], [answered]) == [call("a=2", "desk/answer")]
    assert merge([base], [answered], [renamed]) == [call("a=2", "desk/answer")]


def test_a_conflict_is_written_around_whole_calls_and_either_side_is_a_cassette():
    text = text_of(merge(calls("a=1 b=1"), calls("a=2 b=1 c=1"), calls("a=3 b=1")))

    head, ours, theirs, tail = _parts(text)
    assert [_said(one) for one in from_text(head + ours + tail)] == ["a=2", "b=1", "c=1"]
    assert [_said(one) for one in from_text(head + theirs + tail)] == ["a=3", "b=1", "c=1"]
    assert [_said(one) for one in from_text(head + ours + theirs + tail)] == ["a=2", "a=3", "b=1", "c=1"]
    with pytest.raises(ValueError, match="the marks of a merge conflict"):
        from_text(text)


def _parts(text: str) -> tuple[str, str, str, str]:
    """What stands before a conflict, its two sides, and what stands behind it."""
    head, rest = text.split("<<<<<<< ours\n")
    ours, rest = rest.split("=======\n")
    theirs, tail = rest.split(">>>>>>> theirs\n")
    return head, ours, theirs, tail


side = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("12")).map("=".join).map(call), max_size=5)


def everything(merged: Merged) -> Counter[Interaction]:
    parts = ([one.ours, one.theirs] if isinstance(one, Conflict) else [one] for one in merged)
    return Counter(one for part in parts for one in part if one is not None)


@settings(max_examples=200, deadline=None)
@given(side, side, side)
def test_what_one_side_left_alone_is_that_of_the_other_side(base, ours, theirs):
    assert merge(base, base, theirs) == theirs
    assert merge(base, ours, base) == ours
    assert merge(base, ours, ours) == ours


@settings(max_examples=200, deadline=None)
@given(side, side, side)
def test_nothing_added_is_lost_and_nothing_removed_on_both_sides_returns(base, ours, theirs):
    merged = everything(merge(base, ours, theirs))
    before, mine, yours = Counter(base), Counter(ours), Counter(theirs)

    assert mine - before <= merged
    assert yours - before <= merged
    assert merged <= mine + yours


@settings(max_examples=100, deadline=None)
@given(side, side, side)
def test_the_text_of_what_was_merged_is_a_cassette_with_it(base, ours, theirs):
    merged = merge(base, ours, theirs)

    if not conflicts_in(merged):
        assert from_text(text_of(merged)) == merged
