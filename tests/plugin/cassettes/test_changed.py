"""The record mode "changed": the cassette becomes what a fresh recording would be, for the price of what is new."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_templates.cassettes.storage.store import load_cassette


def ask(server: Any, *contents: str, **headers: str) -> None:
    with httpx2.Client(headers=headers) as client:
        for content in contents:
            client.post(server.url, json={"messages": [{"role": "user", "content": content}]})


def record(cassette: Any, server: Any, mode: str, *contents: str) -> list[str]:
    """Record what asks for these contents; returns what was sent for it."""
    server.bodies.clear()
    with cassette(mode) as opened:
        ask(server, *contents)
        opened.save()
    return [content_of(body) for body in server.bodies]


def content_of(body: bytes) -> str:
    return str(json.loads(body)["messages"][0]["content"])


def contents(path: Path) -> list[str]:
    return [content_of(one.request.body) for one in load_cassette(path)]


asked = st.lists(st.sampled_from("abcd"), min_size=1, max_size=6)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=asked, now=asked)
def test_the_result_is_a_fresh_recording_and_only_what_is_new_was_sent(
    cassette: Any, server: Any, path: Path, before: list[str], now: list[str]
) -> None:
    path.unlink(missing_ok=True)
    record(cassette, server, "missing", *before)

    sent = record(cassette, server, "changed", *now)

    assert contents(path) == now
    assert Counter(sent) == Counter(now) - Counter(before)


def test_what_is_unchanged_keeps_its_answer(cassette: Any, server: Any, path: Path) -> None:
    record(cassette, server, "missing", "one", "two")
    one, _ = load_cassette(path)

    record(cassette, server, "changed", "three", "one")

    assert contents(path) == ["three", "one"]
    assert load_cassette(path)[1] == one


def test_nothing_is_written_where_nothing_changed(cassette: Any, server: Any, path: Path) -> None:
    record(cassette, server, "missing", "one", "two")
    before = path.stat().st_mtime_ns

    assert record(cassette, server, "changed", "one", "two") == []
    assert path.stat().st_mtime_ns == before


def test_a_test_that_asks_nothing_any_more_keeps_its_file(cassette: Any, server: Any, path: Path) -> None:
    record(cassette, server, "missing", "one")
    before = path.stat().st_mtime_ns

    record(cassette, server, "changed")

    assert path.stat().st_mtime_ns == before


def test_a_template_with_a_new_name_is_known_by_it(cassette: Any, server: Any, path: Path, caller: Any) -> None:
    for mode, template in {"missing": "support/answer", "changed": "support/reply"}.items():
        with caller(template):
            record(cassette, server, mode, "one")

    assert [one.template for one in load_cassette(path)] == ["support/reply"]


def test_nothing_is_dropped_without_save(cassette: Any, server: Any, path: Path) -> None:
    record(cassette, server, "missing", "one", "two")
    before = path.read_bytes()

    with cassette("changed"):
        ask(server, "one")

    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", ["missing", "all"])
def test_other_modes_drop_nothing_and_everything(cassette: Any, server: Any, path: Path, mode: str) -> None:
    record(cassette, server, "missing", "one", "two")

    record(cassette, server, mode, "two", "three")

    assert contents(path) == (["one", "two", "three"] if mode == "missing" else ["two", "three"])
