"""Runs of events on a cassette: one table for the pieces of an answer, read as prose, played byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_templates.cassettes.format.document import FormatError, from_text, to_text
from pytest_templates.cassettes.recorded import (
    Chunk,
    Headers,
    Interaction,
    RecordedRequest,
    RecordedResponse,
    Truncation,
)

EVENTS: Headers = (("content-type", "text/event-stream"),)
LINES: Headers = (("content-type", "application/x-ndjson"),)
REQUEST = RecordedRequest("POST", "https://host/v1", (("content-type", "application/json"),), b'{"model":"m"}')
WORDS = ["The", " capital", " of", " Norway", " is", " Oslo", ".", "\n", "It", " lies", " by", " the", " fjord", "."]
PROSE = "".join(WORDS)


def streamed(units: Iterable[str], headers: Headers = EVENTS, *, arrivals: bool = True, **changes: Any) -> Interaction:
    pieces = [unit.encode() for unit in units]
    times = (
        tuple(Chunk(len(piece), round(0.4 + 0.011 * n, 3)) for n, piece in enumerate(pieces) if piece)
        if arrivals
        else ()
    )
    response = RecordedResponse(200, "", headers, b"".join(pieces), times, **changes)
    return Interaction("desk/answer", "m", REQUEST, response)


def reloaded(one: Interaction) -> Interaction:
    (found,) = from_text(to_text([one]))
    return found


def event(data: Any, name: str = "", end: str = "\n", **style: Any) -> str:
    text = data if isinstance(data, str) else json.dumps(data, **{"separators": (",", ":"), **style})
    return f"{f'event: {name}{end}' if name else ''}data: {text}{end}{end}"


def chat(pieces: Iterable[str]) -> list[str]:
    """OpenAI, chat completions, with what it fills its events up with."""
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    said = [
        event(
            {
                **chunk,
                "choices": [{"index": 0, "delta": {"content": piece}, "logprobs": None}],
                "obfuscation": f"x{n:o}",
            }
        )
        for n, piece in enumerate(pieces)
    ]
    return [*said, event({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}), event("[DONE]")]


def responses(pieces: Iterable[str]) -> list[str]:
    """OpenAI, responses."""
    kind = "response.output_text.delta"
    item = {"type": kind, "sequence_number": 0, "item_id": "msg_1"}
    return [
        event({**item, "sequence_number": 4 + n, "delta": piece, "obfuscation": "aB3"[: n % 3 + 1]}, kind)
        for n, piece in enumerate(pieces)
    ]


def anthropic(pieces: Iterable[str]) -> list[str]:
    kind = "content_block_delta"
    return [event({"type": kind, "index": 0, "delta": {"type": "text_delta", "text": piece}}, kind) for piece in pieces]


def tool_call(pieces: Iterable[str]) -> list[str]:
    """Anthropic, the arguments of a tool."""
    kind = "content_block_delta"
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return [event({"type": kind, "index": 1, "delta": delta}, kind) for delta in deltas]


def google(pieces: Iterable[str]) -> list[str]:
    return [
        event(
            {
                "candidates": [{"content": {"parts": [{"text": piece}], "role": "model"}, "index": 0}],
                "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 3 * n, "totalTokenCount": 8 + 3 * n},
            },
            end="\r\n",
        )
        for n, piece in enumerate(pieces)
    ]


def ollama(pieces: Iterable[str]) -> list[str]:
    said = [
        {"model": "m", "created_at": f"2026-05-01T10:00:0{n % 7}.12{n}Z", "message": {"content": piece}, "done": False}
        for n, piece in enumerate(pieces)
    ]
    return [json.dumps(one, separators=(",", ":")) + "\n" for one in said]


def closed(pieces: Iterable[str]) -> list[str]:
    """OpenAI, responses, which say the whole text once more, and once more."""
    said = [*pieces]
    whole = "".join(said)
    part = {"type": "output_text", "annotations": [], "text": whole}
    return [
        *responses(said),
        event({"type": "response.output_text.done", "text": whole}, "response.output_text.done"),
        event({"type": "response.content_part.done", "part": part}, "response.content_part.done"),
        event({"type": "response.completed", "output": [{"content": [part]}]}, "response.completed"),
        event(whole.replace("\n", " ").replace("\r", " ")),
    ]


PROVIDERS: dict[str, tuple[Callable[[Iterable[str]], list[str]], Headers]] = {
    "chat": (chat, EVENTS),
    "responses": (responses, EVENTS),
    "closed responses": (closed, EVENTS),
    "anthropic": (anthropic, EVENTS),
    "tool call": (tool_call, EVENTS),
    "google": (google, EVENTS),
    "ollama": (ollama, LINES),
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_pieces_of_an_answer_are_one_table_in_which_it_reads_as_prose(provider: str) -> None:
    make, headers = PROVIDERS[provider]
    one = streamed(make(WORDS), headers)
    text = to_text([one])

    assert "The capital of Norway is Oslo." in text
    assert "It lies by the fjord." in text
    assert text.count("frame:") == 1
    assert text.count("\n") < 75
    assert max(map(len, text.splitlines())) <= 120
    assert reloaded(one) == one


def test_a_table_looks_like_this() -> None:
    text = to_text([streamed(responses(WORDS[:6]))])
    assert text[text.index("      events:\n") : text.index("  checksum")] == (
        "      events:\n"
        "      - count: 6\n"
        '        at: "0.4 11 11 11 11 11"\n'
        "        frame:\n"
        "          event: response.output_text.delta\n"
        "          data:\n"
        "            type: response.output_text.delta\n"
        '            sequence_number: "…"\n'
        "            item_id: msg_1\n"
        '            delta: "…"\n'
        '            obfuscation: "…"\n'
        "        columns:\n"
        "          data/sequence_number:\n"
        "            start: 4\n"
        "            step: 1\n"
        "          data/delta:\n"
        "            text: The capital of Norway is Oslo\n"
        '            sizes: "3 8 3 7 3 5"\n'
        "          data/obfuscation:\n"
        "            strings: a aB aB3 a aB aB3\n"
    )


def test_what_was_said_in_pieces_is_not_written_again() -> None:
    text = to_text([streamed(closed(WORDS))])
    assert text.count("Norway") == 2  # and once in an event that has other line breaks
    assert text[text.index("      - at: 0.565\n") :].startswith(
        "      - at: 0.565\n"
        "        event: response.content_part.done\n"
        "        data:\n"
        "          type: response.content_part.done\n"
        "          part:\n"
        "            type: output_text\n"
        "            annotations: []\n"
        '            text: "…"\n'
        "        said:\n"
        "          data/part/text: data/delta\n"
    )


def test_of_two_texts_in_columns_of_one_name_the_last_is_meant() -> None:
    whole = {"type": "response.content_part.done", "text": PROSE, "more": {"text": PROSE.upper()}}
    units = [*responses(WORDS), event(whole), *responses(map(str.upper, WORDS)), event(whole)]
    text = to_text([streamed(units)])
    assert text.count("data/text: data/delta") == 1
    assert text.count("data/more/text: data/delta") == 1
    assert reloaded(streamed(units)).response.body == "".join(units).encode()


def test_a_table_that_makes_more_than_was_ever_written_is_refused() -> None:
    text = to_text([streamed(chat(["word"] * 20))])
    large = re.sub(r'        at: ".*"\n', "", text).replace("count: 20", "count: 100000")
    large = large.replace("object: chat.completion.chunk", f"object: {'x' * 5_000_000}", 1)
    large = re.sub(r"        columns:\n(?:          .*\n)+", "        columns: {}\n", large)
    with pytest.raises(FormatError, match="its tables make more than 4194304 characters"):
        from_text(large)


def test_a_short_text_is_written_again() -> None:
    assert "said:" not in to_text([streamed(closed(WORDS[:6]))])


def test_a_time_that_is_no_step_of_milliseconds_survives() -> None:
    units = [unit.encode() for unit in responses(WORDS[:8])]
    times = (0.4, 0.4, 0.39, 0.391, 0.3911, 1e9, 1e9 + 0.001, 0.1 + 0.2)
    response = RecordedResponse(200, "", EVENTS, b"".join(units), tuple(map(Chunk, map(len, units), times)))
    one = Interaction(None, None, REQUEST, response)
    assert "at: 0.4 0 0.39 1 0.3911 999999999609 1 0.30000000000000004" in to_text([one]).replace('"', "")
    assert reloaded(one) == one


pieces = st.text(st.sampled_from("ab  \n\r\t.é😀\u2028\ufeff\x85\x00#:-'\"{}[]…~/\\"), max_size=6) | st.sampled_from(
    ["", " ", "  \n", "true", "-", "…", "null", "1", "<<<<<<< HEAD\n", "\n\n", "---", "...", "end: true", "é" * 130]
)
many = st.lists(pieces, min_size=1, max_size=24)


@given(many, st.sampled_from([*PROVIDERS.values()]), st.booleans(), st.none() | st.just(Truncation(9.5, "client")))
@example([""] * 9, PROVIDERS["chat"], True, None)
@example(["a"] * 9, PROVIDERS["anthropic"], False, None)
def test_what_is_said_in_pieces_survives_byte_for_byte_with_its_times(
    said: list[str], provider: tuple[Any, Headers], arrivals: bool, cut: Truncation | None
) -> None:
    make, headers = provider
    one = streamed(make(said), headers, arrivals=arrivals, cut=cut)
    assert reloaded(one) == one


numbers = st.integers(-(10**20), 10**20) | st.sampled_from([1, 1.0, 0.0, -0.0, 1e22, 0.1, 2**70])
scalars = numbers | st.booleans() | st.none() | pieces | st.just([]) | st.just({})
names = st.sampled_from(["a", "a/b", "~", "~1", "0", "", "…", "at", "frame", "long" * 40])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)


@given(values, st.lists(st.lists(scalars, min_size=8, max_size=8), min_size=3, max_size=12), st.data())
def test_events_of_any_shape_survive_byte_for_byte(frame: Any, rows: list[list[Any]], data: st.DataObject) -> None:
    style: dict[str, Any] = data.draw(st.sampled_from([{}, {"ensure_ascii": False}, {"separators": (", ", ": ")}]))

    def filled(value: Any, left: list[Any]) -> Any:
        if isinstance(value, dict):
            return {name: filled(inner, left) for name, inner in value.items()}
        if isinstance(value, list):
            return [filled(inner, left) for inner in value]
        new = left.pop() if left else value
        return new if type(new) is type(value) else value

    said = [event({"x": filled(frame, list(row))}, **style) for row in rows]
    one = streamed(said)
    again = reloaded(one)
    assert again.response.body == one.response.body
    assert again.response.arrivals == one.response.arrivals
    assert to_text([again]) == to_text([one])


def test_what_came_at_once_and_what_was_left_unfinished_survive() -> None:
    *said, last = anthropic([*WORDS, "?"])
    body = "".join(said) + last[:30]
    sizes = [len("".join(said[:5])), len("".join(said[5:6])), len("".join(said[6:])) + 30]
    response = RecordedResponse(200, "", EVENTS, body.encode(), tuple(map(Chunk, sizes, (0.1, 0.2, 0.3))))
    one = Interaction(None, None, REQUEST, response)
    assert reloaded(one) == one
    assert "at: 0.1 - - - - 100 100 - - - - - - -" in to_text([one]).replace('"', "")


def test_half_of_an_emoji_and_other_escapes_survive() -> None:
    said = ["a", "\ud83d", "\ude00", *"bcdefghi"]
    halves = [event({"t": piece, "more": [1, 2, 3]}, ensure_ascii=True) for piece in said]
    assert reloaded(streamed(halves)).response.body == "".join(halves).encode()


def test_few_events_and_events_of_many_shapes_stay_as_they_are() -> None:
    few = [event({"t": word}) for word in ("a", "b")]
    shapes = [event({"t": word, f"n{n}": 1}) for n, word in enumerate(WORDS)]
    many = [event({f"k{n}": f"{n} {m}" for n in range(9)}) for m in range(9)]
    assert "frame:" not in to_text([streamed(few), streamed(shapes), streamed(many)])


DAMAGES = {
    "a size": ("3 8 3 7", "3 8 4 7", "the sizes of 'data/delta' add up to 30 characters, and its text has 29"),
    "a word of the text": ("Norway is", "Greece! is", "add up to 29 characters, and its text has 30"),
    "one entry less": ("a aB aB3 a", "a aB aB3", "'data/obfuscation' has 5 entries for 6 events"),
    "another count": ("count: 6", "count: 7", "has 6 entries for 7 events"),
    "no count": ("count: 6", "count: 1000000000", "a run of 1000000000 events is none"),
    "another place": ("data/delta:", "data/other:", "the event has no place 'data/other'"),
    "a place too deep": ("data/delta:", "data/type/x:", "the event has no place 'data/type/x'"),
    "a negative size": ('"3 8 3 7', '"-3 14 3 7', "a piece of -3 characters is none"),
    "an endless step": ('"0.4 11 ', f'"0.4 {"9" * 400} ', "inf is no time in seconds"),
    "a time that is none": ('"0.4 ', '"soon ', "could not convert string to float: 'soon'"),
    "steps that are none": ("step: 1", "step: 1.5", "'data/sequence_number' counts by no whole numbers"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_table_is_refused_with_what_is_wrong(damage: str) -> None:
    old, new, said = DAMAGES[damage]
    text = to_text([streamed(responses(WORDS[:6]))])
    assert old in text
    with pytest.raises(FormatError) as caught:
        from_text(text.replace(old, new, 1))
    assert said in str(caught.value)
    assert caught.value.line == text[: text.index("      events:")].count("\n") + 1


SAID_DAMAGES = {
    "another column": ("data/text: data/delta", "data/text: data/other", "no table before has a text 'data/other'"),
    "another place": ("data/text: data/delta", "data/words: data/delta", "the event has no place 'data/words'"),
}


@pytest.mark.parametrize("damage", SAID_DAMAGES)
def test_a_text_that_is_said_again_of_no_column_is_refused(damage: str) -> None:
    old, new, said = SAID_DAMAGES[damage]
    with pytest.raises(FormatError) as caught:
        from_text(to_text([streamed(closed(WORDS))]).replace(old, new, 1))
    assert said in str(caught.value)


def test_a_word_that_was_changed_for_another_of_its_size_is_refused() -> None:
    text = to_text([streamed(responses(WORDS))])
    with pytest.raises(FormatError, match="they were edited, or come from different recordings"):
        from_text(text.replace("Norway", "Sweden"))


def test_a_long_stream_is_written_and_read_in_little_time_and_space() -> None:
    one = streamed(responses(f" word{n % 97}" for n in range(2_000)))
    text = to_text([one])
    assert len(text) < len(one.response.body) / 4
    assert text.count("\n") < 700
    assert reloaded(one) == one
