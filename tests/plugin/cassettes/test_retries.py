"""Clients try again what fails on the way; a missing recording is no such failure, and is not waited for."""

from __future__ import annotations

import asyncio
import pickle
import time
from typing import Any

import anthropic
import openai
import pytest
from google import genai

from antiphon import Message, Session, connect
from pytest_templates.errors import CassetteMiss

MESSAGES: list[Any] = [{"role": "user", "content": "Hi"}]
SESSION = Session(messages=[Message(role="user", content="Hi")])


def claude(url: str) -> None:
    with anthropic.Anthropic(base_url=url, api_key="x", max_retries=9) as client:
        client.messages.create(model="m", max_tokens=9, messages=MESSAGES)


def claude_streaming(url: str) -> None:
    with (
        anthropic.Anthropic(base_url=url, api_key="x", max_retries=9) as client,
        client.messages.stream(model="m", max_tokens=9, messages=MESSAGES) as stream,
    ):
        stream.until_done()


def claude_async(url: str) -> None:
    async def ask() -> None:
        async with anthropic.AsyncAnthropic(base_url=url, api_key="x", max_retries=9) as client:
            await client.messages.create(model="m", max_tokens=9, messages=MESSAGES)

    asyncio.run(ask())


def gpt(url: str) -> None:
    with openai.OpenAI(base_url=url, api_key="x", max_retries=9) as client:
        client.chat.completions.create(model="m", messages=MESSAGES)


def gpt_async(url: str) -> None:
    async def ask() -> None:
        async with openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=9) as client:
            await client.chat.completions.create(model="m", messages=MESSAGES)

    asyncio.run(ask())


def gemini_client(url: str) -> genai.Client:
    retrying = genai.types.HttpRetryOptions(attempts=9)
    return genai.Client(api_key="x", http_options=genai.types.HttpOptions(base_url=url, retry_options=retrying))


def gemini(url: str) -> None:
    with gemini_client(url) as client:
        client.models.generate_content(model="m", contents="Hi")


def gemini_async(url: str) -> None:
    async def ask() -> None:
        async with gemini_client(url).aio as client:
            await client.models.generate_content(model="m", contents="Hi")

    asyncio.run(ask())


def engine(url: str) -> None:
    connect("anthropic:claude-haiku-4-5", base_url=url, api_key="x").send(SESSION)


ASKING = [claude, claude_streaming, claude_async, gpt, gpt_async, gemini, gemini_async, engine]


@pytest.mark.llm_live(reason="nothing is sent")
@pytest.mark.parametrize("ask", ASKING)
def test_a_miss_is_neither_tried_again_nor_waited_for(ask: Any, cassette: Any, server: Any) -> None:
    started = time.monotonic()

    with cassette("none") as opened, pytest.raises(CassetteMiss) as caught:
        ask(server.url)

    assert len(opened.misses) == 1
    assert caught.value is opened.misses[0]
    assert server.bodies == []
    assert time.monotonic() - started < 20  # nine waits would take a minute


def test_the_error_survives_the_way_to_a_process_that_has_no_such_client(cassette: Any, server: Any) -> None:
    with cassette("none"), pytest.raises(CassetteMiss) as caught:
        claude(server.url)

    assert isinstance(caught.value, anthropic.AnthropicError)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is CassetteMiss
    assert (str(copy), copy.reason) == (str(caught.value), "no-cassette")
