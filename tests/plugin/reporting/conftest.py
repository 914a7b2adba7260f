from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.fixture
def report_of(project) -> Callable[..., dict[str, Any]]:
    """Runs the project's tests, and gives what --templates-json writes: ``report_of("-n2")``."""

    def run(*arguments: str) -> dict[str, Any]:
        project.run("--templates-json=run.json", *arguments)
        return json.loads((project.path / "run.json").read_text(encoding="utf-8"))

    return run


@pytest.fixture
def drawn() -> Callable[[dict[str, Any]], str]:
    """Draws the steps of a test as a tree, a line each: ``drawn(report["tests"][0])``."""
    return lambda test: "\n".join(_drawn(test, None, ""))


@pytest.fixture
def drawn_step() -> Callable[[dict[str, Any], int], str]:
    """Draws one step of a test: ``drawn_step(test, test["failure"]["step"])``."""
    return lambda test, place: _drawn_step(test["steps"][place], test)


def _drawn(test: dict[str, Any], parent: int | None, margin: str) -> Iterator[str]:
    for step in test["steps"]:
        if step["parent"] == parent:
            yield margin + _drawn_step(step, test)
            yield from _drawn(test, step["id"], f"{margin}  ")


def _drawn_step(step: dict[str, Any], test: dict[str, Any]) -> str:
    match step["type"]:
        case "template":
            return " ".join([step["path"], *([step["isolation"]] if step["isolation"] else [])])
        case "message":
            message = test["messages"][step["message"]]
            asked = [f"asks for {request['name']}" for request in message["tool_calls"]]
            return " ".join([f"{message['role']}: {message['content']}", *asked])
        case "call":
            call = test["calls"][step["call"]]
            answer = test["messages"][step["reply"]]["content"] if step["reply"] is not None else call["error"]
            return f"{call['model']} is sent {' '.join(map(str, _sent(test, step)))}, answers {answer!r}"
        case "tool":
            return f"{step['tool']} {step['arguments']} gives {step['result']}"
    return f"sample {step['number']} {'passed' if step['passed'] else step['why']}"


def _sent(test: dict[str, Any], step: dict[str, Any]) -> list[int]:
    """The places of all messages that a call was sent."""
    earlier = [] if step["continues"] is None else _sent(test, test["steps"][step["continues"]])
    return [*_places(step["before"]), *earlier[step["left_out"] :], *_places(step["sent"])]


def _places(ranges: list[list[int]]) -> list[int]:
    return [place for first, last in ranges for place in range(first, last + 1)]
