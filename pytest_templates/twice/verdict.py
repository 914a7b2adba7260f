"""What is said of a test whose second run was not as its first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pytest_templates.asks import Ask, Pair, paired
from pytest_templates.cassettes.asking import ask_difference, body_in
from pytest_templates.errors import NotDeterministic
from pytest_templates.tables import counted
from pytest_templates.text_differences import MAX_LINES, cut
from pytest_templates.twice.causes import remedy

_IGNORE: Final = "What may differ is left out of the comparison of recordings by llm_cassette(ignore=...)."
_NO_TEST: Final = (
    "the second run has no test of this name: what its parameters are called is not the same in every process. Give "
    "them ids: pytest.param(..., id='...')"
)
_ELSEWHERE: Final = "code outside of templates"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a test in its second run.

    Attributes:
        asked: What its models were asked.
        failure: Why it did not pass; ``""`` where it did.
    """

    asked: Sequence[Ask]
    failure: str


def verdict(first: Sequence[Ask], second: Outcome | None, how: str) -> NotDeterministic | None:
    """What is wrong with a test that passed in its first run; ``None`` where the second was the same.

    Args:
        first: What its models were asked in the first run.
        second: What became of it in the second; ``None`` where there was no such test.
        how: What was different about the second run.
    """
    if second is None:
        return NotDeterministic(f"{_NO_TEST}\n{how}")
    pairs = [pair for pair in paired(first, second.asked) if not pair.is_same]
    if pairs:
        text = "\n".join([*_difference(pairs[0]), *_more(pairs), "", *_remedies(pairs[0]), how])
        return NotDeterministic(text, template_path=pairs[0].template)
    if second.failure:
        said = [f"  {cut(line)}" for line in second.failure.splitlines()[-MAX_LINES:]]
        title = "its models were asked the same, but the test passed in the first run, and not in the second:"
        return NotDeterministic("\n".join([title, *said, how]))
    return None


def _difference(pair: Pair) -> list[str]:
    where = pair.template or _ELSEWHERE
    if pair.old is None or pair.new is None:
        return [f"{where} asked a model in the {'second' if pair.old is None else 'first'} run only"]
    lines = ask_difference(pair.old, pair.new) or ["what differs is no text"]
    return [
        f"the prompt of {where} is not the same in a second run (- first, + second):",
        *(f"  {line}" for line in lines),
    ]


def _more(pairs: Sequence[Pair]) -> list[str]:
    others = len(pairs) - 1
    return [f"and {counted(others, 'call')} more, which may follow from this one"] if others else []


def _remedies(pair: Pair) -> list[str]:
    if pair.old is None or pair.new is None:
        return []
    old, new = ((body_in(ask) or ask["body"]) for ask in (pair.old, pair.new))
    return [remedy(old, new), *([_IGNORE] if pair.new["address"] else [])]
