"""What changed from one recording to the next, and whose doing it is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_templates.cassettes.reading.calls import RecordedCall, changed_recordings, paired


def ask(prompt: str, answer: str = "Yes.", template: str = "desk", **more: object) -> RecordedCall:
    body = json.dumps({"messages": [{"role": "user", "content": prompt}], **more})
    return RecordedCall(template=template, key=body, address="POST https://host/chat", body=body, answer=answer)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ([ask("Hi")], [ask("Hello")], ["desk: our prompt changed"]),
        ([ask("Hi")], [ask("Hi", "No.")], ["desk: the model answered differently to the same prompt"]),
        ([ask("Hi", model="a")], [ask("Hi", model="b")], ["desk: the settings changed, or where it is sent"]),
        ([], [ask("Hi")], ["desk: new call"]),
        ([ask("Hi")], [], ["desk: gone"]),
        ([ask("Hi")], [ask("Hi", template="shop")], ["shop: new call", "desk: gone"]),
        (
            [ask("a"), ask("b")],
            [ask("b"), ask("c")],
            ["desk: our prompt changed", "the same answer to the same prompt: 1 call"],
        ),
    ],
)
def test_the_cause_is_named_with_its_template(old, new, told):
    assert [line for line in changed_recordings(old, new) if not line.startswith(" ")] == told


def test_a_prompt_that_holds_another_answer_follows_from_that_answer():
    def after(said: str) -> RecordedCall:
        told = [
            {"role": role, "content": text} for role, text in (("user", "Hi"), ("assistant", said), ("user", "Why?"))
        ]
        return ask("", messages=told)

    assert changed_recordings([after("Yes.")], [after("No.")])[0] == "desk: an earlier answer in the prompt changed"


def test_of_a_long_difference_the_start_is_told():
    old, new = ("\n".join(f"{word} {number}" for number in range(300)) for word in ("old", "new"))

    lines = changed_recordings([ask("Hi", old)], [ask("Hi", new)])

    assert lines[-1] == "  …"
    assert len(lines) <= 8


asks = st.lists(
    st.builds(ask, st.sampled_from("ab"), st.sampled_from(["Yes.", "No."]), st.sampled_from(["desk", "shop"]))
)


@given(asks)
def test_nothing_is_told_of_what_is_the_same(some):
    assert changed_recordings(some, some) == []


@given(asks, asks)
def test_every_ask_of_both_recordings_has_one_place_in_the_pairs(old, new):
    pairs = paired(old, new)

    for asked, side in ((old, "old"), (new, "new")):
        found = [getattr(pair, side) for pair in pairs if getattr(pair, side) is not None]
        assert sorted(map(str, found)) == sorted(map(str, asked))
