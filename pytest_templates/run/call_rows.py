"""What model calls are as plain data, by type: most runs of pytest carry none, and do not load this."""

from __future__ import annotations

from typing import Literal, TypeAlias, TypedDict

Source: TypeAlias = Literal["script", "cassette", "recorded", "model", "double", "cache"]
SourceOfTest: TypeAlias = Source | Literal["mixed"]


class AttachedRow(TypedDict):
    """An image, an audio or a document, as plain data without its content.

    Attributes:
        kind: ``"image"``, ``"audio"`` or ``"document"``.
        media_type: Such as ``"image/png"``; ``None`` where an address does not tell it.
        digest: SHA-256 of the content, or of the address; ``None`` where its file cannot be read any more.
        size: How many bytes the content has; ``None`` where it stands at an address, or cannot be read.
    """

    kind: str
    media_type: str | None
    digest: str | None
    size: int | None


class AttachmentRow(AttachedRow):
    """An image, an audio or a document of a model call.

    Attributes:
        message: Which of the messages that were sent holds it, from 0; ``None`` for the answer.
    """

    message: int | None


class CallRow(TypedDict):
    """A model call, as plain data.

    Attributes:
        template_id: The template's id, or its path without iterations; ``""`` for code outside of templates.
        template_path: The template's path; ``None`` for code outside of templates.
        model: The name of the model that was asked.
        served_by: The name that the provider reported, where it did.
        chosen_by: Who chose the model.
        input_tokens: Tokens sent.
        output_tokens: Tokens received.
        cost: US dollars, as a decimal number; ``None`` where the price is not known.
        unpriced: Whether the call is billed, and its price is not known.
        seconds: How long the call took, in seconds.
        source: Where the answer came from.
        error: The type and the text of the error that the call raised; ``None`` where it raised none, and where the
            program left the stream of the answer early.
        attachments: What was sent beside text, and answered.
        inner: The names of the models that the model asked while it answered, in order.
        fault: The fault that a test put in place of the answer, or into it; ``None`` for none.
        waited: How many seconds were waited between attempts, in virtual time as well.
    """

    template_id: str
    template_path: str | None
    model: str
    served_by: str | None
    chosen_by: str
    input_tokens: int
    output_tokens: int
    cost: str | None
    unpriced: bool
    seconds: float
    source: Source
    error: str | None
    attachments: list[AttachmentRow]
    inner: list[str]
    fault: str | None
    waited: float
