"""What messages hold beside their text, as models are told it; what a model does not take is refused before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from pydantic_ai import messages as wire
from pydantic_ai.models import Model, download_item
from pydantic_ai.profiles import ModelProfile

from antiphon.attachments import Attachment
from antiphon.errors import InvalidValue, ModelError, naming_template
from antiphon.messages import Message
from antiphon.printing import public_address
from antiphon.providers.answers import speaks, unwrapped
from antiphon.providers.failures import Asked

_URLS: Final = {"image": wire.ImageUrl, "audio": wire.AudioUrl, "document": wire.DocumentUrl}
_ANTHROPICS_IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_OPENAIS_SOUNDS: Final = frozenset({"audio/wav", "audio/mpeg"})
_GOOGLES_FILES: Final = "https://generativelanguage.googleapis.com/v1beta/files"  # what Gemini reads by its address
_PLAIN: Final = "text/plain"


def content_of(message: Message) -> list[Any] | str:
    """The content of a message that is not the model's: its text, or a list of that and what is attached."""
    if not message.attachments:
        return message.content
    return [*([message.content] if message.content else []), *map(_item, message.attachments)]


def parts_with_attachments(
    conversation: Iterable[wire.ModelMessage],
) -> list[wire.UserPromptPart | wire.ToolReturnPart]:
    """The parts of a conversation that say more than a text, the model's left out."""
    parts = (part for message in conversation for part in message.parts)
    asked = (part for part in parts if isinstance(part, wire.UserPromptPart | wire.ToolReturnPart))
    return [part for part in asked if isinstance(part.content, list)]


def _item(attachment: Attachment) -> wire.FileUrl | wire.BinaryContent:
    media_type = attachment.media_type
    if attachment.url is not None:
        address: wire.FileUrl = _URLS[attachment.kind](attachment.url, media_type=media_type)
        return address
    return wire.BinaryContent(attachment.data or b"", media_type=media_type or "application/octet-stream")


class Takes:
    """What a model takes beside text.

    Args:
        model: The model.
        profile: What pydantic-ai knows of it.
        asked: Who asks it, for the texts of errors.
        is_elsewhere: Whether it is reached at another server than OpenAI's, of whose models nothing is known.
    """

    def __init__(self, model: Model, profile: ModelProfile, asked: Asked, *, is_elsewhere: bool) -> None:
        self._profile = profile
        self._asked = asked
        self._is_local = asked.model.startswith("local:")
        self._is_elsewhere = is_elsewhere
        self._is_chat = speaks(model, "OpenAIChatModel")
        self._is_anthropic = speaks(model, "AnthropicModel")
        self._is_google = speaks(model, "GoogleModel")
        self._is_gemini = self._is_google and not unwrapped(model).system.endswith(("-cloud", "-vertex"))

    def check(self, messages: Iterable[Message]) -> None:
        """Make sure that the model takes what messages hold beside their text.

        Raises:
            InvalidValue: It does not take something; the text names the message, its template and what to do.
        """
        for number, message in enumerate(messages):
            for attachment in message.attachments:
                obstacle = self._obstacle(attachment, message)
                if obstacle is not None:
                    said = f", said by the template at {message.template_path!r}" if message.template_path else ""
                    error = InvalidValue(
                        f"{self._asked}: it takes no {obstacle}; message {number}, of the role {message.role!r}{said}, "
                        f"holds {attachment!r}"
                    )
                    raise naming_template(error) if self._asked.template_path else error

    def _obstacle(self, attachment: Attachment, message: Message) -> str | None:
        """What the model does not take; ``None`` where it takes the attachment."""
        plural = f"{attachment.kind}s" if attachment.kind != "audio" else "audio"
        media_type = attachment.media_type
        if self._is_local:
            return f"{plural}: it reads text"
        if message.role == "system":
            return f"{plural} in messages of the system; they go into a message of the user"
        if message.role == "assistant":
            return self._obstacle_in_answer(attachment, message, plural)
        if attachment.kind == "image":
            if not self._profile.get("supports_image_input", True):
                return plural
            refused = self._is_anthropic and media_type is not None and media_type not in _ANTHROPICS_IMAGES
            return f"{media_type}; it takes {', '.join(sorted(_ANTHROPICS_IMAGES))}" if refused else None
        if attachment.kind == "audio":
            is_unknown = self._is_chat and self._is_elsewhere and message.role == "user"
            if not (is_unknown or self._profile.get("supports_audio_file_input", True)):
                return plural
            refused = self._is_chat and media_type not in _OPENAIS_SOUNDS
            return (
                f"{media_type or 'audio of an unknown kind'}; it takes {', '.join(sorted(_OPENAIS_SOUNDS))}"
                if refused
                else None
            )
        return self._obstacle_to_document(attachment, plural)

    def _obstacle_in_answer(self, attachment: Attachment, message: Message, plural: str) -> str | None:
        kept = {} if message.provider_data is None else message.provider_data.answer
        files = [part["content"].get("digest") for part in kept.get("parts", ()) if part.get("part_kind") == "file"]
        if attachment.digest in files or (self._is_google and attachment.url is None):
            return None
        return (
            f"{plural} in messages of the assistant; say them in one of the user, or take them out by "
            "message.model_copy(update={'attachments': ()})"
        )

    def _obstacle_to_document(self, attachment: Attachment, plural: str) -> str | None:
        media_type = attachment.media_type
        if not self._profile.get("supports_document_input", True):
            return plural
        if media_type is None:
            return "documents of an unknown kind: pass media_type= with the address"
        if is_text(media_type):
            return None if attachment.url is not None or _is_utf8(attachment.data) else f"{media_type} that is no UTF-8"
        if media_type in self._profile.get("supported_document_media_types", {media_type}):
            is_known = self._is_google or wire.BinaryContent(b"", media_type=media_type).is_document
            if is_known and (not self._is_anthropic or media_type == "application/pdf"):
                return None
        return media_type

    async def prepared(self, conversation: Sequence[wire.ModelMessage]) -> list[wire.ModelMessage]:
        """The conversation with what the provider does not take as it is: addresses fetched, texts as plain ones.

        Raises:
            ModelError: An address cannot be fetched.
        """
        for part in parts_with_attachments(conversation):
            content: Any = part.content
            part.content = [await self._prepared(item) for item in content]  # made for this call
        return list(conversation)

    async def _prepared(self, item: Any) -> Any:
        if isinstance(item, wire.FileUrl) and self._is_to_be_fetched(item):
            item = await self._fetched(item)
        if isinstance(item, wire.BinaryContent) and is_text(item.media_type) and not item.is_image:
            known = self._profile.get("supported_document_media_types", {item.media_type})
            if not item.is_document or item.media_type not in known:
                return wire.BinaryContent(item.data, media_type=_PLAIN)
        return item

    def _is_to_be_fetched(self, item: wire.FileUrl) -> bool:
        if self._is_chat:
            return not isinstance(item, wire.ImageUrl) and not self._profile.get(
                "openai_chat_supports_file_urls", False
            )
        if self._is_anthropic:
            return isinstance(item, wire.DocumentUrl) and item.media_type != "application/pdf"
        return self._is_gemini and not item.url.startswith(_GOOGLES_FILES)

    async def _fetched(self, item: wire.FileUrl) -> wire.BinaryContent:
        try:
            found = await download_item(item, data_format="bytes")
        except Exception as error:
            raise ModelError(
                f"{self._asked}: it takes no such address, and {public_address(item.url)} cannot be fetched for it: "
                f"{error}",
                model=self._asked.model,
                template_path=self._asked.template_path,
            ) from error
        return wire.BinaryContent(found["data"], media_type=found["data_type"])


def is_text(media_type: str) -> bool:
    """Whether what has a media type is text."""
    family, _, name = media_type.partition("/")
    return family == "text" or name in {"json", "xml", "yaml", "toml"} or name.endswith(("+json", "+xml"))


def _is_utf8(data: bytes | None) -> bool:
    try:
        (data or b"").decode()
    except UnicodeDecodeError:
        return False
    return True
