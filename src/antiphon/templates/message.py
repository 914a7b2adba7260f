"""Templates that say a text of their own, and the one that lets the user speak."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Unpack

from antiphon.attachments import Attachment
from antiphon.drivers import Script
from antiphon.effects import AskUser
from antiphon.errors import AntiphonError, InvalidType, InvalidValue, naming_template, shown
from antiphon.facts import Fact
from antiphon.messages import Role
from antiphon.parameters import check_role, check_text
from antiphon.rendering import Text
from antiphon.session import Session
from antiphon.templates.base import Template, TemplateOptions
from antiphon.texts import Content


class Attached:
    """What a template attaches to its message.

    Args:
        given: Attachments, and names of metadata values that each are one or a list of them.

    Raises:
        InvalidType: That is something else.
    """

    def __init__(self, given: Sequence[Attachment | str]) -> None:
        if not isinstance(given, list | tuple):
            raise InvalidType(f"attachments takes a list, not {shown(given)}; write it in brackets")
        for index, one in enumerate(given):
            if not isinstance(one, Attachment | str):
                wanted = "an Image, an Audio, a Document, or the name of a metadata value"
                raise InvalidType(f"attachments[{index}] takes {wanted}, not {shown(one)}")
        self.given: tuple[Attachment | str, ...] = tuple(given)

    def render(self, session: Session) -> tuple[Attachment, ...]:
        """The attachments for a session.

        Raises:
            InvalidValue: There is no metadata value of a name.
            InvalidType: It is something else than an attachment or a list of them.
        """
        if not self.given:
            return ()
        found: list[Attachment] = []
        for one in self.given:
            found += (one,) if isinstance(one, Attachment) else self._named(one, session)
        return tuple(found)

    def _named(self, name: str, session: Session) -> Sequence[Attachment]:
        if name not in session.metadata:
            at_hand = ", ".join(sorted(map(str, session.metadata))) or "none"
            raise self._failure(
                session, InvalidValue, f"attaches {name!r}, and the metadata holds none; it has {at_hand}"
            )
        value = session.metadata[name]
        found = value if isinstance(value, list | tuple) else (value,)
        for one in found:
            if not isinstance(one, Attachment):
                text = f"attaches {name!r}, which is an attachment or a list of them, not {type(one).__name__}"
                raise self._failure(session, InvalidType, text)
        return found

    def _failure(self, session: Session, kind: type[AntiphonError], text: str) -> AntiphonError:
        return naming_template(kind(f"the template at {session.template_path!r} {text}"))

    def facts(self, role: str) -> Iterator[Fact]:
        """What is attached: kind, media type and digest, or the name of the metadata value."""
        for one in self.given:
            if isinstance(one, str):
                yield Fact("attachment", f"attaches {one}", name=role, text=f"metadata: {one}")
            else:
                details = tuple(part for part in (one.kind, one.media_type, one.digest) if part)
                yield Fact("attachment", f"attaches {one}", name=role, text=", ".join(details))


class MessageTemplate(Template):
    """Says a message.

    Args:
        content: Jinja text, or the file that holds some: a ``pathlib.Path``, a resource of a package, a path in a zip
            archive. Its variables are the session's metadata, and ``session``. Undefined names are errors, and nothing
            is escaped. Filters of your own come by ``antiphon.texts.environment``.
        role: Who says it.
        disable_jinja: Whether the text is said as it stands.
        attachments: What is sent beside the text: attachments, or names of metadata values that each are one or a list
            of them when the template is rendered.
        **options: See ``TemplateOptions``.

    Raises:
        RenderingError: The text has a syntax error, or the file cannot be read; when rendered: whatever goes wrong.
    """

    _text: Text | None
    _attached: Attached

    def __init__(
        self,
        content: Content,
        role: Role,
        *,
        disable_jinja: bool = False,
        attachments: Sequence[Attachment | str] = (),
        **options: Unpack[TemplateOptions],
    ) -> None:
        super().__init__(**options)
        self.role: Role = check_role(role)
        self._attached = Attached(attachments)
        if attachments and self.role != "user":
            raise InvalidValue(
                f"a message of the {self.role} takes no attachments: providers take them of the user alone"
            )
        self._text = self._text_of(content, disable_jinja=disable_jinja)

    @property
    def content(self) -> Content | None:
        """The text or the file as it was given; ``None`` where a model is asked."""
        return None if self._text is None else self._text.content

    def facts(self) -> Iterator[Fact]:
        """The text, and what is attached to it."""
        yield from super().facts()
        yield from self._attached.facts(self.role)

    def _text_of(self, content: Content, *, disable_jinja: bool) -> Text:
        return Text(content, disable_jinja=disable_jinja, template_id=self.template_id)

    def _render(self, session: Session) -> Script:
        if self._text is not None:
            yield self._say(session, self._text.render(session), self.role, self._attached.render(session))
        return session


class SystemTemplate(MessageTemplate):
    """Says a message of the system; the rest is as with ``MessageTemplate``."""

    def __init__(self, content: Content, *, disable_jinja: bool = False, **options: Unpack[TemplateOptions]) -> None:
        super().__init__(content, "system", disable_jinja=disable_jinja, **options)


class UserTemplate(Template):
    """Says a message of the user: a text of its own, or what the user answers.

    Args:
        content: As with ``MessageTemplate``; without content the runner's user interface is asked.
        description: What the user is asked for.
        default: What is said where there is nobody to ask; user interfaces offer it too.
        disable_jinja: Whether the content is said as it stands.
        attachments: As with ``MessageTemplate``; they are sent with what the user answers, too.
        **options: See ``TemplateOptions``.
    """

    role: Role = "user"

    def __init__(
        self,
        content: Content | None = None,
        description: str | None = None,
        default: str | None = None,
        *,
        disable_jinja: bool = False,
        attachments: Sequence[Attachment | str] = (),
        **options: Unpack[TemplateOptions],
    ) -> None:
        super().__init__(**options)
        self.content = content
        self._attached = Attached(attachments)
        self.description = None if description is None else check_text(description, "description")
        self.default = None if default is None else check_text(default, "default")
        self._text = (
            None if content is None else Text(content, disable_jinja=disable_jinja, template_id=self.template_id)
        )

    def facts(self) -> Iterator[Fact]:
        """What is asked of the user, and the default; or the text."""
        yield from super().facts()
        if self.content is None:
            label = f"asks the user: {self.description}" if self.description else "asks the user"
            yield Fact("text", label, name="user, by default", text=self.default)
        yield from self._attached.facts("user")

    def _render(self, session: Session) -> Script:
        said = self._text.render(session) if self._text is not None else (yield from self._asked(session))
        yield self._say(session, said, "user", self._attached.render(session))
        return session

    def _asked(self, session: Session) -> Generator[AskUser, str, str]:
        interface = None if session.runner is None else session.runner.user_interface
        answer: object = yield AskUser(interface, session, self.description, self.default)
        if isinstance(answer, str):
            return answer
        raise InvalidType(f"{type(interface).__name__}.ask returned {type(answer).__name__}, not text: {answer!r}")
