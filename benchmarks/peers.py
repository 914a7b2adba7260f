"""The peers of the table: the same work, as each is used by its own documentation; ``None`` for one that is missing."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any

import replay
import turns

PEERS = ("langchain-core", "pydantic-ai-slim", "vcrpy", "prompttrail")


def versions() -> dict[str, str]:
    """The versions of the peers that are installed."""
    found = {}
    for name in PEERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def conversation(size: int) -> Callable[[], object] | None:
    """LangChain: a prompt of an f-string, its history, and a model that costs nothing, so many turns."""
    if find_spec("langchain_core") is None:
        return None
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder

    text = turns.TEXT.replace("{{ customer }}", "{customer}").replace("{{ order.number }}", "{number}")
    prompt = ChatPromptTemplate([MessagesPlaceholder("history"), ("user", text)])
    values = {"customer": turns.METADATA["customer"], "number": 1815}

    def converse() -> list[Any]:
        model = GenericFakeChatModel(messages=iter(AIMessage(turns.ANSWER) for _ in range(size)))
        history: list[Any] = []
        for _ in range(size):
            asked = prompt.invoke({"history": history, **values}).to_messages()
            history = [*asked, model.invoke(asked)]
        return history

    if len(converse()) != 2 * size:
        raise RuntimeError("the peer's conversation went wrong")
    return converse


def subroutine(messages: int) -> Callable[[], object] | None:
    """PromptTrail: a subroutine of two templates in a conversation of so many messages.

    It deep-copies its runner, and with it texts that Jinja compiled, which cannot be copied: those are shared here.
    """
    if find_spec("prompttrail") is None:
        return None
    import jinja2
    from prompttrail.agent.runners import CommandLineRunner
    from prompttrail.agent.subroutine import SubroutineTemplate
    from prompttrail.agent.templates import AssistantTemplate, LinearTemplate, SystemTemplate
    from prompttrail.agent.user_interface import EchoMockInterface
    from prompttrail.core import Config, Message, Model, Session
    from prompttrail.core.mocks import FunctionalMockProvider

    class Fake(Model):
        def _send(self, session: Any) -> Any:
            raise NotImplementedError

    logging.getLogger("prompttrail").setLevel(logging.ERROR)
    jinja2.Template.__deepcopy__ = lambda text, memo: text  # type: ignore[attr-defined]
    mock = FunctionalMockProvider(lambda session: Message(content=turns.ANSWER, role="assistant"))
    routine = SubroutineTemplate(LinearTemplate([SystemTemplate(content="Say it in a line."), AssistantTemplate()]))
    model = Fake(configuration=Config(model_name="fake", mock_provider=mock))
    runner = CommandLineRunner(model=model, template=routine, user_interface=EchoMockInterface())
    said = [Message(content=f"message {number}", role="user") for number in range(messages)]
    session = Session(messages=said, metadata={"topic": "parcels"}, runner=runner)

    def call() -> object:
        for _ in routine.render(session):
            pass
        return session.messages.pop()

    return call


def vcr_cassette(path: Path, size: int) -> Path | None:
    """A cassette of vcrpy of the same requests and answers."""
    if find_spec("vcr") is None:
        return None
    from vcr.persisters.filesystem import FilesystemPersister
    from vcr.request import Request
    from vcr.serializers import yamlserializer

    requests = [
        Request("POST", replay.URL, replay.in_json(replay.body(number)), dict(replay.SENT)) for number in range(size)
    ]
    headers = {name: [value] for name, value in replay.JSON}
    responses = [
        {
            "status": {"code": 200, "message": "OK"},
            "headers": headers,
            "body": {"string": replay.in_json(replay.said(number))},
        }
        for number in range(size)
    ]
    FilesystemPersister.save_cassette(path, {"requests": requests, "responses": responses}, yamlserializer)
    return path


def seconds_with_vcr(path: Path, size: int) -> tuple[float, float]:
    """Processor seconds of a request that vcrpy replays by its body, and of opening the cassette; in a process."""
    command = [sys.executable, __file__, str(path), str(size)]
    asked, opened = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(asked), float(opened)


def replayed_by_vcr(path: str, size: int) -> None:
    """Replay a cassette of vcrpy, and print what that takes."""
    import httpx2
    import vcr

    recorder = vcr.VCR(record_mode="none", match_on=("method", "uri", "body"))
    with httpx2.Client() as client:
        with recorder.use_cassette(path):
            client.post(replay.URL, json=replay.body(0))  # what is imported at the first time is not measured
        started = process_time()
        with recorder.use_cassette(path):
            opened = process_time() - started
            asked = replay.asking(client, range(size))
    print(asked, opened)


TEST = (
    None
    if find_spec("pydantic_ai") is None
    else """
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

def test_{n}():
    agent = Agent(TestModel(custom_output_text="Answer {n}"))
    assert agent.run_sync("Question {n}").output == "Answer {n}"
"""
)
"""A test with pydantic-ai's own double, by its number."""


if __name__ == "__main__":
    replayed_by_vcr(sys.argv[1], int(sys.argv[2]))
