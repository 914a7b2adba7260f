"""From the name of a model to the model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar

from antiphon.copies import Shared
from antiphon.errors import InvalidType, InvalidValue
from antiphon.messages import Reply
from antiphon.model import Model, ModelSettings
from antiphon.session import Session

if TYPE_CHECKING:
    from antiphon.providers.connection import Connection  # heavy: imported when a real model is first asked


class _Link(Shared):
    """Where a model is reached; connected when it is first needed, once for a model and all its forks."""

    __slots__ = ("_address", "_connecting", "_connection")

    def __init__(self, name: str, base_url: str | None, api_key: str | None) -> None:
        self._address = (name, base_url, api_key)
        self._connecting = Lock()
        self._connection: Connection | None = None

    def connection(self) -> Connection:
        with self._connecting:
            if self._connection is None:
                from antiphon.providers.connection import Connection

                self._connection = Connection(*self._address)
            return self._connection


class ConnectedModel(Model):
    """A real model, reached through pydantic-ai's direct API; made by ``connect`` or from a name.

    Attributes:
        name: Provider and model as they were asked for: ``"openai:gpt-4o-mini"``.
    """

    shared: ClassVar[frozenset[str]] = frozenset({"_link"})

    def __init__(self, name: str, *, base_url: str | None = None, api_key: str | None = None, **settings: Any) -> None:
        _check_name(name)
        self.name = name
        self.settings = ModelSettings(**settings)
        self._link = _Link(name, base_url, api_key)

    def _send(self, session: Session) -> Reply:
        return self._link.connection().ask(session, self.settings)

    async def _asend(self, session: Session) -> Reply:
        return await self._link.connection().aask(session, self.settings)

    def _stream(self, session: Session) -> Generator[str | Reply]:
        return self._link.connection().stream(session, self.settings)

    def _astream(self, session: Session) -> AsyncGenerator[str | Reply]:
        return self._link.connection().astream(session, self.settings)


def connect(name: str, *, base_url: str | None = None, api_key: str | None = None, **settings: Any) -> Model:
    """Connect a real model.

    Args:
        name: Provider and model, as in ``"openai:gpt-4o-mini"``; any provider of pydantic-ai's direct API.
            ``"openai:…"`` speaks OpenAI's own protocol, and with a ``base_url`` that is not OpenAI's the chat
            completions that compatible servers understand; ``"openai-chat:…"`` and ``"openai-responses:…"`` force one.
        base_url: Where the provider is reached; ``None`` for where it usually is.
        api_key: The key; ``None`` takes the provider's environment variable.
        **settings: The model's settings, as in ``ModelSettings``.

    Raises:
        InvalidValue: The name has no provider, or one that nobody knows.
        ConnectionNotPossible: The provider's package or key is missing; the text says what to install or to set.
    """
    model = ConnectedModel(name, base_url=base_url, api_key=api_key, **settings)
    model._link.connection()  # complain here and not at the first question
    return model


def as_model(given: Model | str, parameter: str = "model") -> Model:
    """The model itself, or for a name the model that is connected when it is first asked.

    Raises:
        InvalidType: Something else was given.
        InvalidValue: The name has no provider.
    """
    if isinstance(given, Model):
        return given
    if isinstance(given, str):
        return ConnectedModel(given)
    raise InvalidType(
        f'{parameter} takes a Model or a name such as "openai:gpt-4o-mini", not {type(given).__name__}: {given!r}'
    )


class ModelSlot:
    """An attribute that takes a model, the name of one, or nothing; it can be set at any time."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._stored = f"_{name}"

    def __get__(self, owner: object, owner_type: type) -> Model | None:
        model: Model | None = None if owner is None else owner.__dict__.get(self._stored)
        return model

    def __set__(self, owner: object, given: Model | str | None) -> None:
        owner.__dict__[self._stored] = None if given is None else as_model(given)


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise InvalidType(f'a model\'s name is text such as "openai:gpt-4o-mini", not {type(name).__name__}: {name!r}')
    provider, _, model = name.partition(":")
    if not provider or not model:
        raise InvalidValue(f'{name!r} does not name a model: write "provider:model", as in "openai:gpt-4o-mini"')
