"""A conversation that is longer than the model takes, in the words of those who say so."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon import AssistantTemplate, LinearTemplate, Runner, Session, UserTemplate, connect
from antiphon.errors import ContextLengthExceeded, ModelError, RateLimitError

TREE = LinearTemplate([UserTemplate("Where is my parcel?"), AssistantTemplate(template_id="answer")])
LLAMA_CPP: dict[str, Any] = {  # the same at each of its addresses
    "error": {
        "code": 400,
        "message": "request (6030 tokens) exceeds the available context size (4096 tokens), try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 6030,
        "n_ctx": 4096,
    }
}


def refusal(message: str, status: int = 400, **more: Any) -> dict[str, Any]:
    return {"status": status, "json": {"error": {"message": message, **more}}}


def anthropic(message: str) -> dict[str, Any]:
    error = {"type": "invalid_request_error", "message": message}
    return {"status": 400, "json": {"type": "error", "request_id": "req_1", "error": error}}


def google(message: str) -> dict[str, Any]:
    return {"status": 400, "json": {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}}


SAID = {
    "llama.cpp": ("openai", {"status": 400, "json": LLAMA_CPP}),
    "llama.cpp, as Anthropic": ("anthropic", {"status": 400, "json": LLAMA_CPP}),
    "llama.cpp, earlier": (
        "openai",
        refusal("the request exceeds the available context size, try increasing it", type="invalid_request_error"),
    ),
    "llama.cpp, half way": ("openai", refusal("Context size has been exceeded.", 500, code=500, type="server_error")),
    "OpenAI, by its code": (
        "openai",
        refusal("Too long.", type="invalid_request_error", code="context_length_exceeded"),
    ),
    "OpenAI, by its words": (
        "openai",
        refusal("Your input exceeds the context window of this model. Please adjust your input and try again."),
    ),
    "vLLM": (
        "openai",
        refusal(
            "This model's maximum context length is 4096 tokens. However, you requested 0 output tokens and your "
            "prompt contains at least 4097 input tokens.",
            code=400,
            type="BadRequestError",
        ),
    ),
    "a gateway that says it in a text": ("openai", {"status": 400, "json": {"error": "prompt is too long"}}),
    "Anthropic": ("anthropic", anthropic("prompt is too long: 210002 tokens > 200000 maximum")),
    "Anthropic, with its answer": (
        "anthropic",
        anthropic(
            "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or "
            "`max_tokens` and try again"
        ),
    ),
    "Google": (
        "google",
        google("The input token count (1200002) exceeds the maximum number of tokens allowed (1048576)."),
    ),
    "Google, before a llama.cpp": ("google", google(LLAMA_CPP["error"]["message"])),
}
OTHERS = {
    "a longer answer than the model gives": (
        ("anthropic", anthropic("max_tokens: 90000 > 64000, which is the maximum allowed number of output tokens")),
        ModelError,
    ),
    "more at once than may be asked": (
        ("openai", refusal("Request too large: prompt is too long for your tokens per min", 429, code="tokens")),
        RateLimitError,
    ),
    "a prompt that speaks of it": (
        ("openai", refusal("Invalid role.", code="invalid_value", prompt="Why is it that my prompt is too long?")),
        ModelError,
    ),
}


@pytest.mark.parametrize(("name", "answer"), SAID.values(), ids=SAID)
def test_what_is_too_long_is_said_in_many_words_and_always_the_same_error(
    provider: Any, wires: Any, mode: Any, name: str, answer: Any
) -> None:
    error = fail(provider, wires[name], mode, answer)

    assert type(error) is ContextLengthExceeded
    assert wires[name].played in str(error)


@pytest.mark.parametrize(("said", "expected"), OTHERS.values(), ids=OTHERS)
def test_other_refusals_that_speak_of_lengths_are_other_errors(
    provider: Any, wires: Any, mode: Any, said: Any, expected: type[ModelError]
) -> None:
    name, answer = said

    assert type(fail(provider, wires[name], mode, answer)) is expected


def test_a_stream_that_was_begun_can_say_it_too(provider: Any, wires: Any, any_stream: Any) -> None:
    head = wires["openai"].answers["stream"]["events"][0]

    error = fail(provider, wires["openai"], any_stream, {"events": [head, LLAMA_CPP]})

    assert type(error) is ContextLengthExceeded


def test_openais_own_protocol_says_it_in_its_stream(provider: Any, any_stream: Any) -> None:
    code, words = "context_length_exceeded", "Your input exceeds the context window of this model."
    provider.plays(
        {"events": [{"type": "error", "code": code, "message": words, "param": "input", "sequence_number": 0}]}
    )
    model = connect("openai-responses:gpt-4o-mini", base_url=provider.url + "/v1", api_key="dummy-key", max_retries=0)

    assert type(ask(model, any_stream)) is ContextLengthExceeded


def fail(provider: Any, wire: Any, mode: Any, answer: Any) -> ModelError:
    provider.plays(answer)
    return ask(provider.connect(wire), mode)


def ask(model: Any, mode: Any) -> ModelError:
    with pytest.raises(ModelError) as raised:
        mode.play(Runner(model, template=TREE), Session())
    return raised.value
