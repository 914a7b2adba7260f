"""The table of docs/providers.md about attachments: what each provider takes is so, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from antiphon import Attachment, Audio, Document, Image, Message, Role, Session, connect
from antiphon.attachment_rules import attachment_violations
from antiphon.connect import ConnectedModel
from antiphon.errors import InvalidValue, ModelError
from antiphon.rules import PROVIDERS, Provider

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"
MODELS = {
    "openai": "openai-chat:gpt-4o-mini",
    "openai-responses": "openai-responses:gpt-4o-mini",
    "anthropic": "anthropic:claude-sonnet-4-6",
    "google": "google:gemini-3.6-flash",
}
PICTURE = Image.from_bytes(b"\x89PNG", "image/png")
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
NOWHERE = "http://127.0.0.1:1"
EXAMPLES: dict[str, tuple[Role, Attachment]] = {
    "JPEG, PNG, GIF, WebP": ("user", PICTURE),
    "other pictures": ("user", Image.from_bytes(b"BM", "image/bmp")),
    "WAV, MP3": ("user", Audio.from_bytes(b"RIFF0000WAVE", "audio/wav")),
    "other sound": ("user", Audio.from_bytes(b"OggS", "audio/ogg")),
    "PDF": ("user", Document.from_bytes(b"%PDF-1.7", "application/pdf")),
    "text in UTF-8": ("user", Document.from_bytes("Emma; 9 \u20ac".encode(), "text/csv")),
    "text in another encoding": ("user", Document.from_bytes(b"\xff\xfe", "text/plain")),
    "Word, Excel": ("user", Document.from_bytes(b"PK", DOCX)),
    "other documents": ("user", Document.from_bytes(b"PK", "application/x-nobody-knows")),
    "a picture at an address": ("user", Image.from_url(f"{NOWHERE}/cat.png")),
    "sound at an address": ("user", Audio.from_url(f"{NOWHERE}/cat.wav")),
    "a PDF at an address": ("user", Document.from_url(f"{NOWHERE}/cat.pdf")),
    "a text at an address": ("user", Document.from_url(f"{NOWHERE}/cat.txt")),
    "a picture at an address that tells no type": ("user", Image.from_url(f"{NOWHERE}/cat")),
    "sound at an address that tells no type": ("user", Audio.from_url(f"{NOWHERE}/cat")),
    "a document at an address that tells no type": ("user", Document.from_url(f"{NOWHERE}/cat")),
    "in a message of the system": ("system", PICTURE),
    "in a message of the assistant": ("assistant", PICTURE),
}
ROWS = re.findall(r"^\| ([^|`]+) \| (\w+) \| (\w+) \| (\w+) \| (\w+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)


def test_there_is_an_example_of_every_row() -> None:
    assert [row[0] for row in ROWS] == list(EXAMPLES)


@pytest.mark.parametrize("api", MODELS)
def test_what_the_table_says_is_so(provider: Any, wires: Any, api: str) -> None:
    provider.plays(wires[api].answers["text"])
    address = {"base_url": provider.url + wires[api].root, "api_key": "dummy-key"}
    model = connect(MODELS[api], **address, max_retries=0, max_tokens=100)

    assert {row: treated(model, provider, *EXAMPLES[row]) for row in EXAMPLES} == {
        row[0]: row[1 + list(MODELS).index(api)] for row in ROWS
    }


@pytest.mark.parametrize("api", PROVIDERS)
def test_the_rules_say_without_a_provider_what_is_refused(api: Provider) -> None:
    refused = {row: bool(list(attachment_violations([message(*EXAMPLES[row])], api))) for row in EXAMPLES}

    assert refused == {row[0]: row[1 + PROVIDERS.index(api)] == "refused" for row in ROWS}


@pytest.mark.parametrize("api", PROVIDERS)
def test_a_model_says_the_same_without_being_asked(api: Provider) -> None:
    model = ConnectedModel(MODELS[api], base_url=NOWHERE)

    assert {row: is_refused(model, *EXAMPLES[row]) for row in EXAMPLES} == {
        row[0]: row[1 + PROVIDERS.index(api)] == "refused" for row in ROWS
    }


def test_a_model_object_says_it_by_the_api_that_it_speaks() -> None:
    openai = OpenAIProvider(api_key="dummy-key")
    objects: list[Any] = [
        OpenAIChatModel("gpt-audio", provider=openai),
        OpenAIResponsesModel("gpt-5", provider=openai),
        FallbackModel(OpenAIResponsesModel("gpt-5", provider=openai)),
    ]

    assert [is_refused(ConnectedModel(one), *EXAMPLES["WAV, MP3"]) for one in objects] == [False, True, False]
    assert all(is_refused(ConnectedModel(one), *EXAMPLES["other documents"]) for one in objects)


def test_of_openai_s_own_models_those_for_audio_hear(monkeypatch: pytest.MonkeyPatch) -> None:
    named = ["openai-chat:gpt-5", "openai-chat:gpt-audio", "openai:gpt-audio"]

    def refusing() -> list[str]:
        return [name for name in named if is_refused(ConnectedModel(name), *EXAMPLES["WAV, MP3"])]

    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert refusing() == ["openai-chat:gpt-5", "openai:gpt-audio"]
    monkeypatch.setenv("OPENAI_BASE_URL", f"{NOWHERE}/v1")
    assert not refusing()


def is_refused(model: ConnectedModel, role: Role, attachment: Attachment) -> bool:
    """Whether a model says that its provider would refuse this."""
    try:
        model.check_session(Session(messages=[message(role, attachment), Message(role="user", content="And?")]))
    except InvalidValue:
        return True
    return False


def test_what_all_four_refuse_is_refused_of_every_model() -> None:
    refused = [row for row in EXAMPLES if list(attachment_violations([message(*EXAMPLES[row])]))]

    assert refused == [row for row, *treatments in ROWS if set(treatments) == {"refused"}]


def message(role: Role, attachment: Attachment) -> Message:
    return Message(role=role, content="See.", attachments=(attachment,))


def treated(model: Any, provider: Any, role: Role, attachment: Attachment) -> str:
    """How a model treats a message that holds this."""
    messages = [message(role, attachment), Message(role="user", content="And?")]
    before = len(provider.asked)
    try:
        model.send(Session(messages=messages))
    except InvalidValue:
        assert len(provider.asked) == before
        return "refused"
    except ModelError as error:
        return "fetched" if "cannot be fetched for it" in str(error) else str(error)
    return "taken"
