"""Streams keep the times of their pieces, whatever is taken out of them."""

from __future__ import annotations

import json
from dataclasses import replace

from pytest_templates.cassettes.project_rules import in_pieces
from pytest_templates.cassettes.recorded import Chunk, Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.scrubbing.scrub import scrub
from pytest_templates.redaction.secrets import secrets_of

SAID = ["one ", "kX3f", "Zq9aB7", " two"]
EVENTS = [f"data: {json.dumps({'delta': text})}\n\n".encode() for text in SAID]
ARRIVALS = tuple(Chunk(len(event), at / 10) for at, event in enumerate(EVENTS))
STREAM = RecordedResponse(200, "", (("content-type", "text/event-stream"),), b"".join(EVENTS), ARRIVALS)
ONE = Interaction("a", "m", RecordedRequest("POST", "https://host/v1", (), b""), STREAM)


def test_a_secret_that_is_spread_over_pieces_is_replaced_and_their_times_stay() -> None:
    response = scrub(ONE, secrets_of({"A_KEY": "kX3fZq9aB7"})).response
    assert [json.loads(piece[6:])["delta"] for piece in response.pieces] == ["one ", "REDACTED", "", " two"]
    assert [arrival.at for arrival in response.arrivals] == [0.0, 0.1, 0.2, 0.3]


def test_what_a_rule_changes_comes_at_the_times_of_what_was_there() -> None:
    changed = replace(ONE, response=replace(STREAM, body=STREAM.body.replace(b"one", b"number one")))
    response = in_pieces(changed, STREAM).response
    assert [json.loads(piece[6:])["delta"] for piece in response.pieces] == ["number one ", *SAID[1:]]
    assert [arrival.at for arrival in response.arrivals] == [0.0, 0.1, 0.2, 0.3]
