"""Templates that ask a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Unpack

from antiphon.connect import ModelSlot
from antiphon.drivers import Script
from antiphon.errors import InvalidValue
from antiphon.facts import RUNNERS_MODEL, Fact
from antiphon.messages import Role, recast
from antiphon.model import Model
from antiphon.parameters import check_role
from antiphon.request import ANY_TEXT, Request
from antiphon.session import Session
from antiphon.templates.base import Template, TemplateOptions
from antiphon.templates.message import Attached, MessageTemplate
from antiphon.templates.typed import TypedTemplate
from antiphon.texts import Content
from antiphon.transforms import Transforms


class GenerateTemplate(MessageTemplate, TypedTemplate):
    """Says what a model answers.

    Args:
        role: Who says it; a model's answer is given this role.
        template_id: As with every template; so are the transforms and ``enable_logging``.
        before_transform: See ``TemplateOptions``.
        after_transform: See ``TemplateOptions``.
        enable_logging: See ``TemplateOptions``.
        disable_jinja: Without meaning here; templates that have a content of their own take it.
        model: The model, or the name of one such as ``"openai:gpt-4o-mini"``; without one the runner's is asked.
        output_type: What the answer has to be: anything that pydantic can validate. The model is asked for JSON, and
            the message's ``parsed`` holds the object.
        retries: How often a model whose answer does not fit is told what is wrong, and asked again; 0 or more.

    Attributes:
        model: The template's own model, or ``None``; it may be set later.

    Raises:
        RunnerNotSet: When rendered in a session without a runner, also where the template has a model.
        InvalidValue: There are retries and no type.
        OutputError: When rendered: the last answer does not fit either, or the model refused; then it is not asked
            again.
    """

    model: ModelSlot = ModelSlot()

    def __init__(
        self,
        role: Role,
        template_id: str | None = None,
        before_transform: Transforms = None,
        after_transform: Transforms = None,
        enable_logging: bool = True,
        disable_jinja: bool = False,  # noqa: ARG002  # contract
        model: Model | str | None = None,
        *,
        output_type: Any = None,
        retries: int = 0,
    ) -> None:
        Template.__init__(self, template_id, before_transform, after_transform, enable_logging)
        self.role = check_role(role)
        self._text = None
        self._attached = Attached(())
        self.model = model
        self._expect(output_type, retries)
        if retries and output_type is None:
            raise InvalidValue(
                "retries is how often a model whose answer does not fit output_type is asked again, and there is no "
                "output_type; how often a request that failed is sent again is said by connect(..., max_retries=)"
            )

    def facts(self) -> Iterator[Fact]:
        """Which model is asked, and for what; or the text."""
        if self.model is None and self._text is None:
            yield RUNNERS_MODEL
        yield from super().facts()

    def _render(self, session: Session) -> Script:
        if self._text is not None:
            return (yield from super()._render(session))
        request = ANY_TEXT if self.output_type is None else Request(output_type=self.output_type)
        retries = self.retries
        while True:
            message = recast((yield from self.ask(session, self.model, request)), self.role)
            fitting = yield from self._fitting(session, message, is_last=not retries)
            if fitting is not None:
                yield self._add(session, fitting)
                return session
            retries -= 1


class AssistantTemplate(GenerateTemplate):
    """Says a message of the assistant: a text of its own, or what a model answers.

    Args:
        content: As with ``MessageTemplate``; without content a model is asked.
        model: As with ``GenerateTemplate``; so are ``output_type`` and ``retries``.
        output_type: See there.
        retries: See there.
        disable_jinja: Whether the content is said as it stands.
        **options: See ``TemplateOptions``.

    Raises:
        InvalidValue: There is a content, and a model or a type for its answer: nobody would be asked.
    """

    def __init__(
        self,
        content: Content | None = None,
        *,
        model: Model | str | None = None,
        output_type: Any = None,
        retries: int = 0,
        disable_jinja: bool = False,
        **options: Unpack[TemplateOptions],
    ) -> None:
        super().__init__("assistant", model=model, output_type=output_type, retries=retries, **options)
        for given, parameter in ((model, "model"), (output_type, "output_type")):
            if content is not None and given is not None:
                raise InvalidValue(
                    f"an AssistantTemplate with a content asks no model: leave out content or {parameter}"
                )
        self._text = None if content is None else self._text_of(content, disable_jinja=disable_jinja)
