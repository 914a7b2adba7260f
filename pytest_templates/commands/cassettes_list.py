"""``cassettes list``: every cassette with its test, model, size and age."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_templates.cassettes.paths import without_overrides
from pytest_templates.cassettes.reading.llm import answer_of, model_of
from pytest_templates.cassettes.recorded import Interaction
from pytest_templates.cassettes.storage.catalog import cassettes_in, orphans
from pytest_templates.cassettes.storage.store import Store, load_cassette
from pytest_templates.errors import CassetteError
from pytest_templates.support.files import shown_in
from pytest_templates.support.text import OUTSIDE, columns_of, counted, folded, listed, table, terminal_width

if TYPE_CHECKING:
    from pytest_templates.commands.survey import Survey, SurveyedStore

_UNITS: Final = (("year", 365 * 86400), ("month", 30 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60))


def times_of(paths: Sequence[Path], store: Store) -> dict[Path, float]:
    """When cassettes were last changed, in seconds since 1970; not known of those behind a URL."""
    if not store.is_local:
        return {}
    committed = _committed(store.folder)
    return {path: committed.get(path.resolve(), path.stat().st_mtime) for path in paths}


def age(seconds: float) -> str:
    """A duration in its largest unit."""
    for unit, length in _UNITS:
        if seconds >= length:
            return counted(int(seconds // length), unit)
    return "now"


def _committed(folder: Path) -> dict[Path, float]:
    """When files were last committed, of those that were not changed since."""
    top = _git(folder, "rev-parse", "--show-toplevel").strip()
    changed = set(_git(folder, "diff", "--name-only", "--no-relative", "-z", "HEAD", "--", ".").split("\0"))
    times: dict[Path, float] = {}
    form = ("--format=%x01%ct", "--name-only", "-z", "--no-renames", "--no-relative", "--no-show-signature")
    for commit in _git(folder, "log", *form, "--", ".").split("\1"):
        time, *names = commit.replace("\n", "\0").split("\0")
        for name in names:
            if name and name not in changed:
                times.setdefault(Path(top, name).resolve(), float(time))
    return times


def _git(folder: Path, *arguments: str) -> str:
    """The output of git; empty where there is no git, no repository or no commit."""
    command = ["git", *arguments]  # the one that the user has
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, check=True)  # noqa: S603 - words of this module
    except (OSError, subprocess.CalledProcessError):
        return ""
    return run.stdout.decode("utf-8", "surrogateescape")


_HEADS: Final = ("cassette", "interactions", "templates", "models", "tokens in", "tokens out", "age", "size", "tests")
_NUMBERS: Final = frozenset({"interactions", "tokens in", "tokens out", "age", "size"})
_INDENT: Final = "  "
_SHOWN: Final = 2  # names in a cell
NO_MODEL: Final = "(no model)"


@dataclass(frozen=True, slots=True)
class ListedCassette:
    """A cassette in the list.

    Attributes:
        name: Its path in the folder of the cassettes; where it is one of several, from the current folder on.
        interactions: What it holds.
        damage: Why it cannot be read; ``""`` where it can.
        tests: The node ids of its tests, or why there are none.
        age: How old it is; ``""`` where that is not known.
        size: In bytes.
    """

    name: str
    interactions: Sequence[Interaction]
    damage: str
    tests: Sequence[str]
    age: str
    size: int


def list_cassettes(survey: Survey, say: Callable[[str], None], complain: Callable[[str], None]) -> int:
    """Print the cassettes, and below them why files cannot be read; returns 1 where there are any, else 0.

    That is a table, or a paragraph for each where the terminal is too narrow for one.
    """
    without_test = _without_test(survey, complain)
    found = [cassette for one in survey.stores for cassette in _listed(one, without_test, survey)]
    if found:
        say(_shown(found, terminal_width()))
    say(_totals(found, len(without_test)))
    damaged = [cassette.damage for cassette in found if cassette.damage]
    for damage in damaged:
        complain(damage)
    return 1 if damaged else 0


def _shown(cassettes: Sequence[ListedCassette], width: int | None) -> str:
    rows = [_cells(cassette) for cassette in cassettes]
    as_table = table(_HEADS, rows, numbers=_NUMBERS)
    if width is None or max(map(columns_of, as_table.splitlines())) <= width:
        return as_table
    return "\n".join(line for row in rows for line in _paragraph(dict(zip(_HEADS, row, strict=True)), width))


def _paragraph(cells: dict[str, str], width: int) -> Iterator[str]:
    """A row of the table as lines of so many columns of a terminal, the name of the cassette first."""
    figures = [f"{head} {cells[head]}" for head in _HEADS if head in _NUMBERS and cells[head]]
    rest = [cells[head] for head in ("templates", "models", "tests") if cells[head]]
    yield cells["cassette"]
    for line in [
        *listed(figures, width - len(_INDENT)),
        *[line for text in rest for line in folded(text, width - len(_INDENT))],
    ]:
        yield f"{_INDENT}{line}"


def _listed(surveyed: SurveyedStore, without_test: Container[Path], survey: Survey) -> Iterator[ListedCassette]:
    store = surveyed.store
    paths = cassettes_in(store)
    times, now = times_of(paths, store), time.time()
    for path in paths:
        name = path.relative_to(store.folder).as_posix()
        tests = surveyed.tests_of(without_overrides(name))
        interactions, damage = _read(path, store)
        yield ListedCassette(
            name=name if len(survey.stores) == 1 else shown_in(Path.cwd(), store.place(path)),
            interactions=interactions,
            damage=damage,
            tests=["no test"] if path in without_test else tests or ["not known"],
            age=age(now - times[path]) if path in times else "",
            size=len(store.read(path) or b""),
        )


def _without_test(survey: Survey, complain: Callable[[str], None]) -> set[Path]:
    found = survey.found
    if found is None or found["errors"]:
        complain("which cassettes have no test is not known, as not every test could be collected:")
        for name, reason in (found["errors"] if found else {}).items():
            complain(f"  {name}: {reason}")
        return set()
    return {path for one in survey.stores for path in orphans(one.found, one.store)}


def _read(path: Path, store: Store) -> tuple[Sequence[Interaction], str]:
    """What a cassette holds, or why it cannot be read."""
    try:
        return load_cassette(path, store), ""
    except CassetteError as error:
        return (), str(error)


def _cells(cassette: ListedCassette) -> tuple[str, ...]:
    about = (cassette.age, _size(cassette.size), _first_names(cassette.tests))
    if cassette.damage:
        return (cassette.name, "damaged", "", "", "", "", *about)
    count = str(len(cassette.interactions))
    templates = _first_names([interaction.template or OUTSIDE for interaction in cassette.interactions])
    models = _first_names([model_of(interaction) or NO_MODEL for interaction in cassette.interactions])
    sent, received = tokens_of(cassette.interactions)
    return (cassette.name, count, templates, models, f"{sent:,}", f"{received:,}", *about)


def tokens_of(interactions: Iterable[Interaction]) -> tuple[int, int]:
    """How many tokens models read and wrote, as far as the responses say."""
    answers = [answer_of(interaction.response) for interaction in interactions]
    return sum(answer.input_tokens or 0 for answer in answers), sum(answer.output_tokens or 0 for answer in answers)


def _totals(cassettes: Sequence[ListedCassette], without_test: int) -> str:
    interactions = [interaction for cassette in cassettes for interaction in cassette.interactions]
    damaged = sum(bool(cassette.damage) for cassette in cassettes)
    parts = [
        counted(len(cassettes), "cassette"),
        *([f"{without_test} without a test"] if without_test else []),
        *([f"{damaged} damaged"] if damaged else []),
        counted(len(interactions), "interaction"),
        counted(sum(tokens_of(interactions)), "token"),
        _size(sum(cassette.size for cassette in cassettes)),
    ]
    return ", ".join(parts)


def _first_names(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    different = list(dict.fromkeys(names))
    more = len(different) - _SHOWN
    return ", ".join(different[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _size(count: int) -> str:
    return f"{count / 1000:,.1f} kB"
