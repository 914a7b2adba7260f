"""What no test plays of a cassette that several share: known when all of them have run, and dropped one by one.

A test that has passed says which of the recordings that it found it did not play. What all tests of a cassette say that
of is not needed. Recordings are told by what they hold: one that was added meanwhile is in nobody's list, and stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import reduce
from hashlib import blake2b
from operator import and_
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

import pytest

from pytest_templates.cassettes.collection import RunCollection, collection_of
from pytest_templates.cassettes.options import MARKER, RECORD
from pytest_templates.cassettes.places import Place, store_in, store_with
from pytest_templates.cassettes.unused import wants_everything
from pytest_templates.run.attempt import Attempt
from pytest_templates.run.features import Feature, hookimpl, join
from pytest_templates.run.machines import view_of_main
from pytest_templates.run.processes import is_worker
from pytest_templates.run.report_data import ReportData
from pytest_templates.support.files import shown_in
from pytest_templates.support.text import counted

if TYPE_CHECKING:
    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.cassettes.recorded import Interaction
    from pytest_templates.cassettes.storage.store import Store

_BYTES: Final = 8


class Unplayed(TypedDict):
    """What a test that has passed did not play of a cassette that others may share.

    Attributes:
        cassette: The file.
        unplayed: What it did not play, each by its digest.
    """

    cassette: str
    unplayed: list[str]


UNPLAYED: Final = ReportData[Unplayed]("unplayed_of_shared")


def watch(config: pytest.Config) -> None:
    """Add up what is not played, in the process that gets the reports of all tests."""
    if not is_worker(config):
        join(config, SharedCassettes(config, collection_of(config)), "shared-cassettes")


def report(cassette: OpenCassette, attempt: Attempt, to: pytest.TestReport) -> None:
    """Send what a test did not play, where its cassette has a name that others may give as well."""
    mark = MARKER.read(attempt.item)
    if attempt.passed and mark is not None and mark.name is not None and cassette.settings.base is None:
        unplayed = [digest_of(recording.interaction) for recording in cassette.unplayed]
        UNPLAYED.put(to, Unplayed(cassette=view_of_main(attempt.item.config).path(cassette.path), unplayed=unplayed))


def digest_of(interaction: Interaction) -> str:
    """What a recording is known by: the same for equal requests with equal answers, in hexadecimal."""
    request, response = interaction.request, interaction.response
    digest = blake2b(digest_size=_BYTES)
    for part in (
        *(f"{interaction.sample} {request.method} {request.uri}".encode(), request.body),
        *(str(response.status).encode(), response.body),
    ):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def unplayed_by_all(tests: Iterable[Iterable[str]]) -> Counter[str]:
    """What none of the tests of a cassette has played, by digests; how often it is there in vain."""
    return reduce(and_, map(Counter, tests))


def drop(path: Path, store: Store, unplayed: Counter[str], *, write: bool) -> list[Interaction]:
    """Drop recordings from a cassette, and give them; of equal ones the last, since the first are played first.

    A cassette that would be left with nothing stays as it is.

    Raises:
        CassetteError: It is damaged, or cannot be written.
    """
    from pytest_templates.cassettes.format.document import to_text
    from pytest_templates.cassettes.storage.store import load_cassette, writing

    with writing(path, store), store.lock():
        held = load_cassette(path, store)
        kept, dropped = _parted(held, unplayed)
        if not kept:
            return []
        if write and dropped:
            store.replace(path, [to_text(kept).encode("utf-8")])
    return dropped


def _parted(held: Sequence[Interaction], unplayed: Counter[str]) -> tuple[list[Interaction], list[Interaction]]:
    kept: list[Interaction] = []
    dropped: list[Interaction] = []
    left = Counter(unplayed)
    for interaction in reversed(held):
        digest = digest_of(interaction)
        (dropped if left[digest] > 0 else kept).append(interaction)
        left[digest] -= 1
    return kept[::-1], dropped[::-1]


class SharedCassettes(Feature):
    """Knows what the tests of a run have left of each cassette; ``changed`` drops it when all tests have run.

    Args:
        config: Where the options stand.
        collected: What all processes collect.
    """

    def __init__(self, config: pytest.Config, collected: RunCollection) -> None:
        self._config = config
        self._collected = collected
        self._ended: set[str] = set()
        self._unplayed: dict[str, Unplayed] = {}
        self._lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a report brings; the last of several attempts counts."""
        if report.when == "teardown":
            self._ended.add(report.nodeid)
            self._unplayed.pop(report.nodeid, None)
            row = UNPLAYED.of(report)
            if row is not None:
                self._unplayed[report.nodeid] = row

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Drop what no test has played, with ``changed``, where every test has run and passed."""
        found = self._collected.found
        is_full = exitstatus == pytest.ExitCode.OK and found is not None and len(self._ended) == found["tests"]
        if found is None or not is_full or RECORD.of(self._config) != "changed" or not wants_everything(self._config):
            return
        owners: dict[Path, list[str]] = {}
        for place in found["places"]:
            store = store_in(Place(*place["place"]), self._config)
            for name, tests in place["owners"].items():
                owners.setdefault(store.folder / name, []).extend(tests)
        if not any(place["left_out"] for place in found["places"]):
            for path, tests in owners.items():
                self._drop(path, [self._unplayed.get(test) for test in tests])

    def _drop(self, path: Path, rows: Sequence[Unplayed | None]) -> None:
        from pytest_templates.errors import CassetteError

        known = [row["unplayed"] for row in rows if row is not None]
        if len(known) < len(rows) or not unplayed_by_all(known):
            return
        store = store_with(path, self._config)
        place = shown_in(self._config.invocation_params.dir, store.place(path))
        try:
            dropped = drop(path, store, unplayed_by_all(known), write=True)
        except CassetteError as error:
            self._lines.append(f"what no test has played stays: {error}")
        else:
            what = f"{counted(len(dropped), 'recording')} dropped, which no test has played"
            self._lines += [f"{place}: {what}"] if dropped else []

    @hookimpl
    def summary_lines(self) -> list[str]:
        """What was dropped."""
        return self._lines


def facts_of_test(reports: list[dict[str, Any]], config: pytest.Config) -> dict[str, Any]:
    """What a test has left of a cassette that others may share, as a field of the test in the report of the run."""
    rows = UNPLAYED.all_within(reports[-1:])
    if not rows:
        return {}
    path = Path(rows[-1]["cassette"])
    place = shown_in(config.rootpath, store_with(path, config).place(path)).replace("\\", "/")
    return {"shared_cassette": {"file": place, "unplayed": rows[-1]["unplayed"]}}
