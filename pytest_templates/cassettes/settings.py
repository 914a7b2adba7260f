"""The settings of a cassette: where it lies, what it may record, how requests are matched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from pytest_templates.cassettes.hosts import HostPattern
from pytest_templates.cassettes.matching import DEFAULT_MATCH_ON, Matcher
from pytest_templates.cassettes.options import RecordMode
from pytest_templates.cassettes.recorded import Interaction
from pytest_templates.cassettes.storage.store import Store


@dataclass(frozen=True, slots=True)
class Override:
    """Another model for some templates.

    Attributes:
        template: The id of the template, or a glob of its path.
        model: The name of the model: ``"openai:gpt-4o-mini"``.
    """

    template: str
    model: str

    @property
    def option(self) -> str:
        """The option that asks for it."""
        return f"--templates-model={self}"

    def __str__(self) -> str:
        return f"{self.template}={self.model}"


@dataclass(frozen=True, slots=True)
class Author:
    """Whose recordings are added to a cassette.

    Attributes:
        test: The test's node id; its journal is found again by it.
        run: The id of the run, the same in all of its processes; ``""`` where no other test uses the cassette.
        place: The place of the test among the tests of the run.
    """

    test: str = ""
    run: str = ""
    place: int = 0


class OtherCassettes(Protocol):
    """The cassettes that are searched for what a test misses."""

    def holding(self, request: bytes, matcher: Matcher, clean: Callable[[Interaction], Interaction]) -> list[Path]:
        """Those that hold a request, by its key."""
        ...

    def advice(self, found: Sequence[Path]) -> str:
        """What is said of them."""
        ...


@dataclass(frozen=True)
class CassetteSettings:
    """How one cassette is to be used.

    Attributes:
        path: The file; see `cassette_path`.
        base: Another cassette, replayed first and never written; ``None`` for none.
        overriding: The names of models that are asked in the place of others: only what was recorded from such a model
            answers it, however requests are matched.
        mode: ``"none"`` replays only, ``"missing"`` replays what is recorded and records the rest, ``"changed"`` drops
            what was not used as well, ``"all"`` records everything anew.
        match_on: What of a request has to be equal for its recording to be replayed: names of `matching.PARTS`.
        ignore: Dotted paths from the root of a JSON body that do not take part in matching, such as
            ``messages.*.id``.
        ignore_hosts: The hosts whose requests are neither recorded nor replayed.
        parsed: The folder in which is kept what was found in cassettes when they were read; ``None`` for none.
        orphans: The cassettes that may be an earlier one of the test; ``None`` where that is not looked for.
        record_command: The command that runs the test, shown with a record mode when a recording is missing.
        caution: What else the error says then; ``""`` for nothing.
        before_sending: Called before a request is sent, where given; what it raises keeps it from being sent.
        complain: Called, where given, with every error that ``OpenCassette.misses`` keeps.
        store: Where the cassette lies; ``None`` for a file that belongs to no store.
        author: Whose recordings are added to it.
    """

    path: Path
    mode: RecordMode = "none"
    match_on: tuple[str, ...] = DEFAULT_MATCH_ON
    ignore: tuple[str, ...] = ()
    record_command: str = "pytest"
    caution: str = ""
    before_sending: Callable[[], None] | None = None
    complain: Callable[[Exception], None] | None = None
    store: Store | None = None
    author: Author = Author()
    base: Path | None = None
    overriding: frozenset[str] = frozenset()
    ignore_hosts: tuple[HostPattern, ...] = ()
    orphans: OtherCassettes | None = None
    parsed: Path | None = None

    @cached_property
    def home(self) -> Store:
        """Where the cassette lies."""
        return self.store or Store(self.path.parent)

    @property
    def place(self) -> str:
        """How the cassette is called in what users read."""
        return self.home.place(self.path)
