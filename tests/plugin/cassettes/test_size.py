"""What recording and replaying need of memory, beside the size of what is recorded and replayed."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.recorded import Chunk, Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.storage.store import load_cassette

PIECE = 2**13  # bytes
COUNT = 300
ANSWERED = RecordedRequest("GET", "http://model.test/", (), b"")


def most_needed(function: Callable[[], object]) -> int:
    """Bytes that were allocated at most while a function ran; tracing them is the same in every run."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        function()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def event(number: int) -> bytes:
    return b'data: {"id": "chat-1", "choices": [{"index": 0, "delta": {"content": "%d %s"}}]}\n\n' % (
        number,
        b"x" * 900,
    )


BODIES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "one word of JSON": ("application/json", lambda: b'{"image": "' + b"iVBORw0KGgo" * 400_000 + b'"}'),
    "events": ("text/event-stream", lambda: b"".join(map(event, range(4_700)))),
}


@pytest.mark.parametrize("kind", BODIES)
def test_recording_a_long_answer_takes_a_few_times_its_size(kind: str, cassette: Any, path: Path) -> None:
    content_type, make = BODIES[kind]
    body = make()
    arrivals = tuple(Chunk(PIECE, 0.001 * number) for number in range(len(body) // PIECE))
    rest = (Chunk(len(body) % PIECE, 9.0),) if len(body) % PIECE else ()
    response = RecordedResponse(200, "", (("content-type", content_type),), body, (*arrivals, *rest))

    def record() -> None:
        with cassette("missing", {"SOME_KEY": "kX3fZq9aB7"}) as opened:
            opened.record(opened.decide(ANSWERED), response)
            opened.save()

    assert most_needed(record) < 2.5 * len(body)  # whoever asked has the answer once or twice as well

    (interaction,) = load_cassette(path)
    assert interaction.response.body == body
    assert b"".join(interaction.response.pieces) == body


def interaction(number: int) -> Interaction:
    answer = {"id": f"chat-{number}", "choices": [{"message": {"content": "It is said that parcels come late. " * 90}}]}
    kind = ("content-type", "application/json")
    return Interaction(
        "desk/answer",
        "small",
        RecordedRequest("POST", "http://model.test/v1", (kind,), b'{"messages":["Question %d"]}' % number),
        RecordedResponse(200, "", (kind, ("x-request-id", f"req_{number}")), json.dumps(answer).encode()),
    )


def test_replaying_many_answers_takes_less_than_twice_the_size_of_their_file(cassette: Any, path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(to_text([interaction(number) for number in range(COUNT)]), encoding="utf-8")

    def replay() -> None:
        with cassette() as opened:
            for number in range(COUNT):
                replayed = opened.decide(interaction(number).request).replay
                assert replayed is not None
                assert replayed.response == interaction(number).response
            assert opened.unused == 0

    assert most_needed(replay) < 2 * path.stat().st_size


def test_keeping_what_was_found_in_them_takes_less_than_thrice_that(cassette: Any, path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(to_text([interaction(number) for number in range(100)]), encoding="utf-8")

    def open_it() -> None:
        with cassette(parsed=tmp_path / "parsed") as opened:
            assert opened.unused == 100

    first, again = most_needed(open_it), most_needed(open_it)
    assert len([*(tmp_path / "parsed").iterdir()]) == 1
    assert max(first, again) < 3 * path.stat().st_size
