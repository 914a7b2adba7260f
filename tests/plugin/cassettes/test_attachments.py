"""Pictures, sound and documents in requests: their digests are kept, and tell equal requests."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from itertools import product
from typing import Any

import pytest

from pytest_templates.cassettes.format.media import LEAST
from pytest_templates.commands.main import main
from pytest_templates.errors import CassetteMiss

CONTENT = bytes(range(256)) * 2
KEPT = f"sha256 {sha256(CONTENT).hexdigest()}, 512 bytes"

TESTS = """
import os
from pathlib import Path

@pytest.mark.llm_cassette
def test_it(llm_cassette):
    model = connect("openai:m", base_url=os.environ["CHAT_URL"], api_key="x")
    picture = Image.from_bytes(Path("picture").read_bytes(), "image/png")
    tree = LinearTemplate([UserTemplate("See.", attachments=[picture]), AssistantTemplate(template_id="answer")])
    assert Runner(model, template=tree).run().last.content == "Answer 1."
"""


def test_a_picture_is_kept_as_its_digest_and_found_by_it(project, chat_server):
    project.tests(TESTS)
    (project.path / "picture").write_bytes(CONTENT)
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    chat_server.asked.clear()
    cassette = project.path / "cassettes/test_it/test_it.yaml"

    text = cassette.read_text("utf-8")
    assert KEPT in text
    assert b64encode(CONTENT)[:40].decode() not in text
    project.run().assert_outcomes(passed=1)

    cassette.write_text(text.replace(KEPT, b64encode(CONTENT).decode()), "utf-8")  # as it was written before
    main(["cassettes", "check", "--fix", "--folder", str(cassette.parent), str(cassette)])
    project.run().assert_outcomes(passed=1)

    (project.path / "picture").write_bytes(CONTENT[::-1])
    missed = project.run()
    project.says(missed, "CassetteMiss", "message 1 (user):", sha256(CONTENT[::-1]).hexdigest()[:12], "512 bytes")
    assert b64encode(CONTENT[::-1])[:40].decode() not in str(missed.stdout)
    assert chat_server.asked == []


FORMS: dict[str, Any] = {
    "chat completions": {"image_url": {"url": "data:image/png;base64,{}"}},
    "sound": {"type": "input_audio", "input_audio": {"data": "{}", "format": "wav"}},
    "anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "{}"}},
    "google": {"inlineData": {"data": "{}", "mimeType": "image/png"}},
    "bedrock": {"image": {"format": "png", "source": {"bytes": "{}"}}},
    "file": {"file": {"file_data": "data:application/pdf;base64,{}", "filename": "a.pdf"}},
    "in a text": {"type": "text", "text": 'See <img src="data:image/svg+xml;charset=utf-8;base64,{}"> now.'},
}


def filled(form: Any, content: str) -> Any:
    """A form with its content."""
    if isinstance(form, str):
        return form.replace("{}", content)
    return {name: filled(inner, content) for name, inner in form.items()}


@pytest.mark.parametrize(("name", "encode"), [*product(FORMS, (b64encode, urlsafe_b64encode))])
def test_content_is_known_in_the_form_of_each_provider(tester, path, name, encode):
    asking = tester()
    asking.asks([filled(FORMS[name], encode(CONTENT).decode())], "A cat.")
    asking.cassette.save()

    assert KEPT in " ".join(path.read_text("utf-8").split())
    again = tester(mode="none")
    assert again.asks([filled(FORMS[name], encode(CONTENT).decode())]) == "A cat."
    with pytest.raises(CassetteMiss):
        again.asks([filled(FORMS[name], encode(CONTENT[1:]).decode())])


@pytest.mark.parametrize("text", ["x" * (LEAST - 1), "no base64! " * 40, "=" * LEAST, "a" * (LEAST + 1)])
def test_what_is_short_or_no_base64_stays_as_it_is(tester, asked, text):
    asking = tester()
    asking.asks({"data": text})
    asking.cassette.save()

    assert asked() == [{"data": text}]
