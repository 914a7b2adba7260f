"""What a replayed request costs in cassettes of 10 to 1,000 interactions, asked in another order than recorded.

The floor of a request is the same one, answered by a transport that looks nothing up; that of opening a cassette is to
read its file. A cassette is opened for the first time, and as one that was opened before.
"""

from __future__ import annotations

import gc
import json
import random
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time

import httpx2
from measuring import YARDSTICK_SECONDS, exponent, show, yardstick

from pytest_templates.cassettes.cassette import open_cassette
from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.settings import CassetteSettings

SIZES = (10, 100, 1_000)
ROUNDS = 3
NAMES = ("request", "its floor", "opened first", "opened again", "file read")
REQUESTS = 1_000  # a round, so that a small cassette is opened more often than a big one
URL = "http://127.0.0.1:9/v1/chat/completions"
JSON = (("content-type", "application/json"),)
SENT = (("accept", "*/*"), *JSON)
ANSWER = "It is sent to you in two days. "


def body(number: int) -> dict[str, object]:
    """What is asked: a prompt of some length, different for every number."""
    return {"model": "m", "messages": [{"role": "user", "content": f"Question {number}. " + "Please answer. " * 20}]}


def said(number: int) -> dict[str, object]:
    """What is answered, as providers say it."""
    message = {"role": "assistant", "content": f"{number}. {ANSWER * 6}", "refusal": None}
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_700_000_000 + number,
        "model": "m",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 84, "completion_tokens": 52, "total_tokens": 136},
    }


def in_json(value: object) -> bytes:
    """JSON as httpx writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def cassette(path: Path, size: int) -> Path:
    """A cassette of so many different requests."""
    recorded = (
        Interaction(
            "talk/answer",
            "m",
            RecordedRequest("POST", URL, SENT, in_json(body(number))),
            RecordedResponse(200, "", JSON, in_json(said(number))),
        )
        for number in range(size)
    )
    path.write_text(to_text(list(recorded)), encoding="utf-8")
    return path


def asking(client: httpx2.Client, numbers: Sequence[int]) -> float:
    """Processor seconds of a request."""
    client.post(URL, json=body(numbers[0]))  # what is made at the first request is not measured
    started = process_time()
    for number in numbers[1:]:
        client.post(URL, json=body(number)).json()
    return (process_time() - started) / (len(numbers) - 1)


def measure(path: Path, size: int) -> dict[str, float]:
    """Scaled processor seconds of a request, and of opening and closing a cassette for each interaction."""
    spent: dict[str, list[float]] = {name: [] for name in NAMES}
    numbers = random.Random(1).sample(range(size), size)
    answers = cycle([in_json(said(number)) for number in numbers])
    canned = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=JSON, content=next(answers)))
    client, floor = httpx2.Client(), httpx2.Client(transport=canned)  # to make one takes longer than all it is asked
    before = yardstick()
    gc.collect()
    gc.freeze()  # to go through all that is loaded takes 50 ms, which one of the samples would have
    for _ in range(REQUESTS // size):
        with TemporaryDirectory() as folder:
            for name in ("opened first", "opened again"):
                started = process_time()
                with ExitStack() as stack:
                    opened = stack.enter_context(open_cassette(CassetteSettings(path, parsed=Path(folder))))
                    opening = process_time() - started
                    spent["request"].append(asking(client, numbers))
                    started = process_time()
                spent[name].append((opening + process_time() - started) / size)
                assert opened.played == size
        spent["its floor"].append(asking(floor, numbers))
        started = process_time()
        path.read_bytes()
        spent["file read"].append((process_time() - started) / size)
    gc.unfreeze()
    scale = YARDSTICK_SECONDS / (before + yardstick()) * 2
    return {name: median(seconds) * scale for name, seconds in spent.items()}


def main() -> None:
    """Measure in turns, and print medians."""
    with TemporaryDirectory() as folder:
        paths = {size: cassette(Path(folder) / f"{size}.yaml", size) for size in SIZES}
        rounds = [{size: measure(path, size) for size, path in paths.items()} for _ in range(ROUNDS)]
    found = {size: {name: median(one[size][name] for one in rounds) * 1e6 for name in NAMES} for size in SIZES}
    show(
        "Microseconds of a request in replay, and of opening and closing a cassette, an interaction",
        ("interactions", "request", "its floor", "above it", *NAMES[2:]),
        (
            (f"{size:,}", one["request"], one["its floor"], one["request"] - one["its floor"], *map(one.get, NAMES[2:]))
            for size, one in found.items()
        ),
    )
    print(
        f"  a request grows with interactions ** {exponent((size, one['request']) for size, one in found.items()):.2f}"
    )


if __name__ == "__main__":
    main()
