"""Attachments of messages: images, audio and documents."""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256
from inspect import Parameter, Signature
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, NoReturn, Self
from urllib.parse import unquote_to_bytes, urlsplit

from pydantic import GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from antiphon.copies import Shared
from antiphon.errors import AntiphonError, InvalidType, InvalidValue, shown
from antiphon.json_values import storable
from antiphon.printing import public_address
from antiphon.reading import read_file

_ADDRESSES = frozenset({"http", "https", "gs"})
# What `mimetypes` of Python 3.11 does not know, or what it knows depends on the machine.
_MEDIA_TYPES = {
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".avif": "image/avif",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".flac": "audio/flac",
    ".aac": "audio/aac",
    ".aiff": "audio/aiff",
    ".m4a": "audio/mp4",
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".csv": "text/csv",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_SAME = {"image/jpg": "image/jpeg", "audio/x-wav": "audio/wav", "audio/wave": "audio/wav", "audio/mp3": "audio/mpeg"}


class Attachment(Shared):
    """Content of a message beside its text; immutable. Make an ``Image``, an ``Audio`` or a ``Document``.

    Two are equal that have one kind, one media type, and one content or one address.

    Attributes:
        kind: ``"image"``, ``"audio"`` or ``"document"``.
        media_type: Such as ``"image/png"``; ``None`` where an address does not tell it.
        url: Where the provider finds the content; ``None`` where it is sent along.
        path: The absolute path of the file it was made of; ``None`` where it was made of none.
    """

    __slots__ = ("_data", "_digest", "media_type", "path", "url")

    kind: ClassVar[str] = ""
    media_type: str | None
    url: str | None
    path: Path | None
    _data: bytes | None
    _digest: str | None

    def __init__(self, *_arguments: object, **_options: object) -> None:
        name = type(self).__name__
        raise InvalidType(f"an {name} is made by {name}.from_path, {name}.from_bytes or {name}.from_url")

    __init__.__signature__ = Signature([Parameter("self", Parameter.POSITIONAL_ONLY)])  # type: ignore[attr-defined]

    @classmethod
    def from_path(cls, path: str | Path, media_type: str | None = None) -> Self:
        """An attachment that holds what a file holds; it is read when that is first needed.

        Args:
            path: The file; it must exist.
            media_type: What it holds; by default what its name says.

        Raises:
            InvalidType: That is no path.
            InvalidValue: There is no such file, or it holds something of another kind.
        """
        if not isinstance(path, str | Path):
            raise InvalidType(f"{cls.__name__}.from_path takes a path, not {shown(path)}")
        file = Path(path).absolute()
        if not _is_file(file):
            raise InvalidValue(f"{cls.__name__}.from_path: there is no file {file}")
        found = cls._checked(_guessed(file.name) if media_type is None else media_type)
        if found is None:
            raise InvalidValue(f"{cls.__name__}.from_path: the name {file.name!r} says no media type; give media_type=")
        return cls._made(found, path=file)

    @classmethod
    def from_bytes(cls, data: bytes, media_type: str) -> Self:
        """An attachment that holds bytes.

        Raises:
            InvalidType: Those are no bytes, or the media type is no text.
            InvalidValue: The media type is none, or one of another kind.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise InvalidType(f"{cls.__name__}.from_bytes takes bytes, not {type(data).__name__}")
        return cls._made(cls._checked(media_type), data=bytes(data))

    @classmethod
    def from_url(cls, url: str, media_type: str | None = None) -> Self:
        """An attachment at an address, which the provider reads; what a ``data:`` address holds is taken from it.

        Args:
            url: An address with ``http:``, ``https:``, ``gs:`` or ``data:``.
            media_type: What is there; by default what the address says, or ``None``.

        Raises:
            InvalidType: The address or the media type is no text.
            InvalidValue: That is no such address, or something of another kind is there.
        """
        if not isinstance(url, str):
            raise InvalidType(f"{cls.__name__}.from_url takes text, not {type(url).__name__}")
        if url[:5].lower() == "data:":
            said, data = _inline(url)
            return cls.from_bytes(data, said if media_type is None else media_type)
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = None
        if parts is None or parts.scheme.lower() not in _ADDRESSES or not parts.netloc:
            raise InvalidValue(
                f"{cls.__name__}.from_url takes an address that begins with http://, https://, gs:// or data:, "
                f"not {public_address(url)[:100]!r}; a file is given by from_path"
            )
        guessed = None if media_type is not None else _guessed(PurePosixPath(parts.path).name)
        return cls._made(cls._checked(guessed if media_type is None else media_type), url=url)

    @property
    def data(self) -> bytes | None:
        """The content; ``None`` where it stands at an address.

        Raises:
            InvalidValue: The file it is to be read from cannot be read.
        """
        if self._data is None and self.path is not None:
            try:
                object.__setattr__(self, "_data", read_file(self.path))
            except OSError as error:
                raise InvalidValue(f"{self.path} cannot be read: {error.strerror or error}") from error
        return self._data

    @property
    def size(self) -> int | None:
        """How many bytes the content has; ``None`` where it stands at an address."""
        data = self.data
        return None if data is None else len(data)

    @property
    def digest(self) -> str:
        """SHA-256 of the content, or of the address, as hexadecimal digits."""
        if self._digest is None:
            data = self.data
            digest = sha256((self.url or "").encode() if data is None else data).hexdigest()
            object.__setattr__(self, "_digest", digest)  # every report and snapshot of a conversation asks for it
            return digest
        return self._digest

    def __str__(self) -> str:
        """In short: kind, media type, size or address, short digest; of an address without what may be secret."""
        place = None if self.url is None else public_address(self.url)
        known = f"{self.size} bytes, sha256 {self.digest[:12]}" if place is None else place
        return ", ".join(part for part in (self.kind, self.media_type, known) if part)

    def __repr__(self) -> str:
        try:
            return f"<{type(self).__name__} {str(self).removeprefix(f'{self.kind}, ')}>"
        except AntiphonError:  # a repr is asked for in the texts of errors, too
            return f"<{type(self).__name__} {self.media_type}, {self.path}, cannot be read>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Attachment):
            return NotImplemented
        return self is other or self._content() == other._content()

    def __hash__(self) -> int:
        return hash((self.kind, self.media_type, self.url))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an {type(self).__name__} does not change: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"an {type(self).__name__} does not change: {name} cannot be deleted")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the content, not the path: it may be unpickled where the file is not."""
        return _from_data, (self._as_data(),)

    def _content(self) -> tuple[object, ...]:
        return self.kind, self.media_type, self.url, self.data

    def _as_data(self) -> dict[str, str]:
        """The attachment as JSON data."""
        about = {"kind": self.kind, "media_type": self.media_type, "url": self.url}
        data = self.data
        text = {} if data is None else {"data": base64.b64encode(data).decode("ascii")}
        return {name: value for name, value in about.items() if value is not None} | text

    @classmethod
    def _made(
        cls, media_type: str | None, *, data: bytes | None = None, url: str | None = None, path: Path | None = None
    ) -> Self:
        if cls.kind not in KINDS:
            raise InvalidType("an Attachment is an Image, an Audio or a Document: make one of those")
        made = object.__new__(cls)
        known = {"media_type": media_type, "_data": data, "_digest": None, "url": url, "path": path}
        for name, value in known.items():
            object.__setattr__(made, name, value)
        return made

    @classmethod
    def _checked(cls, media_type: str | None) -> str | None:
        if media_type is None:
            return None
        if not isinstance(media_type, str):
            raise InvalidType(f"media_type takes text such as 'image/png', not {shown(media_type)}")
        plain = media_type.partition(";")[0].strip().lower()
        plain = _SAME.get(plain, plain)
        family, slash, name = plain.partition("/")
        if not (family and slash and name) or "/" in name or any(map(str.isspace, plain)):
            raise InvalidValue(f"{media_type!r} is no media type; one is 'image/png'")
        kind = family if family in ("image", "audio") else "document"
        if cls.kind and (family == "video" or kind != cls.kind):
            fitting = {"image": "an Image", "audio": "an Audio", "document": "a Document"}[kind]
            hint = "videos cannot be attached" if family == "video" else f"that is {fitting}"
            raise InvalidValue(f"{cls.__name__} takes no {plain}: {hint}")
        return plain

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def validated(given: Any) -> Attachment:
            if isinstance(given, cls):
                return given
            try:
                made = _from_data(given)
            except AntiphonError as error:
                raise PydanticCustomError("attachment", "{reason}", {"reason": str(error)}) from error
            if not isinstance(made, cls):
                raise PydanticCustomError("attachment", "that is no {kind}", {"kind": cls.__name__})
            return made

        return core_schema.no_info_plain_validator_function(
            validated,
            json_schema_input_schema=core_schema.dict_schema(core_schema.str_schema(), core_schema.str_schema()),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda attachment: attachment._as_data(),
                return_schema=core_schema.dict_schema(core_schema.str_schema(), core_schema.str_schema()),
            ),
        )


@storable
class Image(Attachment):
    """A picture; see ``Attachment``."""

    __slots__ = ()
    kind = "image"


@storable
class Audio(Attachment):
    """Sound; see ``Attachment``."""

    __slots__ = ()
    kind = "audio"


@storable
class Document(Attachment):
    """A document such as a PDF or a text; see ``Attachment``."""

    __slots__ = ()
    kind = "document"


KINDS: dict[str, type[Attachment]] = {"image": Image, "audio": Audio, "document": Document}


def attachment_of(data: bytes, media_type: str) -> Attachment | None:
    """The attachment of the kind that a media type belongs to; ``None`` where none takes it, such as a video."""
    family = media_type.partition("/")[0].lower()
    if family == "video":
        return None
    return KINDS.get(family, Document).from_bytes(data, media_type)


def split(result: object) -> tuple[object, tuple[Attachment, ...]]:
    """What a tool returned, as what is told to the model in words, and its attachments.

    An attachment, or a list or tuple of texts and at least one attachment, is taken apart; the texts are joined by
    line breaks. Anything else is returned as it is, without attachments.
    """
    if isinstance(result, Attachment):
        return "", (result,)
    if isinstance(result, list | tuple) and any(isinstance(item, Attachment) for item in result):
        others = [item for item in result if not isinstance(item, Attachment | str)]
        if others:
            raise InvalidType(
                f"a tool that returns attachments returns them with texts, not with {shown(others[0])}: "
                "write it as text"
            )
        texts = [item for item in result if isinstance(item, str)]
        return "\n".join(texts), tuple(item for item in result if isinstance(item, Attachment))
    return result, ()


def _from_data(given: Any) -> Attachment:
    if not isinstance(given, dict) or given.get("kind") not in KINDS:
        raise InvalidValue(f"an attachment has a kind: {', '.join(KINDS)}")
    kind = KINDS[given["kind"]]
    if given.get("url") is not None:
        return kind.from_url(given["url"], given.get("media_type"))
    try:
        data = base64.b64decode(given["data"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidValue("an attachment has a url, or data in base64") from error
    return kind.from_bytes(data, given.get("media_type", ""))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, or a folder that is closed
        return False


def _guessed(name: str) -> str | None:
    import mimetypes

    suffix = PurePosixPath(name).suffix.lower()
    return _MEDIA_TYPES.get(suffix) or mimetypes.guess_type(f"name{suffix}")[0]


def _inline(url: str) -> tuple[str, bytes]:
    """Media type and content of a ``data:`` address, as RFC 2397 has it."""
    head, comma, body = url[5:].partition(",")
    if not comma:
        raise InvalidValue("a data: address has a comma before its content")
    media_type, *parameters = head.split(";")
    content = unquote_to_bytes(body)
    if any(parameter.strip().lower() == "base64" for parameter in parameters):
        try:
            content = base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise InvalidValue(f"the data: address holds no base64: {error}") from error
    return media_type or "text/plain", content
