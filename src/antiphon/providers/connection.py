"""The connection to one real model: its address and its client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from inspect import signature
from typing import Any, TypedDict

from antiphon.errors import AntiphonError, ConnectionNotPossible, InvalidType, InvalidValue, naming_template

try:
    from pydantic_ai import direct, models
    from pydantic_ai import messages as wire
    from pydantic_ai.exceptions import UserError
    from pydantic_ai.models.fallback import FallbackModel
    from pydantic_ai.models.wrapper import WrapperModel
    from pydantic_ai.profiles import ModelProfile
    from pydantic_ai.providers import Provider, infer_provider_class
    from pydantic_ai.settings import ModelSettings as WireSettings
except ImportError as error:
    raise ConnectionNotPossible(
        'real models need pydantic-ai: pip install "antiphon[openai]" (or [anthropic], [google], [local])'
    ) from (None if isinstance(error, ModuleNotFoundError) else error)  # one that is broken has more to say

from antiphon.messages import Reply
from antiphon.model import ModelSettings
from antiphon.providers import loop
from antiphon.providers.adaptation import adapted
from antiphon.providers.addresses import Address
from antiphon.providers.answers import without_half
from antiphon.providers.contents import Takes, api_of, parts_with_attachments
from antiphon.providers.failures import FAILURES, Asked, to_ours, wrapped_error
from antiphon.providers.known_settings import check_settings
from antiphon.providers.options import BEYOND_HTTP, is_elsewhere
from antiphon.providers.remedies import missing_option, missing_package, unknown_provider
from antiphon.providers.translation import (
    check_ended,
    from_wire,
    parameters_for,
    text_of,
    to_wire,
    wire_settings,
)
from antiphon.rules import Provider as Api
from antiphon.session import Session
from antiphon.trace import current_caller


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
        loop.keep_open(self._model, self)

    def check_settings(self, given: Iterable[str]) -> None:
        """Make sure that the model knows the settings with these names.

        Raises:
            InvalidValue: It does not know one of them; the text says which one may have been meant.
        """
        check_settings(given, self._model, self._name)

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
        profile = self._profile()
        self._takes(profile, self._asked(session.template_path)).check(session.messages)
        return _Question(
            messages=adapted(to_wire(session.messages, self._model), self._model.system),
            model_settings=wire_settings(settings),
            model_request_parameters=parameters_for(session.request, profile),
        )

    def _takes(self, profile: ModelProfile, asked: Asked) -> Takes:
        return Takes(self._model, profile, asked, is_elsewhere=is_elsewhere(self._model.base_url or ""))

    async def _prepared(self, question: _Question) -> _Question:
        if not parts_with_attachments(question["messages"]):
            return question
        messages = await self._takes(self._profile(), self._asked()).prepared(question["messages"])
        return {**question, "messages": messages}

    def _profile(self) -> ModelProfile:
        """What the model can do; nothing is known of one that hands the question on to others."""
        try:
            return self._model.profile
        except NotImplementedError:
            return ModelProfile()

    async def _ask(self, question: _Question) -> Reply:
        with self._our_errors(question):
            prepared = await self._prepared(question)
            answer = await direct.model_request(self._model, **prepared)
            return from_wire(answer, self._model, prepared["messages"])

    async def _listen(self, question: _Question) -> AsyncGenerator[str | Reply]:
        with self._our_errors(question):
            prepared = await self._prepared(question)
            half = ""
            async with direct.model_request_stream(self._model, **prepared) as response:
                async for event in response:
                    text, half = without_half(half + text_of(event))
                    if text:
                        yield text
                if half:
                    yield "\ufffd"  # as the whole answer has it
                answer = response.get()
                reply = from_wire(answer, self._model, prepared["messages"])
                check_ended(answer, self._model)
                yield reply

    @contextmanager
    def _our_errors(self, question: _Question) -> Iterator[None]:
        try:
            yield
        except AntiphonError:
            raise
        except UnicodeEncodeError as error:  # of the request: what comes is decoded
            raise naming_template(InvalidValue(f"{self._asked()}: {_half_a_character(error)}")) from error
        except FAILURES as error:
            wrapped = wrapped_error(error)
            if wrapped is not None:
                raise wrapped from None
            raise to_ours(error, self._asked()) from error
        except RuntimeError as error:  # so pydantic-ai says of content that a provider does not take, before it is sent
            if not parts_with_attachments(question["messages"]) or not _is_of_pydantic_ai(error):
                raise
            text = f"{self._asked()}: the provider does not take what is attached: {error}"
            raise naming_template(InvalidValue(text)) from error

    def _asked(self, template_path: str | None = None) -> Asked:
        """Who asks what: for the text of an error."""
        caller = current_caller()
        url = None if self._name.startswith("local:") else self._model.base_url  # a placeholder
        return Asked(self._name, caller.template_path if caller else template_path, Address.of(url))

    def _connected(self) -> models.Model:
        kind, _, model = self._name.partition(":")
        provider = self._local_provider(model) if kind == "local" else self._provider(kind)
        if kind == "local" or (kind == "openai" and is_elsewhere(provider.base_url)):
            kind = "openai-chat"
        with self._complaints(type(provider)):
            return models.infer_model(f"{kind}:{model}", lambda _: provider)

    def _local_provider(self, model: str) -> Provider[Any]:
        if self._options:
            raise InvalidValue(f"{self._name!r} runs in this process's care: leave out {', '.join(self._options)}")
        with self._complaints():
            from antiphon.providers.local_route import local_provider  # needs packages of its own

            return local_provider(model)

    def _provider(self, kind: str) -> Provider[Any]:
        with self._complaints():
            provider_class = _provider_class(self._name)
        refused = [option for option in self._options if option not in signature(provider_class).parameters]
        if refused:
            raise InvalidValue(f"{self._name!r}: the provider {kind!r} does not take {', '.join(refused)}")
        with self._complaints(provider_class):
            return provider_class(**self._options)

    @contextmanager
    def _complaints(self, provider: type[Provider[Any]] | None = None) -> Iterator[None]:
        """Say what to do about what a provider, or the client that it makes, complains of."""
        try:
            yield
        except AntiphonError:
            raise
        except ImportError as error:
            is_missing = isinstance(error.__cause__ or error, ModuleNotFoundError)
            raise missing_package(self._name) from (None if is_missing else error)
        except UserError as error:  # says what was not given, and nothing else
            raise missing_option(self._name, str(error), provider) from None
        except Exception as error:
            raise missing_option(self._name, str(error), provider) from error


def _provider_class(name: str) -> type[Provider[Any]]:
    try:
        return infer_provider_class(name.partition(":")[0])
    except ValueError as error:
        raise unknown_provider(name) from error


def check_provider(name: str) -> None:
    """Make sure that the provider of a model exists, whether or not its package is installed.

    Raises:
        InvalidValue: It does not; the text says which one may have been meant.
    """
    with suppress(ImportError):
        _provider_class(name)


_BEYOND_HTTP = BEYOND_HTTP | {"MCP"}  # MCP's client of this process is asked, which has the model


def is_beyond_http(model: object) -> bool:
    """Whether a model object speaks another protocol than HTTP, or hands questions on to one that does."""
    match model:
        case WrapperModel():
            return is_beyond_http(model.wrapped)
        case FallbackModel():
            return any(map(is_beyond_http, model.models))
        case models.Model():
            return model.system in _BEYOND_HTTP
    return False


def api_spoken_by(model: object) -> Api | None:
    """Which API a model object speaks; ``None`` for one whose rules are not known."""
    return api_of(model) if isinstance(model, models.Model) else None


def _half_a_character(error: UnicodeEncodeError) -> str:
    """Why a question was not sent that holds a lone surrogate, and what to do about it."""
    around = error.object[max(error.start - 20, 0) : error.end + 20]
    return (
        f"it was not asked, for what it would be told holds half a character, at {around!a}; make such a text "
        "whole before: text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
    )


def _is_of_pydantic_ai(error: BaseException) -> bool:
    """Whether pydantic-ai itself raised an error, and not what it calls."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place is not None and str(place.tb_frame.f_globals.get("__name__")).startswith("pydantic_ai.")


def _checked(model: object) -> models.Model:
    if not isinstance(model, models.Model):
        raise InvalidType(f"connect takes a model object of pydantic-ai, not {type(model).__name__}: {model!r}")
    return model
