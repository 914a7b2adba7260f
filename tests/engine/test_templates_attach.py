"""Templates that attach images, audio and documents to their messages."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon import Image, MessageTemplate, Session, SystemTemplate, Template, UserTemplate
from antiphon.errors import AntiphonError, InvalidType, InvalidValue

IMAGE = Image.from_bytes(b"abc", "image/png")
OTHER = Image.from_url("https://example.com/a.png")


def rendered(template: Template, **metadata: Any) -> Session:
    session = Session(metadata=metadata)
    list(template.render(session))
    return session


@pytest.mark.parametrize(
    "template",
    [
        MessageTemplate("See", "user", attachments=[IMAGE, "more"]),
        UserTemplate("See", attachments=[IMAGE, "more"]),
        UserTemplate(default="See", attachments=[IMAGE, "more"]),
    ],
)
@pytest.mark.parametrize("more", [OTHER, [OTHER], (OTHER,)])
def test_a_template_attaches_objects_and_what_the_metadata_hold(template: Template, more: object) -> None:
    session = rendered(template, more=more)
    assert (session.last.content, session.last.attachments) == ("See", (IMAGE, OTHER))


@pytest.mark.parametrize(
    ("metadata", "error", "text"),
    [
        ({"photo": IMAGE}, InvalidValue, "the template at 'ask' attaches 'picture'.*it has photo"),
        ({"picture": "a.png"}, InvalidType, "the template at 'ask' attaches 'picture'.*not str"),
        ({"picture": [IMAGE, 1]}, InvalidType, "not int"),
    ],
)
def test_a_name_without_an_attachment_is_an_error(
    metadata: dict[str, Any], error: type[AntiphonError], text: str
) -> None:
    with pytest.raises(error, match=text):
        rendered(UserTemplate("See", attachments=["picture"], template_id="ask"), **metadata)


def test_wrong_attachments_are_refused_when_the_template_is_built() -> None:
    with pytest.raises(InvalidType, match="write it in brackets"):
        UserTemplate("See", attachments=IMAGE)  # type: ignore[arg-type]
    with pytest.raises(InvalidType, match=r"attachments\[0\] takes an Image"):
        UserTemplate("See", attachments=[b"abc"])  # type: ignore[list-item]
    for role in ("system", "assistant", "tool"):
        with pytest.raises(InvalidValue, match=f"a message of the {role} takes no attachments"):
            MessageTemplate("See", role, attachments=[IMAGE])
    with pytest.raises(InvalidValue, match="a message of the system takes no attachments"):
        SystemTemplate("See", attachments=[IMAGE])  # type: ignore[call-arg]


def test_facts_name_what_is_attached_without_its_bytes() -> None:
    facts = list(UserTemplate("See", attachments=[IMAGE, "more"]).facts())
    attached = [fact.text for fact in facts if fact.kind == "attachment"]
    assert attached == [f"image, image/png, {IMAGE.digest}", "metadata: more"]
