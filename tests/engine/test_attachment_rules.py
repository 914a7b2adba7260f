"""What providers take of what is attached: rules as values. That they are so, tests/providers tries out."""

from __future__ import annotations

import pytest

from antiphon import Attachment, Audio, Document, Image, Message, Role
from antiphon.attachment_rules import ATTACHMENT_RULES, attachment_violations
from antiphon.messages import ProviderData
from antiphon.rules import PROVIDERS

PICTURE = Image.from_bytes(b"\x89PNG", "image/png")
BITMAP = Image.from_bytes(b"BM", "image/bmp")
SOUND = Audio.from_bytes(b"RIFF", "audio/wav")
LINK = "https://example.org/latest"


def broken(attachment: Attachment, role: Role = "user", **fields: object) -> list[str]:
    """The rules that are broken, whoever is asked, by their names."""
    message = Message.model_validate({"role": role, "attachments": (attachment,), **fields})
    return list(dict.fromkeys(one.rule.name for api in PROVIDERS for one in attachment_violations([message], api)))


@pytest.mark.parametrize(
    ("attachment", "role", "found"),
    [
        (PICTURE, "user", []),
        (PICTURE, "tool", []),
        (Image.from_url(LINK), "user", []),
        (BITMAP, "tool", ["picture-is-usual"]),
        (SOUND, "user", ["no-sound"]),
        (Audio.from_bytes(b"OggS", "audio/ogg"), "user", ["sound-is-usual", "no-sound"]),
        (Audio.from_url(LINK), "user", ["sound-tells-its-type", "no-sound"]),
        (Document.from_bytes(b"%PDF", "application/pdf"), "user", []),
        (Document.from_bytes(b"PK", "application/msword"), "user", ["document-is-plain"]),
        (Document.from_bytes(b"PK", "application/zip"), "user", ["document-is-known"]),
        (Document.from_bytes(b"{}", "application/ld+json"), "user", []),
        (Document.from_bytes(b"\xff\xfe", "text/csv"), "user", ["text-is-utf-8"]),
        (Document.from_url(f"{LINK}.csv"), "user", []),
        (Document.from_url(LINK), "user", ["document-tells-its-type"]),
        (BITMAP, "system", ["not-in-system"]),
        (PICTURE, "assistant", ["not-in-answers"]),
        (Image.from_url(LINK), "assistant", ["not-in-answers", "no-address-in-answers"]),
    ],
)
def test_an_attachment_breaks_the_rules_of_its_kind_its_type_its_place_and_its_message(attachment, role, found):
    assert broken(attachment, role) == found


def test_what_a_model_made_goes_back_to_it():
    part = {"part_kind": "file", "content": {"digest": PICTURE.digest}}
    data = ProviderData(provider="openai", answer={"parts": [part]})

    assert broken(PICTURE, "assistant", model="openai:gpt-5", provider_data=data) == []
    assert broken(BITMAP, "assistant", model="openai:gpt-5", provider_data=data) == ["not-in-answers"]
    assert broken(PICTURE, "assistant", model="scripted") == []


def test_what_a_model_takes_less_than_its_api_is_told():
    message = Message(role="user", attachments=(PICTURE, SOUND), template_path="shop/ask")

    (violation,) = attachment_violations([message], "google", kinds=["image"])

    assert (violation.rule.name, violation.index, violation.template_path) == ("kind-is-taken", 0, "shop/ask")
    assert violation.text == (
        f"audio; message 0, of the role 'user', said by the template at 'shop/ask', holds {SOUND!r}"
    )


def test_every_rule_says_where_it_comes_from_and_what_to_do():
    for rule in ATTACHMENT_RULES:
        assert "https://" in rule.source
        assert rule.remedy
        assert tuple(rule.treatments) == PROVIDERS
    assert len({rule.name for rule in ATTACHMENT_RULES}) == len(ATTACHMENT_RULES)
