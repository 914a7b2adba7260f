"""Attachments on the wire: what reaches the provider, however the model was asked."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from antiphon import AssistantTemplate, Audio, Document, Image, LinearTemplate, Runner, Session, UserTemplate
from antiphon.errors import InvalidValue

PICTURE, PAPER = b"a picture", b"%PDF a paper"
ATTACHED = [Image.from_bytes(PICTURE, "image/png"), Document.from_bytes(PAPER, "application/pdf")]


def test_a_picture_and_a_paper_reach_the_provider(provider: Any, wire: Any, mode: Any) -> None:
    provider.plays(wire.answers["stream" if mode.streams else "text"])
    tree = LinearTemplate([UserTemplate("Describe these.", attachments=ATTACHED), AssistantTemplate()])
    mode.play(Runner(provider.connect(wire), template=tree), Session())
    [asked] = provider.asked
    sent = json.dumps(asked.body)
    for data in (PICTURE, PAPER):
        assert base64.b64encode(data).decode() in sent
    assert sent.index("Describe these.") < sent.index(base64.b64encode(PICTURE).decode())
    assert "image/png" in sent


@pytest.mark.parametrize("name", ["openai", "openai-responses", "anthropic"])
def test_an_address_reaches_the_provider_as_it_is(name: str, provider: Any, wires: Any) -> None:
    provider.plays(wires[name].answers["text"])
    image = Image.from_url("https://example.com/a.png")
    tree = LinearTemplate([UserTemplate("Describe this.", attachments=[image]), AssistantTemplate()])
    Runner(provider.connect(wires[name]), template=tree).run()
    assert '"https://example.com/a.png"' in json.dumps(provider.asked[0].body)


@pytest.mark.parametrize("name", ["openai-responses", "anthropic"])
def test_what_a_provider_does_not_take_is_refused_before_it_is_sent(name: str, provider: Any, wires: Any) -> None:
    sound = Audio.from_bytes(b"sound", "audio/wav")
    tree = LinearTemplate([UserTemplate("Listen.", attachments=[sound]), AssistantTemplate(template_id="answer")])
    with pytest.raises(InvalidValue, match=r"asked by 'linear/answer'.*audio/wav") as raised:
        Runner(provider.connect(wires[name]), template=tree).run()
    assert wires[name].played in str(raised.value)
    assert provider.asked == []
