"""``cassettes list``: every cassette with its test, model, size and age."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_templates.cassettes.reading.llm import answer_of, model_of
from pytest_templates.cassettes.recorded import Interaction
from pytest_templates.cassettes.settings import without_overrides
from pytest_templates.cassettes.storage.catalog import cassettes_in, orphans
from pytest_templates.cassettes.storage.store import Store, load_cassette
from pytest_templates.commands.survey import Survey
from pytest_templates.errors import CassetteError
from pytest_templates.support.text import table

_UNITS: Final = (("year", 365 * 86400), ("month", 30 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60))


def times_of(paths: Sequence[Path], store: Store) -> dict[Path, float]:
    """When cassettes got their content, in seconds since 1970; of those behind a URL it is not known."""
    if not store.is_local:
        return {}
    committed = _committed(store.folder)
    return {path: committed.get(path.resolve(), path.stat().st_mtime) for path in paths}


def age(seconds: float) -> str:
    """A time span in its largest unit."""
    for unit, length in _UNITS:
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "now"


def _committed(folder: Path) -> dict[Path, float]:
    """The times of the last commits of files that were not changed since."""
    top = _git(folder, "rev-parse", "--show-toplevel").strip()
    changed = set(_git(folder, "diff", "--name-only", "-z", "HEAD", "--", ".").split("\0"))
    times: dict[Path, float] = {}
    for commit in _git(folder, "log", "--format=%x01%ct", "--name-only", "-z", "--no-renames", "--", ".").split("\1"):
        time, *names = commit.replace("\n", "\0").split("\0")
        for name in names:
            if name and name not in changed:
                times.setdefault(Path(top, name).resolve(), float(time))
    return times


def _git(folder: Path, *arguments: str) -> str:
    """What git says; nothing where there is no git, no repository or no commit."""
    command = ["git", *arguments]  # the one that the user has
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, check=True)  # noqa: S603 - words of this module
    except (OSError, subprocess.CalledProcessError):
        return ""
    return run.stdout.decode("utf-8", "surrogateescape")


_HEADS: Final = ("cassette", "interactions", "templates", "models", "tokens in", "tokens out", "age", "size", "tests")
_SHOWN: Final = 2  # names in a cell


@dataclass(frozen=True, slots=True)
class Line:
    """A cassette in the list.

    Attributes:
        name: Its path in the folder of the cassettes.
        interactions: What it holds; ``None`` where it cannot be read.
        tests: The node ids of its tests, or why there are none.
        age: How old it is; ``""`` where that is not known.
        size: In bytes.
    """

    name: str
    interactions: Sequence[Interaction] | None
    tests: Sequence[str]
    age: str
    size: int


def list_cassettes(survey: Survey, say: Callable[[str], None], complain: Callable[[str], None]) -> int:
    """Say what there is; returns 1 where a file cannot be read, else 0."""
    paths = cassettes_in(survey.store)
    times, now = times_of(paths, survey.store), time.time()
    without_test = set(_without_test(survey, complain))
    lines = [_line(path, survey, path in without_test, _age(times.get(path), now), complain) for path in paths]
    if lines:
        say(table(_HEADS, [_cells(line) for line in lines]))
    say(_totals(lines, len(without_test)))
    return int(any(line.interactions is None for line in lines))


def _without_test(survey: Survey, complain: Callable[[str], None]) -> list[Path]:
    found = survey.found
    if found is None or found["errors"]:
        complain("which cassettes have no test is not known, as not every test could be collected:")
        for name, reason in (found["errors"] if found else {}).items():
            complain(f"  {name}: {reason}")
        return []
    return orphans(found, survey.store, survey.root)


def _line(path: Path, survey: Survey, is_orphan: bool, old: str, complain: Callable[[str], None]) -> Line:
    store = survey.store
    name = path.relative_to(store.folder).as_posix()
    owners = survey.found["owners"].get(without_overrides(name)) if survey.found else None
    try:
        interactions = load_cassette(path, store)
    except CassetteError as error:
        complain(str(error))
        interactions = None
    tests = owners or (["no test"] if is_orphan else ["not known"])
    return Line(name, interactions, tests, old, len(store.read(path) or b""))


def _age(since: float | None, now: float) -> str:
    return "" if since is None else age(now - since)


def _cells(line: Line) -> tuple[str, ...]:
    about = (line.age, _size(line.size), _some(line.tests))
    if line.interactions is None:
        return (line.name, "damaged", "", "", "", "", *about)
    templates = [interaction.template or "(none)" for interaction in line.interactions]
    models = [model_of(interaction) or "(none)" for interaction in line.interactions]
    asked, said = tokens_of(line.interactions)
    return (line.name, str(len(templates)), _some(templates), _some(models), f"{asked:,}", f"{said:,}", *about)


def tokens_of(interactions: Iterable[Interaction]) -> tuple[int, int]:
    """How many tokens were read and written, where the responses say so."""
    answers = [answer_of(interaction.response) for interaction in interactions]
    return sum(answer.input_tokens or 0 for answer in answers), sum(answer.output_tokens or 0 for answer in answers)


def _totals(lines: Sequence[Line], without_test: int) -> str:
    interactions = [interaction for line in lines for interaction in line.interactions or ()]
    parts = [
        many(len(lines), "cassette"),
        *([f"{without_test} without a test"] if without_test else []),
        many(len(interactions), "interaction"),
        many(sum(tokens_of(interactions)), "token"),
        _size(sum(line.size for line in lines)),
    ]
    return ", ".join(parts)


def many(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _some(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    different = list(dict.fromkeys(names))
    more = len(different) - _SHOWN
    return ", ".join(different[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _size(count: int) -> str:
    return f"{count / 1000:,.1f} kB"
