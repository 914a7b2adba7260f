"""What models were asked, as plain data that travels between processes, and two such lists side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypedDict


class Ask(TypedDict):
    """One request of a model, and its answer.

    Attributes:
        template: The path of the template that asked; ``None`` for a call from outside of templates.
        key: Equal for requests that count as the same, and for no others.
        address: Where it was sent, with the method; ``""`` where nothing was sent.
        body: What was sent: JSON without what is ignored in comparisons, or other text.
        answer: What came back, in words; ``""`` for nothing.
    """

    template: str | None
    key: str
    address: str
    body: str
    answer: str


@dataclass(frozen=True, slots=True)
class Pair:
    """An ask of one run, and the one of another run that stands in its place.

    Attributes:
        old: ``None`` where only the new run asked.
        new: ``None`` where only the old run asked.
    """

    old: Ask | None
    new: Ask | None

    @property
    def template(self) -> str | None:
        """The path of the template that asks; ``None`` for code outside of templates."""
        return next((ask["template"] for ask in (self.new, self.old) if ask is not None), None)

    @property
    def is_same(self) -> bool:
        """Whether both runs asked the same."""
        return self.old is not None and self.new is not None and self.old["key"] == self.new["key"]


def paired(old: Sequence[Ask], new: Sequence[Ask]) -> list[Pair]:
    """The asks of two runs side by side, template by template.

    Those of a template that are the same belong together wherever they stand, since what is asked at the same time may
    come in any order; the others by their place.
    """
    templates = dict.fromkeys(ask["template"] for ask in (*new, *old))
    return [pair for template in templates for pair in _paired(_of(template, old), _of(template, new))]


def _of(template: str | None, asks: Iterable[Ask]) -> list[Ask]:
    return [ask for ask in asks if ask["template"] == template]


def _paired(old: Sequence[Ask], new: Sequence[Ask]) -> Iterator[Pair]:
    left, others = list(old), []
    for ask in new:
        same = next((one for one in left if one["key"] == ask["key"]), None)
        if same is None:
            others.append(ask)
        else:
            left.remove(same)
            yield Pair(same, ask)
    yield from (Pair(was, now) for was, now in zip_longest(left, others))
