from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_templates.cassettes.storage.store import load_cassette
from pytest_templates.errors import CassetteMiss

# What trio says of programs that leave a loop without closing its generator, with and without a cassette.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Async generator .* was garbage collected:ResourceWarning"),
    pytest.mark.llm_live(reason="a server on this machine plays the model"),
]

WORDS = ["one", "two", "three"]
PAUSE = 0.02  # seconds


def listener(*, until: int = 9, go: threading.Event | None = None) -> tuple[list[str], Any]:
    """What is heard, and a listener who lets the server speak on some time after the first word."""
    words: list[str] = []

    def hear(word: str) -> bool:
        if word:
            words.append(word)
        if go is not None and not go.is_set():
            time.sleep(PAUSE)
            go.set()
        return len(words) < until

    return words, hear


def test_the_first_word_is_heard_while_the_server_still_speaks(
    program: Any, cassette: Any, speaker: Any, path: Path
) -> None:
    go = threading.Event()
    one, two, three = map(program.word, WORDS)
    speaker.script = [one, go, two, three + program.end]
    live, hear = listener(go=go)
    with cassette("missing") as opened:
        program.listen(speaker.url, hear)
        assert opened.recorded == 1
        opened.save()
    assert live == WORDS  # the server would have waited ten seconds for the first to be heard
    replayed, hear = listener()
    with cassette("none") as opened:
        program.listen(speaker.url, hear)
    assert (replayed, opened.played, speaker.asked) == (WORDS, 1, 1)

    (interaction,) = load_cassette(path)
    response = interaction.response
    assert response.body == one + two + three + program.end
    assert response.pieces[0] == one
    assert response.cut is None
    times = [arrival.at for arrival in response.arrivals]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] - PAUSE / 2
    assert re.search(r"events:\n +- (?:count: \d+\n +)?at: \"?0\.", path.read_text("utf-8"))


def test_a_stream_can_be_left_early_and_no_client_gets_past_that(
    program: Any, cassette: Any, speaker: Any, path: Path
) -> None:
    speaker.script = [program.word("one"), "wait"]
    for mode in ("missing", "none"):
        words, hear = listener(until=1)
        with cassette(mode) as opened:
            program.listen(speaker.url, hear)
            assert words == ["one"]
            if mode == "missing":
                assert speaker.left.wait(10)  # the real connection was closed
            opened.save()
    (interaction,) = load_cassette(path)
    assert interaction.response.body == program.word("one")
    assert interaction.response.cut
    assert interaction.response.cut.by == "client"

    words, hear = listener()
    with cassette("none") as opened, pytest.raises(CassetteMiss, match="left-early") as caught:
        program.listen(speaker.url, hear)
    assert words == ["one"]
    assert opened.misses == [caught.value]
    assert "--templates-record=all" in str(caught.value)
    assert speaker.asked == 1


def test_a_broken_stream_breaks_again_in_replay(program: Any, cassette: Any, speaker: Any, path: Path) -> None:
    speaker.script = [program.word("one"), "drop"]
    errors = []
    for mode in ("missing", "none"):
        words, hear = listener()
        with cassette(mode) as opened:
            with pytest.raises(Exception) as caught:  # noqa: PT011 - each SDK has its own, the same in both modes
                program.listen(speaker.url, hear)
            opened.save()
        assert words == ["one"]
        errors.append(type(caught.value))
    assert errors[0] is errors[1]
    assert not issubclass(errors[0], CassetteMiss)
    (interaction,) = load_cassette(path)
    assert interaction.response.cut
    assert interaction.response.cut.by == "RemoteProtocolError"
