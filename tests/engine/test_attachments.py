"""Attachments: what they are made of, and what becomes of them."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

from antiphon import Attachment, Audio, Document, Image, Message, Reply, Session, UserTemplate
from antiphon.attachments import split
from antiphon.errors import InvalidType, InvalidValue

PICTURE = b"\x89PNG\r\n\x1a\n and so on"


@pytest.mark.parametrize(
    ("kind", "name", "media_type"),
    [
        (Image, "a.png", "image/png"),
        (Image, "a.WEBP", "image/webp"),
        (Image, "a.jpg", "image/jpeg"),
        (Audio, "a.wav", "audio/wav"),
        (Audio, "a.mp3", "audio/mpeg"),
        (Document, "a.pdf", "application/pdf"),
        (Document, "a.md", "text/markdown"),
    ],
)
def test_the_name_says_the_media_type(kind: type[Attachment], name: str, media_type: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(PICTURE)
    assert kind.from_path(file) == kind.from_bytes(PICTURE, media_type)
    assert kind.from_url(f"https://example.com/{name}?size=2").media_type == media_type


def test_a_file_is_read_once_and_late_wherever_the_program_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(b"early")
    monkeypatch.chdir(tmp_path)
    image = Image.from_path("a.png")
    (tmp_path / "a.png").write_bytes(b"late")
    monkeypatch.chdir(Path(tmp_path.anchor))
    assert image.data == b"late"
    (tmp_path / "a.png").unlink()
    assert image.data == b"late"


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Image.from_path("missing.png"), InvalidValue, "there is no file"),
        (lambda: Image.from_path(__file__), InvalidValue, "Image takes no text/x-python"),
        (lambda: Image.from_bytes(b"", "audio/wav"), InvalidValue, "that is an Audio"),
        (lambda: Document.from_bytes(b"", "video/mp4"), InvalidValue, "videos cannot be attached"),
        (lambda: Document.from_bytes(b"", "pdf"), InvalidValue, "'pdf' is no media type"),
        (lambda: Image.from_bytes("text", "image/png"), InvalidType, "takes bytes, not str"),  # type: ignore[arg-type]
        (lambda: Image.from_url("a.png"), InvalidValue, "an address that begins with"),
        (lambda: Image.from_url("ftp://a/b.png"), InvalidValue, "an address that begins with"),
        (lambda: Image.from_url("data:image/png;base64,%"), InvalidValue, "no base64"),
        (lambda: Attachment.from_bytes(b"", "image/png"), InvalidType, "is an Image, an Audio or a Document"),
        (lambda: Image(b""), InvalidType, "is made by Image.from_path"),
    ],
)
def test_what_is_none_is_refused_when_it_is_made(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


def test_what_a_data_address_holds_is_taken_from_it() -> None:
    assert Image.from_url("data:image/png;base64,YWJj") == Image.from_bytes(b"abc", "image/png")
    assert Document.from_url("data:,a%20b") == Document.from_bytes(b"a b", "text/plain")


def test_attachments_survive_json_pickling_and_copies() -> None:
    attachments = (Image.from_bytes(PICTURE, "image/png"), Document.from_url("https://example.com/a.pdf"))
    session = Session(messages=[Message(role="user", content="Look", attachments=attachments)])
    read = Session.model_validate_json(session.model_dump_json())
    assert read.last.attachments == attachments
    assert pickle.loads(pickle.dumps(session.last)) == session.last
    assert copy.deepcopy(session).last.attachments[0] is attachments[0]


def test_without_attachments_json_says_nothing_of_them() -> None:
    assert "attachments" not in Message(role="user").model_dump_json() + Reply("Hello").model_dump_json()


def test_a_repr_is_short() -> None:
    assert repr(Image.from_bytes(b"abc" * 1000, "image/png")).startswith("<Image image/png, 3000 bytes, sha256 ")


def test_an_attachment_does_not_change() -> None:
    with pytest.raises(AttributeError, match="does not change"):
        Image.from_bytes(b"", "image/png").url = "https://example.com"


def test_a_tools_result_is_split_into_text_and_attachments() -> None:
    image = Image.from_bytes(PICTURE, "image/png")
    assert split(image) == ("", (image,))
    assert split(["Here", image, "it is"]) == ("Here\nit is", (image,))
    assert split(["just", "texts"]) == (["just", "texts"], ())
    with pytest.raises(InvalidType, match="not with int: 1"):
        split((image, 1))


def test_what_may_be_secret_in_an_address_is_not_shown() -> None:
    picture = Image.from_url("https://ada:pass@files.example.com/a.png?sig=k7Qw9xLr2T#k7Qw")

    assert str(picture) == "image, image/png, https://files.example.com/a.png"
    with pytest.raises(InvalidValue, match=r"not 'ftp://files.example.com/a.png'"):
        Image.from_url("ftp://ada:pass@files.example.com/a.png?sig=k7Qw9xLr2T")
    facts = str(list(UserTemplate("See", attachments=[picture]).facts()))
    assert "https://files.example.com/a.png" in facts
    assert "k7Qw" not in facts
