"""What changed templates make stale, and what it costs to record it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pytest_templates.cassettes.answers import answer_of
from pytest_templates.cassettes.persister import load
from pytest_templates.cassettes.reading import model_of
from pytest_templates.cassettes.store import Store
from pytest_templates.cassettes.values import Interaction
from pytest_templates.coverage.data import without_iterations
from pytest_templates.errors import CassetteError
from pytest_templates.lock.facts import Key
from pytest_templates.lock.seen import Rendered
from pytest_templates.report.data import FREE


@dataclass(frozen=True, slots=True)
class StaleCassette:
    """A cassette that changed templates make stale.

    Attributes:
        path: The file.
        again: Its interactions from the first one that a test makes with what has changed: the later ones depend on
            that one's answer.
        total: How many interactions it holds.
        trouble: Why it cannot be read; ``""`` where it can.
    """

    path: Path
    again: Sequence[Interaction]
    total: int
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """What calls cost as they were recorded.

    Attributes:
        calls: How many there are.
        tokens: Those sent and received.
        dollars: US dollars, of the calls whose price is known.
        unpriced: How many have no known price.
    """

    calls: int
    tokens: int
    dollars: Decimal
    unpriced: int


def stale_cassettes(keys: Collection[Key], tests: Iterable[Rendered], store: Store) -> list[StaleCassette]:
    """The cassettes of tests in which a model was sent what some templates say, or was asked by them; by path."""
    users: dict[Path, list[Rendered]] = {}
    for test in tests:
        if test.cassette is not None and _first_of(keys, test) is not None:
            users.setdefault(Path(test.cassette), []).append(test)
    return [_stale(path, keys, users[path], store) for path in sorted(users)]


def stale_snapshots(keys: Collection[Key], tests: Iterable[Rendered]) -> list[str]:
    """The files of conversations in which some templates take part."""
    return sorted({file for test in tests if test.keys & set(keys) for file in test.snapshots})


def cost_of(interactions: Sequence[Interaction], models: Mapping[str, str]) -> Cost:
    """What it costs to ask again what was asked.

    Args:
        interactions: What was recorded.
        models: The models that are asked now, by the path of a template; else the price is that of the recorded model.
    """
    answers = [answer_of(interaction.response) for interaction in interactions]
    tokens = [(answer.input_tokens or 0, answer.output_tokens or 0) for answer in answers]
    names = [models.get(without_iterations(one.template or "")) or model_of(one) for one in interactions]
    prices = [_price(name, *counts) for name, counts in zip(names, tokens, strict=True)]
    dollars = sum((price for price in prices if price is not None), Decimal(0))
    return Cost(len(interactions), sum(map(sum, tokens)), dollars, prices.count(None))


def _first_of(keys: Collection[Key], test: Rendered) -> int | None:
    """The index of the first call of a test in which one of these templates takes part."""
    return min((test.first[key.path] for key in keys if key in test.keys and key.path in test.first), default=None)


def _stale(path: Path, keys: Collection[Key], tests: Sequence[Rendered], store: Store) -> StaleCassette:
    try:
        interactions = load(path, store)
    except CassetteError as error:
        return StaleCassette(path, (), 0, str(error))
    numbers = {number for test in tests for number in _from(_first_of(keys, test) or 0, test, interactions)}
    return StaleCassette(path, [interactions[number] for number in sorted(numbers)], len(interactions))


def _from(first: int, test: Rendered, interactions: Sequence[Interaction]) -> Iterator[int]:
    """The interactions that are left when those of the calls before the first are taken away, each once."""
    before = Counter(test.calls[:first])
    for number, interaction in enumerate(interactions):
        template = interaction.template or ""
        if before[template]:
            before[template] -= 1
        else:
            yield number


def _price(model: str, input_tokens: int, output_tokens: int) -> Decimal | None:
    provider, _, name = model.rpartition(":")
    if provider in FREE:
        return Decimal(0)
    try:
        from genai_prices import Usage, calc_price
    except ImportError:  # it comes with the extras that reach real models
        return None
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    try:
        return calc_price(usage, name, provider_id=provider.partition("-")[0] or None).total_price
    except LookupError:
        return None
