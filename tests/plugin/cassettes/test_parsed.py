"""What is kept of cassettes beside them: a second opening is quick, and gives what the file says in any case."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from pytest_templates.cassettes.cassette import OpenCassette
from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.project_rules import Rules
from pytest_templates.cassettes.recorded import (
    Chunk,
    Headers,
    Interaction,
    RecordedRequest,
    RecordedResponse,
    Truncation,
)
from pytest_templates.cassettes.settings import CassetteSettings
from pytest_templates.errors import CassetteError

URL = "http://127.0.0.1:9/v1/chat/completions"
JSON_TYPE: Headers = (("content-type", "application/json"),)
EVENTS_TYPE: Headers = (("content-type", "text/event-stream"),)
SAID = "It is sent to Oslo in two days."


def asked(number: int) -> RecordedRequest:
    body = {"messages": [{"role": "user", "content": f"Question {number}"}], "user": f"u{number}"}
    return RecordedRequest("POST", URL, JSON_TYPE, json.dumps(body).encode())


def events(*said: str) -> RecordedResponse:
    pieces = [f'data: {{"id": "c1", "delta": "{one}"}}\n\n'.encode() for one in said]
    arrivals = tuple(Chunk(len(piece), 0.25 * number) for number, piece in enumerate(pieces))
    return RecordedResponse(200, "", EVENTS_TYPE, b"".join(pieces), arrivals)


INTERACTIONS = [
    Interaction("desk/answer", "m", asked(0), RecordedResponse(200, "", JSON_TYPE, b'{"a":1.5,"b":"\xc3\xa9"}')),
    Interaction(None, None, asked(1), events(*(f"{word} " for word in SAID.split()))),
    Interaction(None, None, asked(2), replace(events("a", "b"), cut=Truncation(0.5, "client")), sample=2),
    Interaction(None, "m", asked(3), RecordedResponse(429, "Slow", (("retry-after", "1"),), b"later\n")),
    Interaction(None, "m", RecordedRequest("GET", "http://h/?a=%20", (), b""), RecordedResponse(204, "", (), b"")),
    Interaction("desk", None, asked(4), RecordedResponse(200, "", JSON_TYPE, b"{}")),  # as the first, but for bodies
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "parsed"


@pytest.fixture
def opening(path: Path, folder: Path) -> Callable[..., list[Interaction]]:
    """Opens the cassette; gives what it holds."""
    path.parent.mkdir(parents=True)
    path.write_text(to_text(INTERACTIONS), encoding="utf-8")

    def held(environ: dict[str, str] | None = None, rules: Rules | None = None, **settings: Any) -> list[Interaction]:
        opened = OpenCassette(CassetteSettings(path, parsed=folder, **settings), environ or {}, rules)
        return [one.interaction for one in opened.unplayed]

    return held


WORK = ("yaml_text.load_written", "yaml_text.load", "key_patterns.keys_in", "members._names", "matching._body")


def test_a_second_opening_reads_no_yaml_and_searches_nothing(
    opening: Callable[..., list[Interaction]], path: Path, called_by: Callable[..., Any]
) -> None:
    path.write_text(to_text(INTERACTIONS[:3]), encoding="utf-8")
    first, second = called_by(opening), called_by(opening)
    assert [first[name] > 0 for name in WORK] == [True, False, True, True, True]
    assert [second[name] for name in WORK] == [0] * len(WORK)
    assert opening() == INTERACTIONS[:3]


def test_what_is_kept_is_what_the_file_holds(opening: Callable[..., list[Interaction]], folder: Path) -> None:
    assert opening() == INTERACTIONS
    assert len([*folder.iterdir()]) == 1
    assert opening() == INTERACTIONS


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda content: content[: len(content) // 2],
    "cut off at a line": lambda content: b"".join(content.splitlines(keepends=True)[:3]),
    "without its end": lambda content: b"".join(content.splitlines(keepends=True)[:-1]),
    "with more behind it": lambda content: content + b"x",
    "changed": lambda content: content.replace(b"Oslo", b"Rome"),
    "with other facts": lambda content: content.replace(b", true, []", b", null, []"),
    "of another time": lambda content: b"0" * 40 + content[40:],
    "empty": lambda content: b"",
    "something else": lambda content: b"\xff\x00[[[",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_goes_unnoticed_and_is_mended(
    opening: Callable[..., list[Interaction]], folder: Path, damage: str
) -> None:
    opening()
    [file] = folder.iterdir()
    sound = file.read_bytes()
    file.write_bytes(DAMAGE[damage](sound))
    assert opening() == INTERACTIONS
    assert file.read_bytes() == sound


def changed(content: bytes, change: Callable[[bytes, list[bytes]], list[bytes]]) -> bytes:
    """What is kept with other lines or bodies, and the digest that belongs to them."""
    file = BytesIO(content)
    heading = file.readline()
    digest, parts = blake2b(heading, digest_size=20), [heading]
    while (line := file.readline()).startswith(b"["):
        bodies = [file.read(size or 0) for size in json.loads(line)[5:7]]
        line, *bodies = change(line, bodies)
        digest.update(line)
        parts += [line, *bodies]
    return b"".join([*parts, digest.hexdigest().encode(), b"\n"])


def with_text(old: bytes, new: bytes) -> Callable[[bytes, list[bytes]], list[bytes]]:
    return lambda line, bodies: [part.replace(old, new) for part in (line, *bodies)]


def with_fact(place: int, value: Any) -> Callable[[bytes, list[bytes]], list[bytes]]:
    """Changes one fact of the last interaction."""

    def change(line: bytes, bodies: list[bytes]) -> list[bytes]:
        facts = json.loads(line)
        if facts[1] == "desk":
            facts[place] = value
        return [json.dumps(facts).encode() + b"\n", *bodies]

    return change


@pytest.mark.parametrize(
    "change",
    [
        with_text(b"Question 1", b"Question 9"),
        with_text(b"Oslo", b"Rome"),
        with_text(b'"status": 429', b'"status": 200'),
        with_text(b'"desk"', b'["desk"]'),
        with_text(b', "m", 1, "', b', "m", 1, "0'),
        *(with_fact(0, number) for number in (1, 3, 17, "0", None)),
        *(with_fact(place, value) for place, value in ((1, 7), (2, ["m"]), (3, "1"), (4, "0" * 12), (4, None))),
        *(with_fact(5, size) for size in (0, 7, 10**9, 10**15, 10**30, -1, None, "7")),
        *(with_fact(6, size) for size in (0, 3, None)),
        *(with_fact(place, value) for place, value in ((8, 3), (9, "no digits"), (9, None))),
    ],
)
def test_an_interaction_that_is_not_what_was_read_is_not_taken(
    opening: Callable[..., list[Interaction]], folder: Path, change: Callable[[bytes, list[bytes]], list[bytes]]
) -> None:
    opening()
    [file] = folder.iterdir()
    sound = file.read_bytes()
    assert changed(sound, lambda line, bodies: [line, *bodies]) == sound
    file.write_bytes(changed(sound, change))
    assert file.read_bytes() != sound
    assert opening() == INTERACTIONS
    assert file.read_bytes() == sound


def test_what_is_said_in_bytes_that_are_no_text_is_kept(opening: Callable[..., list[Interaction]], path: Path) -> None:
    bodies = (b'data: {"delta": "a\xff"}\n\ndata: {"delta": "b"}\n\n', b'data: {"delta": "\\ud800"}\n\ndata: {}\n\n')
    streams = [Interaction("desk", "m", asked(0), RecordedResponse(200, "", EVENTS_TYPE, body)) for body in bodies]
    path.write_text(to_text(streams), encoding="utf-8")
    assert opening() == streams
    assert opening() == streams


def test_a_cassette_that_was_changed_is_read_anew(opening: Callable[..., list[Interaction]], path: Path) -> None:
    opening()
    path.write_text(to_text(INTERACTIONS[:1]), encoding="utf-8")
    assert opening() == INTERACTIONS[:1]


def test_a_damaged_cassette_is_refused_as_ever(opening: Callable[..., list[Interaction]], path: Path) -> None:
    opening()
    path.write_text(path.read_text(encoding="utf-8").replace("Question 0", "Question 7"), encoding="utf-8")
    for _ in range(2):
        with pytest.raises(CassetteError, match="has an interaction with the checksum"):
            opening()


@pytest.mark.parametrize("secret", ["Question", "sent to Oslo", "http://127.0.0.1:9/v1"])
def test_a_value_that_became_secret_is_kept_out(
    opening: Callable[..., list[Interaction]], folder: Path, secret: str
) -> None:
    opening()
    kept = opening({"A_KEY": secret})
    shutil.rmtree(folder)
    assert kept == opening({"A_KEY": secret}) != INTERACTIONS


def test_nothing_is_kept_of_a_cassette_that_holds_a_secret(
    opening: Callable[..., list[Interaction]], folder: Path
) -> None:
    opening({"A_KEY": "sent to Oslo"})
    assert not folder.exists()


def test_the_rules_of_a_project_are_asked_each_time(opening: Callable[..., list[Interaction]]) -> None:
    rules = Rules(scrub=lambda one: replace(one, template="seen"))
    for _ in range(2):
        opening()
        assert {one.template for one in opening(rules=rules)} == {"seen"}


def test_each_way_to_match_has_fingerprints_of_its_own(path: Path, folder: Path, opening: Callable[..., Any]) -> None:
    opening()
    other = asked(0)
    other = replace(other, body=other.body.replace(b'"u0"', b'"u9"'))
    for _ in range(2):
        cassette = OpenCassette(CassetteSettings(path, parsed=folder, ignore=("user",)), {})
        assert cassette.decide(other).replay == replace(INTERACTIONS[0], template=None, model=None)
    assert len([*folder.iterdir()]) == 2


def test_many_may_open_a_cassette_at_once(opening: Callable[..., list[Interaction]], folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(lambda _: opening(), range(16))] == [INTERACTIONS] * 16
    assert len([*folder.iterdir()]) == 1


def test_a_folder_that_cannot_be_made_keeps_nothing(opening: Callable[..., list[Interaction]], folder: Path) -> None:
    folder.parent.parent.mkdir(exist_ok=True)
    folder.parent.write_text("in its place")
    assert opening() == opening() == INTERACTIONS


def test_what_nobody_uses_goes_after_a_month(opening: Callable[..., list[Interaction]], folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, days in {"old.jsonl": 31, ".old.jsonl.1-2": 31, "new.jsonl": 29}.items():
        file = folder / name
        file.write_text("x")
        os.utime(file, (at := file.stat().st_mtime - days * 24 * 3600, at))
    opening()
    names = {file.name for file in folder.iterdir()}
    assert "new.jsonl" in names
    assert len(names) == 2


REPLAYED = """
@pytest.mark.llm_cassette
@pytest.mark.parametrize("name", ["small", "large"])
def test_it(name):
    ask(real(name))
"""


def test_pytest_keeps_it_in_its_cache(project: Any, chat_server: Any) -> None:
    project.tests(REPLAYED)
    project.run("--templates-record=missing").assert_outcomes(passed=2)
    kept = project.path / ".pytest_cache" / "d" / "antiphon-cassettes"
    assert not kept.exists()  # without pytest's cache

    for _ in range(2):
        project.pytester.runpytest_inprocess("-pcacheprovider").assert_outcomes(passed=2)
        assert len([*kept.iterdir()]) == 2
    assert len(chat_server.asked) == 2
