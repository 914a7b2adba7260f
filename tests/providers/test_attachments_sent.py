"""Attachments on the wire: what each provider is sent, and what it does not take."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from antiphon import (
    AssistantTemplate,
    Attachment,
    Audio,
    Document,
    Image,
    LinearTemplate,
    Message,
    Runner,
    Session,
    ToolCall,
    UserTemplate,
    connect,
)
from antiphon.errors import InvalidValue, ModelError

PNG = b"\x89PNG\r\n\x1a\n"
DATA = b64encode(PNG).decode()
PICTURE = Image.from_bytes(PNG, "image/png")
LINKED = Image.from_url("https://example.org/cat.png")
PDF = Document.from_bytes(b"%PDF-1.7", "application/pdf")
SHEET = Document.from_bytes("title;price\nEmma;9 \u20ac".encode(), "text/csv")
SOUND = Audio.from_bytes(b"RIFF0000WAVE", "audio/wav")


def last(wire: Any, mode: Any) -> dict[str, Any]:
    answer: dict[str, Any] = wire.answers["stream" if mode.streams else "text"]
    return answer


def user_content(body: Any) -> Any:
    """What the last message of the user holds in a request."""
    said = body.get("contents") or body.get("input") or body["messages"]
    found = [message for message in said if message.get("role") == "user"][-1]
    return found.get("parts") or found["content"]


IN_A_MESSAGE: dict[str, tuple[Attachment, dict[str, Any]]] = {
    "picture": (
        PICTURE,
        {
            "openai": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}},
            "openai-responses": {
                "type": "input_image",
                "image_url": f"data:image/png;base64,{DATA}",
                "detail": "auto",
            },
            "anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
            "google": {"inlineData": {"data": DATA, "mime_type": "image/png"}},
        },
    ),
    "address of a picture": (
        LINKED,
        {
            "openai": {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
            "openai-responses": {
                "type": "input_image",
                "image_url": "https://example.org/cat.png",
                "detail": "auto",
            },
            "anthropic": {"type": "image", "source": {"type": "url", "url": "https://example.org/cat.png"}},
        },
    ),
    "PDF": (
        PDF,
        {
            "openai": {
                "type": "file",
                "file": {"file_data": "data:application/pdf;base64,JVBERi0xLjc=", "filename": "filename.pdf"},
            },
            "openai-responses": {
                "type": "input_file",
                "file_data": "data:application/pdf;base64,JVBERi0xLjc=",
                "filename": "filename.pdf",
            },
            "anthropic": {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjc="},
            },
            "google": {"inlineData": {"data": "JVBERi0xLjc=", "mime_type": "application/pdf"}},
        },
    ),
    "sound": (
        SOUND,
        {
            "openai": {"type": "input_audio", "input_audio": {"data": "UklGRjAwMDBXQVZF", "format": "wav"}},
            "google": {"inlineData": {"data": "UklGRjAwMDBXQVZF", "mime_type": "audio/wav"}},
        },
    ),
}


@pytest.mark.parametrize("name", IN_A_MESSAGE)
def test_a_message_of_the_user_holds_it_behind_its_text(provider: Any, wire: Any, mode: Any, name: str) -> None:
    attachment, expected = IN_A_MESSAGE[name]
    if str(wire) not in expected:
        pytest.skip("not taken: see the tests of what is not")
    provider.plays(last(wire, mode))
    tree = LinearTemplate([UserTemplate("What is this?", attachments=[attachment]), AssistantTemplate()])
    session = Session()

    mode.play(Runner(provider.connect(wire), template=tree), session)

    text, sent = user_content(provider.asked[0].body)
    assert text["text"] == "What is this?"
    assert sent == expected[str(wire)]
    assert session.messages[0].attachments == (attachment,)
    assert session.last.content == "The parcel is late."


def test_a_text_is_taken_everywhere(provider: Any, wire: Any) -> None:
    provider.plays(wire.answers["text"])
    question = Message(role="user", content="How much?", attachments=(SHEET,))

    provider.connect(wire).send(Session(messages=[question]))

    body = str(provider.asked[0].body)
    assert "Emma;9 \u20ac" in body or b64encode(SHEET.data or b"").decode() in body


def test_a_picture_alone_is_a_message(provider: Any, wire: Any) -> None:
    provider.plays(wire.answers["text"])

    provider.connect(wire).send(Session(messages=[Message(role="user", attachments=(PICTURE, PICTURE))]))

    assert [DATA in str(part) for part in user_content(provider.asked[0].body)] == [True, True]


def test_a_picture_in_a_tool_s_result_is_sent(provider: Any, wire: Any, mode: Any) -> None:
    provider.plays(last(wire, mode))
    call = ToolCall(id="call_1", name="camera")
    session = Session(
        messages=[
            Message(role="user", content="What do you see?"),
            Message(role="assistant", tool_calls=(call,)),
            Message(
                role="tool",
                content="The garden:",
                tool_call_id="call_1",
                metadata={"tool_name": "camera"},
                attachments=(PICTURE,),
            ),
        ]
    )

    mode.play(Runner(provider.connect(wire), template=AssistantTemplate()), session)

    body = provider.asked[0].body
    assert "The garden:" in str(body)
    assert str(body).count(DATA) == 1
    if str(wire) == "anthropic":
        (result,) = body["messages"][2]["content"]
        assert [part["type"] for part in result["content"]] == ["text", "image"]
    if str(wire) == "openai-responses":
        assert [part["type"] for part in body["input"][2]["output"]] == ["input_text", "input_image"]


ODD_SOUND = Audio.from_bytes(b"OggS", "audio/ogg")
ODD_PICTURE = Image.from_bytes(b"BM", "image/bmp")
ODD_DOCUMENT = Document.from_bytes(b"PK", "application/x-nobody-knows")
NO_TEXT = Document.from_bytes(b"\xff\xfe", "text/plain")
UNKNOWN = Document.from_url("https://example.org/latest")

NOT_TAKEN = [
    ("anthropic", SOUND, "no audio", "attach what is said as a text, or ask a model that hears"),
    ("openai-responses", SOUND, "no audio", "attach what is said as a text, or ask a model that hears"),
    ("openai", ODD_SOUND, "no audio/ogg; it takes audio/mpeg, audio/wav", "convert the sound to WAV or MP3"),
    ("anthropic", ODD_PICTURE, "no image/bmp; it takes", "save the picture as a PNG or a JPEG"),
    ("openai", ODD_DOCUMENT, "no application/x-nobody-knows", "attach it as a PDF or as a text"),
    ("openai-responses", ODD_DOCUMENT, "no application/x-nobody-knows", "attach it as a PDF or as a text"),
    ("anthropic", ODD_DOCUMENT, "no application/x-nobody-knows", "attach it as a PDF or as a text"),
    ("anthropic", NO_TEXT, "no text/plain that is no UTF-8", "write the text as UTF-8"),
    ("openai", UNKNOWN, "no documents of an unknown kind", "Document.from_url(address, media_type='application/pdf')"),
    ("google", UNKNOWN, "no documents of an unknown kind", "Document.from_url(address, media_type='application/pdf')"),
]


@pytest.mark.parametrize(("name", "attachment", "text", "remedy"), NOT_TAKEN)
def test_what_a_provider_does_not_take_is_refused_before_anything_is_sent(
    provider: Any, wires: Any, name: str, attachment: Attachment, text: str, remedy: str, mode: Any
) -> None:
    tree = LinearTemplate(
        [UserTemplate("Here.", template_id="ask", attachments=[attachment]), AssistantTemplate(template_id="answer")]
    )

    with pytest.raises(InvalidValue) as raised:
        mode.play(Runner(provider.connect(wires[name]), template=tree), Session())

    assert not provider.asked
    said = str(raised.value)
    assert text in said
    assert said.splitlines()[-1].startswith("  ")
    assert remedy in said.splitlines()[-1]
    assert "'linear/answer'" in said
    assert "message 0, of the role 'user', said by the template at 'linear/ask'" in said
    assert repr(attachment) in said


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_so_are_attachments_in_messages_that_hold_none_at_the_provider(provider: Any, wire: Any, role: Any) -> None:
    if (str(wire), role) == ("google", "assistant"):
        pytest.skip("Google takes pictures in answers")
    messages = [Message(role=role, content="So.", attachments=(PICTURE,)), Message(role="user", content="And?")]

    with pytest.raises(InvalidValue, match=rf"no images in messages of the {role}.*message 0"):
        provider.connect(wire).send(Session(messages=messages))

    assert not provider.asked


@pytest.mark.parametrize(
    ("name", "attachment"),
    [
        ("google", Image.from_url("http://127.0.0.1:1/cat.png")),
        ("openai", Document.from_url("http://127.0.0.1:1/a.pdf?key=s3cret")),
        ("openai", Audio.from_url("http://127.0.0.1:1/a.wav")),
        ("anthropic", Document.from_url("http://127.0.0.1:1/a.txt")),
    ],
)
def test_an_address_that_has_to_be_fetched_and_cannot_be_is_an_error(
    provider: Any, wires: Any, name: str, attachment: Attachment, mode: Any
) -> None:
    tree = LinearTemplate([UserTemplate("Here.", attachments=[attachment]), AssistantTemplate(template_id="answer")])

    with pytest.raises(
        ModelError, match=r"asked by 'linear/answer': it takes no such address, and .* cannot be fetched"
    ) as raised:
        mode.play(Runner(provider.connect(wires[name]), template=tree), Session())

    assert "s3cret" not in str(raised.value)
    assert not provider.asked


def test_a_local_model_reads_text() -> None:
    pytest.importorskip("xllamacpp")
    session = Session(messages=[Message(role="user", attachments=(PICTURE,))])
    with pytest.raises(InvalidValue, match="takes no images; message 0"):
        connect("local:smollm2-135m").send(session)
