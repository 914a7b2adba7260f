"""Conversations as a kind of syrupy snapshot: serialised, named, stored and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation

from pytest_templates.cassettes.http.routing import open_recorders
from pytest_templates.errors import TestingError
from pytest_templates.redaction.names import REMEDY
from pytest_templates.redaction.secrets import secrets_of
from pytest_templates.run.names import own_name
from pytest_templates.run.under_way import current_attempt
from pytest_templates.snapshots.blocks import from_text
from pytest_templates.snapshots.conversation import snapshot_text
from pytest_templates.snapshots.diff import changes_of, conversation_difference, path_of
from pytest_templates.snapshots.sending import note_written
from pytest_templates.support.files import atomic_write, safe_name

if TYPE_CHECKING:
    import pytest
    from syrupy.assertion import AssertionResult, SnapshotAssertion
    from syrupy.data import SnapshotCollection
    from syrupy.types import SnapshotIndex


ValuePath: TypeAlias = tuple[tuple[Any, type], ...]  # names or indices, with the types of their values


@dataclass(frozen=True, slots=True)
class PropertyFilter:
    """The part of a conversation that is compared, as in ``llm_snapshot(exclude=props("model"))``.

    Attributes:
        exclude: Returns whether a property is left out.
        include: Returns whether a property is kept; all others are left out.
        matcher: Returns the value that is compared in place of another.
    """

    exclude: Callable[..., bool] | None = None
    include: Callable[..., bool] | None = None
    matcher: Callable[..., Any] | None = None

    def __call__(self, value: Any, path: ValuePath = ()) -> Any:
        """The value that is compared in place of this one."""
        if self.matcher is not None:
            value = self.matcher(data=value, path=path)
        if isinstance(value, dict):
            kept = {name: inner for name, inner in value.items() if self._keeps(name, path)}
            return {name: self(inner, (*path, (name, type(inner)))) for name, inner in kept.items()}
        if isinstance(value, list | tuple):
            return [self(inner, (*path, (index, type(inner)))) for index, inner in enumerate(value)]
        return value

    def _keeps(self, prop: str, path: ValuePath) -> bool:
        if self.exclude is not None and self.exclude(prop=prop, path=path):
            return False
        return self.include is None or bool(self.include(prop=prop, path=path))


class ConversationExtension(SingleFileSnapshotExtension):
    """One readable file for every snapshot: ``__snapshots__/<test module>/<test name>.chat``."""

    file_extension = "chat"
    _write_mode = WriteMode.TEXT

    def serialize(
        self,
        data: object,
        *,
        exclude: Callable[..., bool] | None = None,
        include: Callable[..., bool] | None = None,
        matcher: Callable[..., Any] | None = None,
    ) -> str:
        """The text of a conversation, without secrets; see `snapshot_text`."""
        filtered = PropertyFilter(exclude, include, matcher)
        return snapshot_text(data, lambda plain: filtered(_without_secrets(plain)))

    def read_snapshot_data_from_location(
        self,
        *,
        snapshot_location: str,
        snapshot_name: str,  # noqa: ARG002  # for files with several snapshots
        session_id: str,  # noqa: ARG002
    ) -> str | None:
        """What a file holds, ``None`` where there is none; what is no text in it is a difference, as all else.

        Raises:
            TestingError: It cannot be read.
        """
        try:
            return Path(snapshot_location).read_text("utf-8", errors="backslashreplace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TestingError(
                f"the snapshot {snapshot_location} cannot be read: {error.strerror}; put back the file, or remove what "
                "is in its place and let --snapshot-update write it"
            ) from error

    def diff_lines(self, serialized_data: str | bytes, snapshot_data: str | bytes) -> Iterator[str]:
        """What changed, message by message."""
        before, after = str(snapshot_data), str(serialized_data)
        _tell(before, after)
        yield from conversation_difference(before, after)
        yield "if that is right, --snapshot-update writes it"

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:
        """A name that no other test has, nor another snapshot of the same test.

        Raises:
            TestingError: The test is named after a secret.
        """
        whole_name = _name_of(test_location)
        leak = secrets_of().find(whole_name)
        if leak:
            raise TestingError(
                f"the name of this test holds {leak.what}, and its snapshot would be named after it; {REMEDY}"
            )
        name = safe_name(whole_name)
        if isinstance(index, str):
            return f"{name}~{safe_name(index)}"
        return f"{name}.{index}" if index else name

    @classmethod
    def matches_test_location(cls, *, test_location: PyTestLocation, snapshot_location: str) -> bool:
        """Whether a file is a test's: by its exact name."""
        path, name = Path(snapshot_location), safe_name(_name_of(test_location))
        stem = path.name.removesuffix(f".{cls.file_extension}")
        is_test = stem == name or (stem.startswith(name) and stem[len(name)] in ".~")
        return (
            is_test
            and path.parent.name == test_location.basename
            and test_location.matches_snapshot_site(snapshot_location)
        )

    @classmethod
    def write_snapshot_collection(
        cls,
        *,
        snapshot_collection: SnapshotCollection,
        name_order: dict[str, int] | None = None,  # noqa: ARG003  # for files with several snapshots
    ) -> None:
        """Write a file, wholly or not at all, with the same line ends on every system."""
        path = Path(snapshot_collection.location)
        [snapshot] = snapshot_collection
        atomic_write(path, str(snapshot.data))
        note_written(path)


def unmet_snapshots(item: pytest.Item) -> list[Path]:
    """The files of a test that its conversations were not like, or not compared with, as far as it has run."""
    location = PyTestLocation(item)
    suffix = ConversationExtension.file_extension
    files = sorted(Path(ConversationExtension.dirname(test_location=location)).glob(f"*.{suffix}"))
    is_met = {Path(result.snapshot_location): result.success for result in _results_of(item)}
    return [
        file
        for file in files
        if ConversationExtension.matches_test_location(test_location=location, snapshot_location=str(file))
        and not is_met.get(file, False)
    ]


def _results_of(item: pytest.Item) -> Iterator[AssertionResult]:
    """What became of the comparisons of a test, in order; it is the one that made the last of all."""
    session = getattr(item.config, "_syrupy", None)  # syrupy has no other way
    made: list[SnapshotAssertion] = [] if session is None else session._assertions
    own = [*takewhile(lambda assertion: assertion.test_location.item is item, reversed(made))]
    for assertion in reversed(own):
        yield from assertion.executions.values()


def _name_of(location: PyTestLocation) -> str:
    """What the snapshots of a test are called by: its name, without what a plugin adds that runs it several times."""
    name = str(location.snapshot_name)
    if location.is_doctest:
        return name
    return name.removesuffix(location.item.name) + own_name(location.item)


def _tell(before: str, after: str) -> None:
    """Tell other features which message is the first that is not as it was, if it is there."""
    attempt = current_attempt()
    changes, _ = changes_of(from_text(before), from_text(after))
    block = changes[0].new if changes else None
    if attempt is not None and block is not None:
        attempt.hook.message_differs(attempt=attempt, path=path_of(block))


def _without_secrets(plain: Any) -> Any:
    for secrets in (secrets_of(), *(recorder.secrets for recorder in open_recorders())):
        plain = secrets.replace_in(plain)
    return plain
