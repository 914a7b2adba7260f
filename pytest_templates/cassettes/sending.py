"""Recordings that a worker of pytest-xdist makes where the main process does not see them.

The worker sends what it has recorded with the report of the test, and the main process does to its own file what the
worker did to its copy: other workers may have added to the same cassette meanwhile. Answers of a test that did not go
well come to its journal there, for the next recording.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

import pytest

from pytest_templates.cassettes.options import RecordMode
from pytest_templates.cassettes.places import CASSETTES, Place, store_in
from pytest_templates.run.machines import is_of_project, view_of_main
from pytest_templates.run.report_data import ReportData

if TYPE_CHECKING:
    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.cassettes.format.document import CassetteText
    from pytest_templates.cassettes.recorded import Interaction
    from pytest_templates.cassettes.settings import CassetteSettings
    from pytest_templates.cassettes.storage.store import Store


class SentRecording(TypedDict):
    """What a worker has recorded in one test.

    Attributes:
        place: Where the cassette lies for the main process, as `Place` takes it.
        cassette: Its path there, with ``/`` between the parts.
        test: The test, as its journal is called.
        run: The id of the run; ``""`` where no other test uses the cassette.
        number: The place of the test among the tests of the run.
        mode: How it was recorded.
        match_on: What of a request has to be equal.
        ignore: What is left out of the comparison.
        known: The keys of the interactions that the test knew of before, in hexadecimal.
        is_whole: Whether the cassette is to hold what is sent alone.
        saved: What the cassette is to hold, as the text of a cassette; ``""`` for nothing.
        left: What waits for the next recording, likewise.
        orders: The places of what waits among the requests of the test.
    """

    place: list[str]
    cassette: str
    test: str
    run: str
    number: int
    mode: RecordMode
    match_on: list[str]
    ignore: list[str]
    known: list[str]
    is_whole: bool
    saved: str
    left: str
    orders: list[list[int]]


SENT: Final = ReportData[SentRecording]("sent_recording")


def send(cassette: OpenCassette, place: Place, report: pytest.TestReport, config: pytest.Config) -> None:
    """Send what a test has recorded, where the main process does not see it."""
    main, store, settings = view_of_main(config), cassette.file.store, cassette.settings
    if settings.mode == "none" or main.sees(store.folder):
        return
    change = cassette.file.change if store.is_local else None  # behind a URL the main process finds it
    left = cassette.left
    if change is None and not left:
        return
    saved = [] if change is None else change.interactions
    sent = SentRecording(
        place=place.seen_by(main).as_data(),
        cassette=cassette.path.relative_to(store.folder).as_posix(),
        test=cassette.test,
        run=settings.author.run,
        number=settings.author.place,
        mode=settings.mode,
        match_on=list(settings.match_on),
        ignore=list(settings.ignore),
        known=[] if change is None else [key.hex() for key in change.known],
        is_whole=change is not None and change.is_whole,
        saved=_text(saved),
        left=_text([*left.values()]),
        orders=[[*order] for order in left],
    )
    SENT.put(report, sent)


def receive(sent: SentRecording, config: pytest.Config) -> None:
    """Write what a worker has sent to the cassette of the main process, and to its journal.

    Raises:
        CassetteError: It cannot be written, what lies there is damaged, a secret would reach the disk, or that is no
            place for a cassette of this run.
    """
    from pytest_templates.cassettes.settings import Author, CassetteSettings
    from pytest_templates.cassettes.storage.store import writing

    store = store_in(Place(*sent["place"]), config)
    path = store.folder / sent["cassette"]
    _check_place(path, store, config)
    settings = CassetteSettings(
        path=path,
        mode=sent["mode"],
        match_on=tuple(sent["match_on"]),
        ignore=tuple(sent["ignore"]),
        store=store,
        author=Author(sent["test"], sent["run"], sent["number"]),
    )
    with writing(path, store):
        if sent["saved"]:
            _save(sent, settings, store)
        if sent["left"]:
            _leave(sent, path, store)


def _check_place(path: Path, store: Store, config: pytest.Config) -> None:
    """Refuse what a worker may not ask for: a file that is no cassette, or lies where no cassettes of this run do."""
    plain = Path(os.path.normpath(path))
    is_own = is_of_project(store.folder, config) or store.folder == store_in(CASSETTES.of(config), config).folder
    if is_own and plain.is_relative_to(store.folder) and plain.suffix == ".yaml":
        return
    from pytest_templates.errors import CassetteError

    raise CassetteError(
        f"{plain}: a worker has sent a recording for this place, where no cassettes of this run lie: it is not "
        "written. Cassettes outside of the project are named by --templates-cassettes, or in the ini file."
    )


def _save(sent: SentRecording, settings: CassetteSettings, store: Store) -> None:
    from pytest_templates.cassettes.matching import Matcher
    from pytest_templates.cassettes.storage.journal import Journal
    from pytest_templates.cassettes.storage.merging import CassetteFile, Change

    file = CassetteFile(settings, Matcher(settings.match_on, settings.ignore), _kept, _text_for(settings.place))
    file.load()
    journal = Journal(store, settings.path, sent["test"])
    journal.hold_left()
    try:
        with store.lock():
            file.repeat(Change(_interactions(sent["saved"]), [*map(bytes.fromhex, sent["known"])], sent["is_whole"]))
            journal.remove()
    finally:
        journal.leave()


def _leave(sent: SentRecording, path: Path, store: Store) -> None:
    """Let the answers wait, behind those that wait there already."""
    from pytest_templates.cassettes.storage.journal import Journal
    from pytest_templates.redaction.secrets import secrets_of

    journal = Journal(store, path, sent["test"])
    waiting = journal.take_over(_kept)
    try:
        for order, interaction in zip(sent["orders"], _interactions(sent["left"]), strict=True):
            if interaction not in waiting:
                journal.append(tuple(order), interaction, secrets_of())
    finally:
        journal.leave()


def _text(interactions: Sequence[Interaction]) -> str:
    from pytest_templates.cassettes.format.document import to_text

    return to_text(interactions) if interactions else ""


def _interactions(text: str) -> list[Interaction]:
    from pytest_templates.cassettes.format.document import from_text

    return from_text(text)


def _kept(interaction: Interaction) -> Interaction:
    """An interaction without the secrets of this process; the rules of the project were applied by the worker."""
    from pytest_templates.cassettes.format.media import with_digests
    from pytest_templates.cassettes.scrubbing.scrub import scrub
    from pytest_templates.redaction.secrets import secrets_of

    return scrub(with_digests(interaction), secrets_of())


def _text_for(place: str) -> Callable[[Sequence[Interaction]], CassetteText]:
    """Gives the text of a cassette; raises where it would hold a secret of this process."""
    from pytest_templates.cassettes.format.document import CassetteText
    from pytest_templates.cassettes.scrubbing.leaks import refuse_leaks
    from pytest_templates.redaction.secrets import secrets_of

    def text(interactions: Sequence[Interaction]) -> CassetteText:
        made = CassetteText([_kept(interaction) for interaction in interactions])
        refuse_leaks(place, made, secrets_of())
        return made

    return text
