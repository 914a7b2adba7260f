from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pytest_templates.cassettes.storage.store import load_cassette
from pytest_templates.errors import CassetteError, CassetteMiss


def ask(server: Any, content: str, **body: Any) -> str:
    """Ask the server in plain HTTP."""
    body = {"messages": [{"role": "user", "content": content}], **body}
    with httpx2.Client() as client:
        answer = client.post(f"{server.url}/v1/chat/completions?key=hidden", json=body).json()
    return str(answer["choices"][0]["message"]["content"])


def said(content: str) -> bytes:
    return json.dumps({"choices": [{"message": {"content": content}}]}).encode()


def record(cassette: Any, server: Any, *contents: str, mode: str = "missing") -> None:
    with cassette(mode) as opened:
        for content in contents:
            ask(server, content)
        opened.save()
    server.bodies.clear()


def prompts(path: Path) -> list[str]:
    return [json.loads(one.request.body)["messages"][0]["content"] for one in load_cassette(path)]


def test_what_was_recorded_is_replayed_without_the_server(cassette: Any, server: Any) -> None:
    record(cassette, server, "one", "two")
    with cassette("none") as opened:
        assert [ask(server, "two"), ask(server, "one")] == ["TWO", "ONE"]
        assert (opened.played, opened.recorded, opened.unused) == (2, 0, 0)
    assert server.bodies == []


def test_nothing_is_written_without_save(cassette: Any, server: Any, path: Path) -> None:
    with cassette("missing") as opened:
        ask(server, "one")
        assert opened.recorded == 1
    assert not path.exists()


def test_an_error_in_the_block_leaves_the_old_file(cassette: Any, server: Any, path: Path) -> None:
    record(cassette, server, "one")
    before = path.read_bytes()
    with suppress(ZeroDivisionError), cassette("all"):
        ask(server, "two")
        raise ZeroDivisionError
    assert path.read_bytes() == before


def test_missing_keeps_the_old_ones_and_appends_the_new(cassette: Any, server: Any, path: Path) -> None:
    record(cassette, server, "one", "two")
    record(cassette, server, "three", "one")
    assert prompts(path) == ["one", "two", "three"]


def test_missing_asks_the_server_only_for_what_is_missing(cassette: Any, server: Any) -> None:
    record(cassette, server, "one")
    with cassette("missing") as opened:
        ask(server, "one")
        ask(server, "two")
        assert (opened.played, opened.recorded, opened.unused) == (1, 1, 0)
    assert len(server.bodies) == 1


def test_all_keeps_nothing_but_what_this_run_recorded(cassette: Any, server: Any, path: Path) -> None:
    record(cassette, server, "one", "two")
    record(cassette, server, "two", "three", mode="all")
    assert prompts(path) == ["two", "three"]


def test_all_replaces_no_damaged_file(cassette: Any, server: Any, path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("damaged")
    with pytest.raises(CassetteError, match="is no cassette"):
        record(cassette, server, "one", mode="all")
    assert path.read_text() == "damaged"


def test_a_run_that_recorded_nothing_writes_nothing(cassette: Any, server: Any, path: Path) -> None:
    record(cassette, server, "one")
    before = path.stat()
    for mode in ("missing", "all", "none"):
        record(cassette, server, mode=mode)
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_none_never_writes(cassette: Any, server: Any, path: Path) -> None:
    with cassette("none") as opened:
        with pytest.raises(CassetteMiss):
            ask(server, "one")
        opened.save()
    assert not path.exists()


@pytest.mark.parametrize("mode", ["none", "missing"])
def test_a_damaged_file_is_an_error_at_once(mode: str, cassette: Any, path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("damaged")
    with pytest.raises(CassetteError, match=str(path)), cassette(mode):
        pass
    assert path.read_text() == "damaged"


def test_equal_requests_replay_in_recorded_order_each_once(cassette: Any, server: Any) -> None:
    answers = iter("abc")
    server.answer = lambda _: server.says(said(next(answers)))
    record(cassette, server, "same", "same", "same")
    with cassette("none") as opened:
        assert [ask(server, "same") for _ in range(3)] == ["a", "b", "c"]
        with pytest.raises(CassetteMiss) as caught:
            ask(server, "same")
    assert caught.value.reason == "already-played"
    assert opened.misses == [caught.value]


def test_what_is_recorded_now_is_not_replayed_in_the_same_run(cassette: Any, server: Any, path: Path) -> None:
    record(cassette, server, "same", "same")
    assert prompts(path) == ["same", "same"]


def test_requests_are_kept_in_the_order_they_were_sent_in(cassette: Any, server: Any, path: Path) -> None:
    first_may_answer = threading.Event()
    plain = server.answer

    def slow_first(body: dict[str, Any]) -> Any:
        if body["messages"][0]["content"] == "first":
            first_may_answer.wait(5)
        return plain(body)

    async def both() -> None:
        async with httpx2.AsyncClient() as client:
            first = asyncio.create_task(client.post(server.url, json={"messages": [{"content": "first"}]}))
            await asyncio.sleep(0.05)
            await client.post(server.url, json={"messages": [{"content": "second"}]})
            first_may_answer.set()
            await first

    server.answer = slow_first
    with cassette("missing") as opened:
        asyncio.run(both())
        opened.save()
    assert prompts(path) == ["first", "second"]


def test_template_and_model_are_kept_with_the_call(cassette: Any, server: Any, path: Path, caller: Any) -> None:
    with cassette("missing") as opened:
        with caller("support/answer", "small"):
            ask(server, "one")
        ask(server, "two")
        opened.save()
    assert [(one.template, one.model) for one in load_cassette(path)] == [("support/answer", "small"), (None, None)]


def test_replay_works_without_the_key_it_was_recorded_with(cassette: Any, server: Any, path: Path) -> None:
    url = f"{server.url}/?key=abcdefghij"
    with cassette("missing", {"MY_KEY": "abcdefghij"}) as opened, httpx2.Client() as client:
        client.post(url, json={"a": 1}, headers={"authorization": "Bearer abcdefghij"})
        opened.save()
    assert b"abcdefghij" not in path.read_bytes()
    assert b"hidden" not in path.read_bytes()
    with cassette("none"), httpx2.Client() as client:
        assert client.post(f"{server.url}/?key=another", json={"a": 1}).status_code == 200


def test_a_secret_that_cannot_be_replaced_keeps_the_file_from_being_written(
    cassette: Any, server: Any, path: Path
) -> None:
    record(cassette, server, "one")
    before = path.read_bytes()
    with cassette("missing", {"PIN_SECRET": "12345678"}) as opened:
        ask(server, "two", seed=12345678)
        with pytest.raises(CassetteError, match="PIN_SECRET"):
            opened.save()
    assert path.read_bytes() == before


def test_compressed_answers_are_readable_in_the_file(cassette: Any, server: Any, path: Path) -> None:
    server.compress = True
    record(cassette, server, "one")
    assert "content: ONE" in path.read_text(encoding="utf-8")
    with cassette("none"):
        assert ask(server, "one") == "ONE"


def test_a_rate_limit_is_recorded_and_replayed_with_its_wait(cassette: Any, server: Any) -> None:
    server.answer = lambda _: server.says(b"{}", status=429, retry_after="7")
    for mode in ("missing", "none"):
        with cassette(mode) as opened, httpx2.Client() as client:
            response = client.post(server.url, json={})
            assert (response.status_code, response.headers["retry-after"]) == (429, "7")
            assert response.reason_phrase == "Too Many Requests"
            opened.save()


def test_ignored_parts_and_chosen_matchers_decide_what_is_replayed(cassette: Any, server: Any) -> None:
    record(cassette, server, "one")
    with cassette("none", ignore=("messages.*.content",)):
        assert ask(server, "another") == "ONE"
    with cassette("none", match_on=("method",)):
        assert ask(server, "another") == "ONE"


def test_an_unknown_matcher_is_refused_before_anything_is_patched(cassette: Any) -> None:
    with pytest.raises(CassetteError, match="valid names"), cassette("none", match_on=("bodies",)):
        pass


def test_an_open_cassette_is_true_also_while_it_is_empty(cassette: Any) -> None:
    with cassette("none") as opened:
        assert opened


def test_the_program_reaches_the_server_again_after_the_block(cassette: Any, server: Any) -> None:
    with cassette("none"), pytest.raises(CassetteMiss):
        ask(server, "one")
    assert ask(server, "one") == "ONE"


def test_save_can_be_called_again_after_more_was_recorded(cassette: Any, server: Any, path: Path) -> None:
    with cassette("missing") as opened:
        ask(server, "one")
        opened.save()
        ask(server, "two")
        opened.save()
        written = path.stat().st_mtime_ns
        opened.save()
        assert path.stat().st_mtime_ns == written
    assert prompts(path) == ["one", "two"]
