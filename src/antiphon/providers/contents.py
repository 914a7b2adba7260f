"""What messages hold beside their text, as models are told it; what a model does not take is refused before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal

from pydantic_ai import messages as wire
from pydantic_ai.models import Model, download_item
from pydantic_ai.profiles import ModelProfile

from antiphon.attachment_rules import (
    DOCUMENT_IS_PLAIN,
    KIND_IS_TAKEN,
    NOT_IN_ANSWERS,
    AttachmentRule,
    broken_rules,
    goes_back,
    is_text,
    refusal,
    violation_of,
)
from antiphon.attachments import Attachment
from antiphon.errors import ModelError
from antiphon.messages import Message
from antiphon.printing import public_address
from antiphon.providers.answers import speaks, unwrapped
from antiphon.providers.failures import Asked
from antiphon.rules import Provider

_URLS: Final = {"image": wire.ImageUrl, "audio": wire.AudioUrl, "document": wire.DocumentUrl}
_GOOGLES_FILES: Final = "https://generativelanguage.googleapis.com/v1beta/files"  # what Gemini reads by its address
_PLAIN: Final = "text/plain"
_SAYS_WHETHER: Final[
    Mapping[str, Literal["supports_image_input", "supports_audio_file_input", "supports_document_input"]]
] = MappingProxyType(
    {
        "image": "supports_image_input",
        "audio": "supports_audio_file_input",
        "document": "supports_document_input",
    }
)
_APIS: Final[Mapping[str, Provider]] = MappingProxyType(
    {
        "OpenAIChatModel": "openai",
        "OpenAIResponsesModel": "openai-responses",
        "AnthropicModel": "anthropic",
        "GoogleModel": "google",
    }
)


def api_of(model: Model) -> Provider | None:
    """Which API a model of pydantic-ai speaks; ``None`` for one whose rules are not known."""
    return next((api for name, api in _APIS.items() if speaks(model, name)), None)


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
    """What a model takes beside text: what its API does, as far as pydantic-ai does not know of less.

    Args:
        model: The model.
        profile: What pydantic-ai knows of it.
        asked: Who asks it, for the texts of errors.
        is_elsewhere: Whether it is reached at another server than OpenAI's, of whose models nothing is known.
    """

    def __init__(self, model: Model, profile: ModelProfile, asked: Asked, *, is_elsewhere: bool) -> None:
        self._profile = profile
        self._asked = asked
        self._api: Provider | None = api_of(model)
        self._is_local = asked.model.startswith("local:")
        self._is_elsewhere = is_elsewhere
        self._is_gemini = self._api == "google" and not unwrapped(model).system.endswith(("-cloud", "-vertex"))

    def check(self, messages: Iterable[Message]) -> None:
        """Make sure that the model takes what messages hold beside their text.

        Raises:
            InvalidValue: It does not take something; the text names the message, its template and what to do.
        """
        for index, message in enumerate(messages):
            for attachment in message.attachments:
                rule = self._broken(attachment, message)
                if rule is not None:
                    violation = violation_of(rule, attachment, message, index)
                    raise refusal(violation, self._asked.model, self._asked.template_path, self._api)

    def _broken(self, attachment: Attachment, message: Message) -> AttachmentRule | None:
        """The rule that keeps the model from being sent this; ``None`` where none does."""
        broken = (rule for rule in broken_rules(attachment, message) if rule.holds_for(self._api))
        found = next(broken, None)
        if found is not None:
            return found
        if message.role == "assistant":
            return NOT_IN_ANSWERS if self._would_be_lost(attachment, message) else None
        if not self._takes_kind(attachment.kind, message):
            return KIND_IS_TAKEN
        media_type = attachment.media_type
        if attachment.kind != "document" or media_type is None or is_text(media_type):
            return None
        known = self._profile.get("supported_document_media_types", {media_type})
        return None if media_type in known else DOCUMENT_IS_PLAIN

    def _would_be_lost(self, attachment: Attachment, message: Message) -> bool:
        """Whether pydantic-ai would leave out what an answer holds, as the model itself did not make it."""
        if message.provider_data is not None and goes_back(attachment, message):
            return False
        return self._api != "google" or attachment.url is not None

    def _takes_kind(self, kind: str, message: Message) -> bool:
        if self._is_local:
            return False
        if kind == "audio" and self._api == "openai" and self._is_elsewhere and message.role == "user":
            return True  # nothing is known of models elsewhere; in a tool's result pydantic-ai would leave it out
        return bool(self._profile.get(_SAYS_WHETHER[kind], True))

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
        if self._api == "openai":
            return not isinstance(item, wire.ImageUrl) and not self._profile.get(
                "openai_chat_supports_file_urls", False
            )
        if self._api == "anthropic":
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
