"""What a replayed request costs in cassettes of 10 to 1,000 interactions, asked in another order than recorded."""

from __future__ import annotations

import json
import random
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time

import httpx2
import yaml
from measuring import exponent, show

from pytest_templates.cassettes.cassette import open_cassette
from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.settings import CassetteSettings

SIZES = (10, 100, 1_000)
ROUNDS = 9
REQUESTS = 1_000  # a round, so that a small cassette is opened more often than a big one
URL = "http://127.0.0.1:9/v1/chat/completions"
JSON = (("content-type", "application/json"),)


def body(number: int) -> dict[str, object]:
    """What is asked: a prompt of some length, different for every number."""
    return {"model": "m", "messages": [{"role": "user", "content": f"Question {number}. " + "Please answer. " * 20}]}


def cassette(path: Path, size: int) -> Path:
    """A cassette of so many different requests."""
    recorded = (
        Interaction(
            "talk/answer",
            "m",
            RecordedRequest("POST", URL, JSON, json.dumps(body(number)).encode()),
            RecordedResponse(200, "OK", JSON, json.dumps({"answer": number}).encode()),
        )
        for number in range(size)
    )
    path.write_text(to_text(list(recorded)), encoding="utf-8")
    return path


def seconds_a_request(path: Path, size: int) -> tuple[float, float]:
    """Processor seconds of a request that is replayed, and of opening the cassette."""
    asking = opening = 0.0
    numbers = random.Random(1).sample(range(size), size)
    for _ in range(REQUESTS // size):
        client = httpx2.Client()
        started = process_time()
        with open_cassette(CassetteSettings(path)) as opened, client:
            opening += process_time() - started
            client.post(URL, json=body(numbers[0]))  # what is made at the first request is not measured
            started = process_time()
            for number in numbers[1:]:
                client.post(URL, json=body(number)).json()
            asking += process_time() - started
            assert opened.played == size
    return asking / (REQUESTS // size) / (size - 1), opening / (REQUESTS // size)


def seconds_without_cassette(size: int) -> float:
    """Processor seconds of a request that a transport in memory answers."""
    numbers = random.Random(1).sample(range(size), size)
    answers = {json.dumps(body(number)["messages"]): number for number in numbers}

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={"answer": answers[json.dumps(json.loads(request.content)["messages"])]})

    asking = 0.0
    for _ in range(REQUESTS // size):
        with httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
            client.post(URL, json=body(numbers[0]))
            started = process_time()
            for number in numbers[1:]:
                client.post(URL, json=body(number)).json()
            asking += process_time() - started
    return asking / (REQUESTS // size) / (size - 1)


def seconds_to_read_as_json(path: Path) -> float:
    """Processor seconds to read what a cassette holds from a file of JSON: the floor of opening it."""
    as_json = path.with_suffix(".json")
    if not as_json.exists():
        as_json.write_text(json.dumps(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)))
    started = process_time()
    json.loads(as_json.read_text(encoding="utf-8"))
    return process_time() - started


def main() -> None:
    """Measure in turns, and print medians."""
    with TemporaryDirectory() as folder:
        paths = {size: cassette(Path(folder) / f"{size}.yaml", size) for size in SIZES}
        rounds = [{size: seconds_a_request(path, size) for size, path in paths.items()} for _ in range(ROUNDS)]
    asked = {size: median(one[size][0] for one in rounds) for size in SIZES}
    show(
        "A request in replay",
        ("interactions", "microseconds", f"times that of {SIZES[0]}", "opening, ms"),
        (
            (
                f"{size:,}",
                asked[size] * 1e6,
                median(one[size][0] / one[SIZES[0]][0] for one in rounds),
                median(one[size][1] for one in rounds) * 1e3,
            )
            for size in SIZES
        ),
    )
    print(f"  grows with interactions ** {exponent(asked.items()):.2f}")


if __name__ == "__main__":
    main()
