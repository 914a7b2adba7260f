"""Templates that ask a model."""

from __future__ import annotations

from typing import Unpack

from antiphon.connect import ModelSlot
from antiphon.drivers import Script
from antiphon.errors import InvalidValue
from antiphon.messages import Role
from antiphon.model import Model
from antiphon.rendering import Content, Text
from antiphon.session import Session
from antiphon.templates.base import Template, TemplateOptions
from antiphon.templates.checks import check_role


class GenerateTemplate(Template):
    """Says what a model answers.

    Args:
        role: Who says it; a model's answer is given this role.
        model: The model, or the name of one such as ``"openai:gpt-4o-mini"``; without one the runner's is asked.
        **options: See ``TemplateOptions``.

    Attributes:
        model: The template's own model, or ``None``; it may be set later.

    Raises:
        RunnerNotSet: When rendered in a session without a runner, also where the template has a model.
    """

    model: ModelSlot = ModelSlot()

    def __init__(self, role: Role, *, model: Model | str | None = None, **options: Unpack[TemplateOptions]) -> None:
        super().__init__(**options)
        self.role: Role = check_role(role)
        self.model = model

    def _render(self, session: Session) -> Script:
        message = yield from self.ask(session, self.model)
        if message.role != self.role:
            message = message.model_copy(update={"role": self.role})
        yield self._add(session, message)
        return session


class AssistantTemplate(GenerateTemplate):
    """Says a message of the assistant: a text of its own, or what a model answers.

    Args:
        content: As with ``MessageTemplate``; without content a model is asked.
        model: As with ``GenerateTemplate``.
        disable_jinja: Whether the content is said as it stands.
        **options: See ``TemplateOptions``.

    Raises:
        InvalidValue: There is both a content and a model: nobody would be asked.
    """

    def __init__(
        self,
        content: Content | None = None,
        *,
        model: Model | str | None = None,
        disable_jinja: bool = False,
        **options: Unpack[TemplateOptions],
    ) -> None:
        super().__init__("assistant", model=model, **options)
        if content is not None and model is not None:
            raise InvalidValue("an AssistantTemplate with a content asks no model: leave out content or model")
        self.content = content
        self._text = (
            None if content is None else Text(content, disable_jinja=disable_jinja, template_id=self.template_id)
        )

    def _render(self, session: Session) -> Script:
        if self._text is None:
            return (yield from super()._render(session))
        yield self._say(session, self._text.render(session), "assistant")
        return session
