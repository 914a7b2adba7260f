"""What providers take of what is attached to messages: rules like those of ``antiphon.rules``, as values.

Nothing of a provider's package is needed to know them. ``antiphon.providers`` holds real models to them, and to what
is known of single models; doubles are held to them in tests. ``docs/providers.md`` has the table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from antiphon.attachments import KINDS, Attachment
from antiphon.errors import InvalidConversation, naming_template
from antiphon.history import pictured
from antiphon.messages import Message
from antiphon.rules import Provider, Rule, Violation, by_provider
from antiphon.session import Session


@dataclass(frozen=True, slots=True)
class AttachmentRule(Rule):
    """A rule about an attachment.

    Attributes:
        what: What is not taken, in words; ``{kind}`` and ``{media_type}`` are those of the attachment.
    """

    what: str


_ALL_REFUSE: Final = by_provider("refused", "refused", "refused", "refused")
_OPENAI_FILES: Final = "https://developers.openai.com/api/docs/guides/file-inputs"
_OPENAI_SOUND: Final = "https://developers.openai.com/api/docs/guides/audio"
_ANTHROPIC_PICTURES: Final = "https://platform.claude.com/docs/en/build-with-claude/vision"
_ANTHROPIC_FILES: Final = "https://platform.claude.com/docs/en/build-with-claude/files"
_GOOGLE_FILES: Final = "https://ai.google.dev/gemini-api/docs/file-input-methods"
_IN_THE_USERS: Final = "attach it to a message of the user"

NOT_IN_SYSTEM: Final = AttachmentRule(
    "not-in-system",
    "A message of the system is text.",
    _IN_THE_USERS,
    "https://platform.claude.com/docs/en/api/messages/create",
    _ALL_REFUSE,
    "{kind} in messages of the system",
)
NOT_IN_ANSWERS: Final = AttachmentRule(
    "not-in-answers",
    "A message of the assistant is text, or holds what its model made.",
    f"{_IN_THE_USERS}, or take it out: message.model_copy(update={{'attachments': ()}})",
    "https://platform.claude.com/docs/en/api/messages/create",
    by_provider("refused", "refused", "refused", "taken"),
    "{kind} in messages of the assistant",
)
NO_ADDRESS_IN_ANSWERS: Final = AttachmentRule(
    "no-address-in-answers",
    "What a message of the assistant holds is there, and not at an address.",
    f"{_IN_THE_USERS}, or take it out: message.model_copy(update={{'attachments': ()}})",
    "https://ai.google.dev/api/caching#Part",
    _ALL_REFUSE,
    "{kind} at addresses in messages of the assistant",
)
KIND_IS_TAKEN: Final = AttachmentRule(
    "kind-is-taken",
    "A model that takes less than its API is not sent the rest.",
    "say it in words, or ask a model that takes it",
    _OPENAI_SOUND,
    by_provider("taken", "taken", "taken", "taken"),  # known by the model
    "{kind}",
)
PICTURE_IS_USUAL: Final = AttachmentRule(
    "picture-is-usual",
    "A picture is a JPEG, a PNG, a GIF or a WebP.",
    "save the picture as a PNG or a JPEG, and attach that",
    _ANTHROPIC_PICTURES,
    by_provider("taken", "taken", "refused", "taken"),
    "{media_type}; it takes image/gif, image/jpeg, image/png, image/webp",
)
NO_SOUND: Final = AttachmentRule(
    "no-sound",
    "There is no sound.",
    "attach what is said as a text, or ask a model that hears: Google's, or an audio model by 'openai-chat:…'",
    _OPENAI_SOUND,
    by_provider("taken", "refused", "refused", "taken"),
    "{kind}",
)
SOUND_TELLS_ITS_TYPE: Final = AttachmentRule(
    "sound-tells-its-type",
    "Of sound at an address it is known what kind it is.",
    "say what is there: Audio.from_url(address, media_type='audio/wav')",
    _OPENAI_SOUND,
    by_provider("refused", "refused", "refused", "taken"),
    "{kind} of an unknown kind; it takes audio/mpeg, audio/wav",
)
SOUND_IS_USUAL: Final = AttachmentRule(
    "sound-is-usual",
    "Sound is WAV or MP3.",
    "convert the sound to WAV or MP3, and attach that",
    _OPENAI_SOUND,
    by_provider("refused", "refused", "refused", "taken"),
    "{media_type}; it takes audio/mpeg, audio/wav",
)
DOCUMENT_TELLS_ITS_TYPE: Final = AttachmentRule(
    "document-tells-its-type",
    "Of a document at an address it is known what kind it is.",
    "say what is there: Document.from_url(address, media_type='application/pdf')",
    f"{_OPENAI_FILES}, {_ANTHROPIC_FILES}, {_GOOGLE_FILES}",
    _ALL_REFUSE,
    "{kind} of an unknown kind",
)
TEXT_IS_UTF8: Final = AttachmentRule(
    "text-is-utf-8",
    "A text that is sent along is in UTF-8.",
    "write the text as UTF-8: data.decode('utf-16').encode(), with the encoding that it has",
    "https://www.rfc-editor.org/rfc/rfc8259#section-8.1",
    _ALL_REFUSE,
    "{media_type} that is no UTF-8",
)
DOCUMENT_IS_KNOWN: Final = AttachmentRule(
    "document-is-known",
    "A document is a PDF, a text, or a file of Word or Excel.",
    "attach it as a PDF or as a text",
    f"{_OPENAI_FILES}, {_ANTHROPIC_FILES}, {_GOOGLE_FILES}",
    _ALL_REFUSE,
    "{media_type}",
)
DOCUMENT_IS_PLAIN: Final = AttachmentRule(
    "document-is-plain",
    "A document is a PDF or a text.",
    "attach it as a PDF or as a text",
    _ANTHROPIC_FILES,
    by_provider("taken", "taken", "refused", "taken"),
    "{media_type}",
)

ATTACHMENT_RULES: Final = (
    *(NOT_IN_SYSTEM, NOT_IN_ANSWERS, NO_ADDRESS_IN_ANSWERS, KIND_IS_TAKEN, PICTURE_IS_USUAL),
    *(NO_SOUND, SOUND_TELLS_ITS_TYPE, SOUND_IS_USUAL),
    *(DOCUMENT_TELLS_ITS_TYPE, TEXT_IS_UTF8, DOCUMENT_IS_KNOWN, DOCUMENT_IS_PLAIN),
)
"""All rules about what is attached."""

_PICTURES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_SOUNDS: Final = frozenset({"audio/wav", "audio/mpeg"})
_PDF: Final = "application/pdf"
_OFFICE: Final = frozenset(
    {
        "application/msword",
        "application/vnd.ms-excel",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    }
)


def attachment_violations(
    messages: Iterable[Message], provider: Provider | None = None, *, kinds: Collection[str] = KINDS
) -> Iterator[Violation]:
    """What a provider would refuse of what is attached to messages.

    Args:
        messages: The conversation.
        provider: The provider; ``None`` for what all refuse.
        kinds: Those that the model takes, where that is less than its API does: ``"image"``, ``"audio"``,
            ``"document"``.

    Raises:
        InvalidValue: A file that a text is to be read from cannot be read.
    """
    picture = pictured(messages)
    for index, attachment in picture.attached:
        message = picture[index]
        for rule in broken_rules(attachment, message):
            if rule.holds_for(provider):
                yield violation_of(rule, attachment, message, index)
        if attachment.kind not in kinds:
            yield violation_of(KIND_IS_TAKEN, attachment, message, index)


def check_attachments(
    session: Session, model: str, provider: Provider | None = None, *, kinds: Collection[str] = KINDS
) -> None:
    """Make sure that a model may be sent what is attached; the other arguments are as in ``attachment_violations``.

    Raises:
        InvalidConversation: Something breaks a rule; the text names the message, its template, and what to do.
        InvalidValue: A file that a text is to be read from cannot be read.
    """
    violation = next(attachment_violations(session.messages, provider, kinds=kinds), None)
    if violation is not None:
        raise refusal(violation, model, session.template_path, provider)


def refusal(violation: Violation, model: str, asking: str | None, provider: Provider | None) -> InvalidConversation:
    """The error of a model that is not asked, for what is attached.

    Args:
        violation: What is not taken.
        model: The name of the model.
        asking: The path of the template that asks; ``None`` where none does.
        provider: Whose rules were applied; ``None`` where nothing is known of it.
    """
    by = f", asked by {asking!r}" if asking else ""
    rule = violation.rule
    whose = "it" if provider is None or not rule.holds_for(provider) else provider
    error = InvalidConversation(
        f"model {model!r}{by}: {whose} takes no {violation.text}\n  rule {rule.name}: {rule.text}\n  {rule.remedy}",
        rule=rule.name,
        index=violation.index,
        template_path=violation.template_path,
        provider=None if provider is None or not rule.holds_for(provider) else provider,
    )
    return naming_template(error) if asking or violation.template_path else error


def violation_of(rule: AttachmentRule, attachment: Attachment, message: Message, index: int) -> Violation:
    """A message that holds what breaks a rule.

    Args:
        rule: The rule.
        attachment: What breaks it.
        message: The message.
        index: Which one it is, counted from 0.
    """
    kind = attachment.kind if attachment.kind == "audio" else f"{attachment.kind}s"
    said = f", said by the template at {message.template_path!r}" if message.template_path else ""
    text = (
        f"{rule.what.format(kind=kind, media_type=attachment.media_type)}; "
        f"message {index}, of the role {message.role!r}{said}, holds {attachment!r}"
    )
    return Violation(rule, index, message.template_path, text)


def broken_rules(attachment: Attachment, message: Message) -> Iterator[AttachmentRule]:
    """The rules that an attachment breaks, whoever is asked."""
    if message.role == "system":
        yield NOT_IN_SYSTEM
    elif message.role == "assistant":
        if not goes_back(attachment, message):
            yield NOT_IN_ANSWERS
            if attachment.url is not None:
                yield NO_ADDRESS_IN_ANSWERS
    elif attachment.kind == "image":
        if attachment.media_type is not None and attachment.media_type not in _PICTURES:
            yield PICTURE_IS_USUAL
    elif attachment.kind == "audio":
        yield NO_SOUND
        if attachment.media_type is None:
            yield SOUND_TELLS_ITS_TYPE
        elif attachment.media_type not in _SOUNDS:
            yield SOUND_IS_USUAL
    else:
        yield from _broken_by_document(attachment)


def _broken_by_document(attachment: Attachment) -> Iterator[AttachmentRule]:
    media_type = attachment.media_type
    if media_type is None:
        yield DOCUMENT_TELLS_ITS_TYPE
    elif is_text(media_type):
        if attachment.url is None and not _is_utf8(attachment.data or b""):
            yield TEXT_IS_UTF8
    elif media_type in _OFFICE:
        yield DOCUMENT_IS_PLAIN
    elif media_type != _PDF:
        yield DOCUMENT_IS_KNOWN


def goes_back(attachment: Attachment, message: Message) -> bool:
    """Whether a model made what its answer holds: a provider takes back what it gave."""
    if message.provider_data is None:
        return message.model is not None  # a double's: it keeps no data of a provider
    parts = message.provider_data.answer.get("parts", ())
    files = [part["content"].get("digest") for part in parts if part.get("part_kind") == "file"]
    return attachment.digest in files


def is_text(media_type: str) -> bool:
    """Whether what has a media type is text."""
    family, _, name = media_type.partition("/")
    return family == "text" or name in {"json", "xml", "yaml", "toml"} or name.endswith(("+json", "+xml"))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
