"""Model calls as plain data that reports carry between processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_templates.run.report_data import ReportData
from pytest_templates.support.failures import error_text, is_left_early
from pytest_templates.support.text import as_text

if TYPE_CHECKING:
    from antiphon import Attachment, ModelCall
    from pytest_templates.run.call_rows import AttachedRow, CallRow, Source, SourceOfTest

UNBILLED: Final = {"function", "test", "local"}  # providers without a bill: test doubles, and models on this machine


class CallSource(NamedTuple):
    """Where the answer to a model call came from.

    Attributes:
        name: A script, a cassette that was replayed, one that is being recorded, the model itself, a double inside of
            its client, or a cache of the program.
        was_sent: Whether a request was sent to a real model now.
    """

    name: Source
    was_sent: bool = False


CALLS: Final = ReportData["list[CallRow]"]("calls")


def row_of(call: ModelCall, source: Source, fault: str | None = None) -> CallRow:
    """A model call as plain data."""
    usage = call.usage
    cost = None if usage is None else usage.cost
    return {
        "template_id": as_text(call.template_id),
        "template_path": None if call.template_path is None else as_text(call.template_path),
        "model": as_text(call.model),
        "served_by": None if call.served_by is None else as_text(call.served_by),
        "chosen_by": call.chosen_by,
        "input_tokens": 0 if usage is None else usage.input_tokens,
        "output_tokens": 0 if usage is None else usage.output_tokens,
        "cost": None if cost is None else f"{cost:f}",
        "unpriced": source != "double" and not _tells_cost(call) and any(map(_is_unpriced, asked_in(call))),
        "seconds": call.seconds,
        "source": source,
        "error": None if call.error is None or is_left_early(call.error) else as_text(error_text(call.error)),
        "attachments": [{"message": place, **attachment_row(one)} for place, one in _attachments_of(call)],
        "inner": [as_text(one.model) for one in asked_in(call)] if call.inner else [],
        "fault": fault,
        "waited": call.waited,
    }


def _attachments_of(call: ModelCall) -> Iterator[tuple[int | None, Attachment]]:
    """What the messages of a call hold beside text, each with the number of its message; the answer has none."""
    from antiphon.history import pictured

    yield from pictured(call.messages).attached
    yield from ((None, attachment) for attachment in (() if call.reply is None else call.reply.attachments))


def attachment_row(attachment: Attachment) -> AttachedRow:
    """What is attached to a message, as plain data without its content."""
    from antiphon.errors import InvalidValue

    digest = size = None
    with suppress(InvalidValue):  # a file that is gone by now: a report of what was does not fail
        digest, size = attachment.digest, attachment.size
    return {
        "kind": attachment.kind,
        "media_type": attachment.media_type,
        "digest": digest,
        "size": size,
    }


def asked_in(call: ModelCall) -> Iterator[ModelCall]:
    """The calls that asked no further model: the call itself, or those within it."""
    if not call.inner:
        yield call
    for inner in call.inner:
        yield from asked_in(inner)


def is_from_cache(call: ModelCall) -> bool:
    """Whether a cache of the program has answered a call."""
    from antiphon.caching import FROM_CACHE

    return FROM_CACHE in call.notes


def _tells_cost(call: ModelCall) -> bool:
    """Whether the answer itself tells what it has cost, with all that was asked for it."""
    return call.reply is not None and call.reply.usage is not None and call.reply.usage.cost is not None


def _is_unpriced(call: ModelCall) -> bool:
    """Whether a call is billed, and nobody knows how much."""
    return call.error is None and (call.usage is None or call.usage.cost is None) and _is_billed(call)


def _is_billed(call: ModelCall) -> bool:
    """Whether a provider sends a bill for a call, or did when it was recorded."""
    from antiphon.connect import ConnectedModel

    return isinstance(call.origin, ConnectedModel) and call.model.partition(":")[0] not in UNBILLED


def source_of(sources: Iterable[SourceOfTest | None]) -> SourceOfTest | None:
    """Where the answers of a test came from, by the sources of its parts; ``None`` is one without answers."""
    found: set[SourceOfTest] = {source for source in sources if source is not None}
    return "mixed" if len(found) > 1 else next(iter(found), None)
