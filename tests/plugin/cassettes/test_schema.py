"""The published schema of cassettes is what is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.format.schema import schema
from pytest_templates.cassettes.recorded import Chunk, Interaction, RecordedRequest, RecordedResponse, Truncation
from pytest_templates.support import yaml_text

ROOT = Path(__file__).parents[3]
FOLDERS = ("cassettes", "docs/cassettes")
OURS = sorted(path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*.yaml"))
VALIDATOR = Draft202012Validator(schema())


def faults_of(text: str) -> list[str]:
    return [error.json_path for error in VALIDATOR.iter_errors(yaml_text.load(text))]


def test_the_published_schema_is_that_of_today() -> None:
    assert json.loads((ROOT / "docs/cassette.schema.json").read_text("utf-8")) == schema()
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("name", OURS)
def test_each_recording_of_this_repository_is_as_the_schema_says(name: str) -> None:
    assert faults_of((ROOT / name).read_text("utf-8")) == []


def answered(kind: str, body: bytes, *, pieces: int = 1, **changes: Any) -> Interaction:
    request = RecordedRequest("POST", "https://host/v1", (("a", "1"), ("a", "2")), b"\xff")
    size = len(body) // pieces
    sizes = [*[size] * (pieces - 1), len(body) - size * (pieces - 1)]
    arrivals = tuple(Chunk(size, 0.1 * number) for number, size in enumerate(sizes))
    return Interaction(
        None, None, request, RecordedResponse(200, "", (("content-type", kind),), body, arrivals, **changes)
    )


WRITTEN = {
    "nothing": [],
    "json in another style": [answered("application/json", b'{"a": 1}')],
    "text that was broken off": [
        answered("text/plain", b"\xc3\xa9", cut=Truncation(1.5, "server"), http_version="HTTP/2")
    ],
    "bytes in pieces": [answered("application/octet-stream", b"\xff\x00" * 4, pieces=3)],
    "text in pieces": [answered("application/octet-stream", b"abcd" * 4, pieces=3)],
    "a stream that holds other lines": [
        answered("text/event-stream", b": ping\r\n\r\ndata: [DONE]\r\nid: 1\r\n\r\nda")
    ],
    "lines": [answered("application/x-ndjson", b'{"a":1}\nnone\n{"a')],
    "a table": [
        answered("application/x-ndjson", b'{"a":1,"b":true,"c":"x","d":4}\n{"a":3,"b":false,"c":"y y","d":5}\n' * 9)
    ],
    "a later sample": [replace(answered("text/plain", b"x"), template="t", model="m", sample=2)],
}


@pytest.mark.parametrize("case", WRITTEN)
def test_whatever_is_written_is_as_the_schema_says(case: str) -> None:
    assert faults_of(to_text(WRITTEN[case])) == []


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("version: 2", "version: 1", "$.version"),
        ("end: true", "end: 3", "$.end"),
        ("status: 200", "status: fine", "$.interactions[0].response.status"),
        ("  checksum:", "  sum:", "$.interactions[0]"),
        ("json:", "jason:", "$.interactions[0].response.body"),
    ],
)
def test_the_schema_refuses_what_is_no_cassette(old: str, new: str, place: str) -> None:
    text = to_text([answered("application/json", b"{}")])
    assert old in text
    assert place in faults_of(text.replace(old, new))
