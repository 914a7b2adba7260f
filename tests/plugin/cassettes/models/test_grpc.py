"""xAI's models, which speak gRPC: a server on this machine plays them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("xai_sdk", reason="needs xai-sdk, which brings grpcio: pip install xai-sdk")

TESTS = """
import asyncio
import os

from antiphon.errors import RateLimitError
from pydantic_ai.models.xai import XaiModel
from pydantic_ai.providers.xai import XaiProvider


def grok():
    provider = XaiProvider(api_host=os.environ["XAI_HOST"], api_key="xai-key")
    return connect(XaiModel("grok-4", provider=provider), temperature=0)


@pytest.mark.llm_cassette
def test_grok(llm_cassette):
    model = grok()
    session = Runner(model, template=talk()).run()
    assert (session.last.content, session.trace.calls[0].usage.input_tokens) == ("Hi.", 12)
    assert asyncio.run(Runner(model, template=talk()).arun()).last.content == "Hi."
    said = [event.text for event in Runner(model, template=talk()).stream() if isinstance(event, TextDelta)]
    assert said == ["H", "i", "."]
    with pytest.raises(RateLimitError, match="slow down"):
        model.send(Session(messages=[Message(role="user", content="limit")]))
    assert llm_cassette.played + llm_cassette.recorded == 4
"""


@pytest.fixture
def grok() -> Iterator[Any]:
    """A server of xAI's protocol; `grok.asked` counts its calls."""
    import grpc
    from xai_sdk.proto import chat_pb2, chat_pb2_grpc

    class Chat(chat_pb2_grpc.ChatServicer):
        asked = 0

        def GetCompletion(self, request: Any, context: Any) -> Any:  # noqa: N802  # its name in the protocol
            self.asked += 1
            if request.messages[-1].content[0].text == "limit":
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down")
            return answer(chat_pb2.GetChatCompletionResponse, "message", "Hi.")

        def GetCompletionChunk(self, request: Any, context: Any) -> Any:  # noqa: N802  # as above
            self.asked += 1
            return (answer(chat_pb2.GetChatCompletionChunk, "delta", text) for text in "Hi.")

    def answer(kind: Any, part: str, text: str) -> Any:
        response = kind(id="1", model="grok-4")
        said = getattr(response.outputs.add(index=0), part)
        said.role, said.content = chat_pb2.ROLE_ASSISTANT, text
        response.usage.prompt_tokens, response.usage.completion_tokens = 12, 2
        return response

    server, chat = grpc.server(ThreadPoolExecutor(2)), Chat()
    chat_pb2_grpc.add_ChatServicer_to_server(chat, server)
    chat.host = f"localhost:{server.add_secure_port('localhost:0', grpc.local_server_credentials())}"
    server.start()
    yield chat
    server.stop(0)


def test_grok_is_recorded_and_replayed_without_its_server(
    project: Any, grok: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAI_HOST", grok.host)
    project.tests(TESTS)

    project.run("--templates-record=missing").assert_outcomes(passed=1)
    assert grok.asked == 4
    project.run().assert_outcomes(passed=1)
    assert grok.asked == 4
