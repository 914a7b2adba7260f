"""Agreement of a judge with labelled examples: a judge is a model to be tested as well."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon import Message, Session
from antiphon.errors import InvalidType, InvalidValue
from pytest_templates import Agreement, Judge, JudgedExample, ScriptedModel, Verdict

LABELS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=12)


def judge_of(*scores: float) -> Judge:
    verdicts = [Verdict(reasons=f"Reason {number}.", score=score) for number, score in enumerate(scores, 1)]
    return Judge(ScriptedModel(*verdicts), "is polite")


EXAMPLES = [("Good day.", True), ("Go away.", False), ("Well.", True), ("Please.", True)]


def test_a_judge_is_measured_by_what_people_say():
    agreement = judge_of(0.9, 0.8, 0.7, 0.1).agreement(EXAMPLES)

    assert agreement.accuracy == 0.5
    assert agreement.kappa == pytest.approx((0.5 - 10 / 16) / (1 - 10 / 16))
    assert agreement.counts == {(True, True): 2, (True, False): 1, (False, True): 1, (False, False): 0}
    assert [(one.answer, one.label, one.passed, one.verdict.score) for one in agreement.disagreements] == [
        ("Go away.", False, True, 0.8),
        ("Please.", True, False, 0.1),
    ]
    assert str(agreement).splitlines() == [
        "the judge agrees with 2 of 4 examples: accuracy 0.50, Cohen's kappa -0.33",
        "           passed  failed",
        "  to pass       2       1",
        "  to fail       1       0",
        "  to fail, and judged 0.8",
        "    answer   Go away.",
        "    reasons  Reason 2.",
        "  to pass, and judged 0.1",
        "    answer   Please.",
        "    reasons  Reason 4.",
    ]


def test_agreement_is_measured_async_as_well():
    agreement = asyncio.run(judge_of(0.9, 0.1, 0.9, 0.9).aagreement(iter(EXAMPLES)))

    assert (agreement.accuracy, agreement.kappa, agreement.disagreements) == (1, 1, ())


def test_messages_and_sessions_are_examples_too():
    message = Message(role="assistant", content="Go away.")

    agreement = judge_of(0.9, 0.9).agreement([(Session(messages=[message]), True), (message, False)])

    assert [example.answer for example in agreement.examples] == ["Go away.", "Go away."]


def agreement_of(pairs: list[tuple[bool, bool]]) -> Agreement:
    verdict = Verdict(reasons="So.", score=0.5)
    return Agreement(tuple(JudgedExample("a", label, passed, verdict) for label, passed in pairs))


@given(LABELS.filter(lambda pairs: len({label for label, _ in pairs}) == 2))
def test_kappa_is_1_for_full_agreement_and_0_for_a_judge_that_always_says_the_same(pairs):
    agreement = agreement_of(pairs)

    assert -1 <= agreement.kappa <= agreement.accuracy <= 1
    assert (agreement.kappa == 1) == (agreement.disagreements == ())
    assert agreement_of([(label, True) for label, _ in pairs]).kappa == pytest.approx(0)
    assert sum(agreement.counts.values()) == len(pairs)


@given(LABELS.filter(lambda pairs: len({label for label, _ in pairs}) == 2))
def test_kappa_is_that_of_the_table(pairs):
    agreement = agreement_of(pairs)
    [a, b], [c, d] = ([agreement.counts[label, passed] for passed in (True, False)] for label in (True, False))

    assert agreement.kappa == pytest.approx(2 * (a * d - b * c) / ((a + b) * (b + d) + (a + c) * (c + d)))


@pytest.mark.parametrize(
    ("examples", "error", "text"),
    [
        ([("a", True), ("b", 1)], InvalidType, "example 2 is a text, a Message or a Session, with True or False"),
        ([("a", True), "b"], InvalidType, "example 2 is"),
        ([(Session(), True)], InvalidValue, "no messages"),
        ([("a", True), ("b", True)], InvalidValue, "some that are not"),
        ([], InvalidValue, "some that are not"),
    ],
)
def test_examples_that_measure_nothing_are_refused_before_the_judge_is_asked(
    examples: Any, error: type[Exception], text: str
):
    with pytest.raises(error, match=text):
        judge_of().agreement(examples)
