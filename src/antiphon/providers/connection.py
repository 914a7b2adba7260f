"""One real model: where it is reached, and the client that reaches it."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypedDict
from urllib.parse import urlsplit

from antiphon.errors import AntiphonError, ConnectionNotPossible, InvalidType, InvalidValue

try:
    from pydantic_ai import direct, models
    from pydantic_ai import messages as wire
    from pydantic_ai.exceptions import AgentRunError, UserError
    from pydantic_ai.profiles import ModelProfile
    from pydantic_ai.providers import Provider, infer_provider_class
    from pydantic_ai.settings import ModelSettings as WireSettings
except ImportError as error:
    raise ConnectionNotPossible(
        'real models need pydantic-ai: pip install "antiphon[openai]" (or [anthropic], [google], [local])'
    ) from error

from antiphon.calls import current_caller
from antiphon.messages import Reply
from antiphon.model import ModelSettings
from antiphon.providers import loop
from antiphon.providers.translation import (
    MISREAD,
    from_wire,
    parameters_for,
    text_of,
    to_ours,
    to_wire,
    wire_settings,
    wrapped_error,
)
from antiphon.session import Session

_EXTRAS = {"openai", "anthropic", "google", "local"}


class _Question(TypedDict):
    """The arguments of pydantic-ai's direct API."""

    messages: list[wire.ModelMessage]
    model_settings: WireSettings
    model_request_parameters: models.ModelRequestParameters


class Connection:
    """A client for one model.

    Args:
        name: Provider and model: ``"openai:gpt-4o-mini"``.
        base_url: Where the provider is reached; ``None`` for where it usually is.
        api_key: The key; ``None`` takes the provider's environment variable.
        model: A model object of pydantic-ai, which knows all of this itself.

    Raises:
        InvalidType: That is no model object.
        InvalidValue: There is no such provider.
        ConnectionNotPossible: The provider's package or key is missing.
    """

    def __init__(
        self, name: str, base_url: str | None = None, api_key: str | None = None, *, model: object = None
    ) -> None:
        self._name = name
        given = {"base_url": base_url, "api_key": api_key}
        self._options = {option: value for option, value in given.items() if value is not None}
        self._model = self._connected() if model is None else _checked(model)
        loop.keep_open(self._model)

    def ask(self, session: Session, settings: ModelSettings) -> Reply:
        """Ask the model and wait for its answer; works with and without a running event loop."""
        return loop.run(self._ask, self._question(session, settings))

    async def aask(self, session: Session, settings: ModelSettings) -> Reply:
        """Ask the model without blocking the event loop."""
        return await loop.arun(self._ask, self._question(session, settings))

    def stream(self, session: Session, settings: ModelSettings) -> Generator[str | Reply]:
        """Ask the model, and listen while it speaks; closing this early closes the connection."""
        return loop.stream(self._listen, self._question(session, settings))

    def astream(self, session: Session, settings: ModelSettings) -> AsyncGenerator[str | Reply]:
        """Ask the model, and listen while it speaks, without blocking the event loop."""
        return loop.astream(self._listen, self._question(session, settings))

    def _question(self, session: Session, settings: ModelSettings) -> _Question:
        return _Question(
            messages=to_wire(session.messages),
            model_settings=wire_settings(settings),
            model_request_parameters=parameters_for(session.request, self._profile()),
        )

    def _profile(self) -> ModelProfile:
        """What the model can do; nothing is known of one that hands the question on to others."""
        try:
            return self._model.profile
        except NotImplementedError:
            return ModelProfile()

    async def _ask(self, question: _Question) -> Reply:
        with self._our_errors():
            return from_wire(await direct.model_request(self._model, **question))

    async def _listen(self, question: _Question) -> AsyncGenerator[str | Reply]:
        with self._our_errors():
            async with direct.model_request_stream(self._model, **question) as response:
                async for event in response:
                    text = text_of(event)
                    if text:
                        yield text
                yield from_wire(response.get())

    @contextmanager
    def _our_errors(self) -> Iterator[None]:
        try:
            yield
        except AntiphonError:
            raise
        except (AgentRunError, UserError, *MISREAD) as error:
            caller = current_caller()
            wrapped = wrapped_error(error)
            if wrapped is not None:
                raise wrapped from None
            raise to_ours(error, self._name, caller.template_path if caller else None) from error

    def _connected(self) -> models.Model:
        kind, _, model = self._name.partition(":")
        try:
            provider = self._local_provider(model) if kind == "local" else self._provider(kind)
            if kind == "local" or (kind == "openai" and _is_elsewhere(provider.base_url)):
                kind = "openai-chat"
            return models.infer_model(f"{kind}:{model}", lambda _: provider)
        except ImportError as error:
            raise self._not_possible("its package is not installed", _install_hint(kind)) from error
        except UserError as error:
            raise self._not_possible(*_missing(str(error))) from error

    def _local_provider(self, model: str) -> Provider[Any]:
        from antiphon.providers.local_route import local_provider  # needs packages of its own

        if self._options:
            raise InvalidValue(f"{self._name!r} runs in this process's care: leave out {', '.join(self._options)}")
        return local_provider(model)

    def _provider(self, kind: str) -> Provider[Any]:
        try:
            provider_class = infer_provider_class(kind)
        except ValueError as error:
            raise InvalidValue(
                f"{self._name!r} names the provider {kind!r}, which pydantic-ai does not know: {error}"
            ) from error
        try:
            return provider_class(**self._options)
        except TypeError as error:
            raise InvalidValue(f"the provider {kind!r} does not take {', '.join(self._options)}: {error}") from error

    def _not_possible(self, reason: str, remedy: str) -> ConnectionNotPossible:
        return ConnectionNotPossible(f"{self._name!r} cannot be connected: {reason}\n  {remedy}")


def _checked(model: object) -> models.Model:
    if not isinstance(model, models.Model):
        raise InvalidType(f"connect takes a model object of pydantic-ai, not {type(model).__name__}: {model!r}")
    return model


def _missing(reason: str) -> tuple[str, str]:
    variables = re.findall(r"`([A-Z][A-Z0-9_]+)`", reason)
    if variables:
        return (
            "there is no key",
            f"set the environment variable {' or '.join(variables)}, or pass api_key= to connect()",
        )
    return reason, "see the provider's page in the documentation of pydantic-ai"


def _is_elsewhere(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    return host != "openai.com" and not host.endswith(".openai.com")


def _install_hint(kind: str) -> str:
    extra = kind.partition("-")[0]
    package = f'"antiphon[{extra}]"' if extra in _EXTRAS else f'"pydantic-ai-slim[{kind}]"'
    return f"pip install {package}"
