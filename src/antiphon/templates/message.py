"""Templates that say a text of their own, and the one that lets the user speak."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Unpack

from antiphon.drivers import Script
from antiphon.effects import AskUser
from antiphon.errors import InvalidType, UserInterfaceMissing, naming_template
from antiphon.facts import Fact
from antiphon.messages import Role
from antiphon.parameters import check_role, check_text
from antiphon.rendering import Text
from antiphon.session import Session
from antiphon.sources import Content
from antiphon.templates.base import Template, TemplateOptions


class MessageTemplate(Template):
    """Says a message.

    Args:
        content: Jinja text, or a ``pathlib.Path`` to a file that holds some. Its variables are the session's metadata,
            and ``session``. Undefined names are errors, and nothing is escaped.
        role: Who says it.
        disable_jinja: Whether the text is said as it stands.
        **options: See ``TemplateOptions``.

    Raises:
        RenderingError: The text has a syntax error, or the file cannot be read; when rendered: whatever goes wrong.
    """

    _text: Text | None

    def __init__(
        self, content: Content, role: Role, *, disable_jinja: bool = False, **options: Unpack[TemplateOptions]
    ) -> None:
        super().__init__(**options)
        self.role: Role = check_role(role)
        self._text = self._text_of(content, disable_jinja=disable_jinja)

    @property
    def content(self) -> Content | None:
        """The text as it was given, or the path of its file; ``None`` where a model is asked."""
        return None if self._text is None else self._text.content

    def _text_of(self, content: Content, *, disable_jinja: bool) -> Text:
        return Text(content, disable_jinja=disable_jinja, template_id=self.template_id)

    def _render(self, session: Session) -> Script:
        if self._text is not None:
            yield self._say(session, self._text.render(session), self.role)
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
        **options: Unpack[TemplateOptions],
    ) -> None:
        super().__init__(**options)
        self.content = content
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

    def _render(self, session: Session) -> Script:
        said = self._text.render(session) if self._text is not None else (yield from self._asked(session))
        yield self._say(session, said, "user")
        return session

    def _asked(self, session: Session) -> Generator[AskUser, str, str]:
        interface = None if session.runner is None else session.runner.user_interface
        if interface is not None:
            answer: object = yield AskUser(interface, session, self.description, self.default)
            if isinstance(answer, str):
                return answer
            raise InvalidType(f"{type(interface).__name__}.ask returned {type(answer).__name__}, not text: {answer!r}")
        if self.default is not None:
            return self.default
        raise naming_template(
            UserInterfaceMissing(
                f"the template at {session.template_path!r} asks the user, and there is nobody to ask: give the runner "
                "a user_interface, or the template a default"
            )
        )
