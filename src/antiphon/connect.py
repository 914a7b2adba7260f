"""Connects models by their names."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Collection, Generator, Iterable, Mapping
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Protocol

from pydantic import ValidationError

from antiphon.attachments import KINDS
from antiphon.copies import Shared
from antiphon.errors import AntiphonError, ConnectionNotPossible, InvalidType, InvalidValue, shown
from antiphon.listeners import LISTENERS, tell
from antiphon.messages import Reply
from antiphon.model import Model, ModelSettings
from antiphon.parameters import check_kind
from antiphon.providers.options import BEYOND_HTTP, USUAL, check_address, check_key, is_elsewhere
from antiphon.session import Session
from antiphon.trace import current_caller

if TYPE_CHECKING:
    from antiphon.providers.connection import Connection  # heavy: imported when a real model is first asked
    from antiphon.rules import Provider  # likewise, or where a double is as strict


class LiveCall(NamedTuple):
    """A real model is about to be called.

    Attributes:
        model: The name of the model.
        path: The path of the template that asks; ``None`` for a call from outside of templates.
        template_id: Its id, or for a template without one its path without iterations; ``""`` outside of templates.
    """

    model: str
    path: str | None
    template_id: str

    @classmethod
    def of(cls, model: Model) -> LiveCall:
        """The call of a model that is being asked."""
        caller = current_caller()
        if caller is None:
            return cls(model.name, None, "")
        return cls(model.name, caller.template_path, caller.template_id)


class RealModel(Protocol):
    """A model object of pydantic-ai, recognised by its ``model_id``."""

    @property
    def model_id(self) -> str:
        """Provider and model: ``"openai:gpt-4o-mini"``."""
        ...


class _Link(Shared):
    """The connection of a model, made when it is first needed, once for a model and all its forks.

    A process that was forked connects anew: an inherited connection is its parent's, and would be shared with it.
    """

    __slots__ = ("_address", "_connecting", "_connections")

    def __init__(self, **address: Any) -> None:
        self._address = address
        self._connecting = Lock()
        self._connections: dict[int, Connection] = {}  # by process; a parent's is kept, never closed

    def connection(self) -> Connection:
        process = os.getpid()
        with self._connecting:
            if process not in self._connections:
                from antiphon.providers.connection import Connection

                self._connections[process] = Connection(**self._address)
            return self._connections[process]

    def check_provider(self) -> None:
        """Complain of a provider that does not exist; other reasons not to call it would hide a slip of the pen."""
        name = self._address["name"]
        if self._address.get("model") is not None or name.partition(":")[0] in USUAL:
            return
        try:
            from antiphon.providers.connection import check_provider
        except ConnectionNotPossible:  # what is not installed is said when it is needed
            return
        check_provider(name)

    @property
    def is_beyond_http(self) -> bool:
        """Whether the model speaks another protocol than HTTP. Nothing is connected to find out."""
        given = self._address.get("model")
        if given is None:
            return self._address["name"].partition(":")[0] in BEYOND_HTTP
        from antiphon.providers.connection import is_beyond_http

        return is_beyond_http(given)

    @property
    def base_url(self) -> str | None:
        """Where the model is reached, if that was said."""
        given: str | None = self._address.get("base_url")
        return given

    @property
    def has_address(self) -> bool:
        """Whether it was said where the model is reached."""
        return self.base_url is not None

    @property
    def api(self) -> Provider | None:
        """Which API the model speaks, as far as its name tells. Nothing is connected to find out."""
        given = self._address.get("model")
        if given is not None:
            from antiphon.providers.connection import api_spoken_by

            return api_spoken_by(given)
        kind = self._address["name"].partition(":")[0]
        return "openai" if kind == "openai" and self._is_elsewhere else _PROVIDERS.get(kind)

    @property
    def kinds(self) -> Collection[str]:
        """The kinds of attachments that the model takes, as far as its name tells."""
        kind, _, model = self._address["name"].partition(":")
        if kind == "local":
            return ()
        hears = self._address.get("model") is not None or self._is_elsewhere or "audio" in model
        return KINDS if hears or self.api != "openai" else [one for one in KINDS if one != "audio"]

    @property
    def _is_elsewhere(self) -> bool:
        """Whether another server than OpenAI's is asked for its models, of which nothing is known."""
        address = self._address.get("base_url") or os.environ.get("OPENAI_BASE_URL")
        return address is not None and is_elsewhere(address)

    def check(self, settings: Iterable[str]) -> None:
        """Raise what the first question would; a model that runs here has to be installed, and know these settings."""
        provider, _, model = self._address["name"].partition(":")
        if provider == "local":
            from antiphon.providers.local import weights_of

            weights_of(model)
        try:
            connection = self.connection()
        except ConnectionNotPossible:
            self._check_without_key(settings)
            raise
        connection.check_settings(settings)

    def _check_without_key(self, settings: Iterable[str]) -> None:
        """Where only the key is missing: complain of the settings first, for those are mistakes in the program."""
        try:
            from antiphon.providers.connection import Connection

            connection = Connection(**{**self._address, "api_key": "none"})
        except AntiphonError:
            return  # more than the key is missing
        connection.check_settings(settings)


class ConnectedModel(Model):
    """A real model, reached through pydantic-ai's direct API; made by ``connect`` or from a name.

    Attributes:
        name: Provider and model as they were asked for: ``"openai:gpt-4o-mini"``.
    """

    shared: ClassVar[frozenset[str]] = frozenset({"_link"})
    _recordable: bool | None = None

    def __init__(
        self, model: str | RealModel, *, base_url: str | None = None, api_key: str | None = None, **settings: Any
    ) -> None:
        if isinstance(model, str):
            self.name = _checked_name(model)
            check_address(base_url)
            check_key(api_key)
            self._link = _Link(name=model, base_url=base_url, api_key=api_key)
        else:
            self.name = _name_of(model, base_url, api_key)
            self._link = _Link(name=self.name, model=model)
        self.settings = _settings_of(self.name, settings)

    @property
    def base_url(self) -> str | None:
        """Where the model is reached, if that was said; ``None`` for where its provider usually is."""
        return self._link.base_url

    @property
    def recordable(self) -> bool:
        """Whether calls are recorded as a whole: by itself where the provider speaks no HTTP; it may be set."""
        return self._link.is_beyond_http if self._recordable is None else self._recordable

    @recordable.setter
    def recordable(self, given: bool) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]  # known by object
        self._recordable = check_kind(given, bool, "recordable")

    def _send(self, session: Session) -> Reply:
        return self._live(session).ask(session, self.settings)

    def check(self) -> None:
        """Raise what `connect` does, where the first question could not be asked."""
        self._link.check(self.settings.model_fields_set)

    def check_session(self, session: Session) -> None:
        """Make sure that the model may be asked to answer a session, as far as that is known without its provider.

        Nobody is asked, and nothing is connected: a double that answers in place of the model can be as strict. What
        the double answered counts as the model's own, with all that its provider would have given.

        Raises:
            InvalidConversation: The provider would refuse the conversation.
            InvalidValue: It would refuse what is attached to a message.
        """
        from antiphon.attachment_rules import check_attachments

        calling = next((message for message in reversed(session.messages) if message.role != "tool"), None)
        is_doubles = calling is not None and calling.model == self.name and calling.provider_data is None
        self._check_conversation(session, thought=is_doubles)
        check_attachments(session, self.name, self._link.api, kinds=self._link.kinds)

    async def _asend(self, session: Session) -> Reply:
        return await self._live(session).aask(session, self.settings)

    def _stream(self, session: Session) -> Generator[str | Reply]:
        return self._live(session).stream(session, self.settings)

    def _astream(self, session: Session) -> AsyncGenerator[str | Reply]:
        return self._live(session).astream(session, self.settings)

    def _live(self, session: Session) -> Connection:
        """The connection to call through; observers may object.

        Raises:
            InvalidValue: The provider does not exist.
            InvalidConversation: The provider would refuse the conversation.
        """
        self._link.check_provider()
        self._check_conversation(session)
        listening = LISTENERS.now.live_call
        if listening:
            tell(listening, LiveCall.of(self))
        return self._link.connection()

    def _check_conversation(self, session: Session, *, thought: bool = False) -> None:
        """Complain of what the provider refuses; ``thought`` is known of an answer that does not show it."""
        from antiphon.rules import check_conversation, takes_prefill

        kind, _, model = self.name.partition(":")
        provider = None if kind.startswith("openai") and self._link.has_address else _PROVIDERS.get(kind)
        thinking = _is_switched_on(getattr(self.settings, "anthropic_thinking", None))
        prefill = takes_prefill(provider, model) and not thinking
        check_conversation(session, self.name, provider, prefill=prefill, thinking=thinking and not thought)


# By the providers of pydantic-ai. Servers that are compatible with OpenAI's differ: they have the common rules.
_PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType(
    {
        "openai": "openai-responses",
        "openai-responses": "openai-responses",
        "openai-chat": "openai",
        "anthropic": "anthropic",
        "google": "google",
        "google-cloud": "google",
    }
)


def _is_switched_on(thinking: object) -> bool:
    """Whether a model has to think. Where it decides itself ("adaptive"), messages without thinking are taken."""
    return isinstance(thinking, Mapping) and thinking.get("type") == "enabled"


def connect(
    model: str | RealModel, *, base_url: str | None = None, api_key: str | None = None, **settings: Any
) -> Model:
    """Connect a real model.

    Args:
        model: Provider and model, as in ``"openai:gpt-4o-mini"``; any provider of pydantic-ai's direct API.
            ``"openai:…"`` speaks OpenAI's own protocol, and with a ``base_url`` that is not OpenAI's the chat
            completions that compatible servers understand; ``"openai-chat:…"`` and ``"openai-responses:…"`` force one.
            ``"local:smollm2-135m"`` is a small model that runs on this machine, in a process started with the first
            question and stopped with this process; its answers are the same from run to run.
            Or a model object of pydantic-ai, such as its ``FallbackModel``; it is asked in an event loop of the
            engine's own, so an HTTP client that it was given should not be in use elsewhere.
        base_url: Where the provider is reached; ``None`` for where it usually is. A model object knows that itself.
        api_key: The key; ``None`` takes the provider's environment variable. A model object has its own.
        **settings: The model's settings, as in ``ModelSettings``. Settings of pydantic-ai are taken as well:
            ``timeout`` (seconds to wait for each piece of an answer), ``request_timeout`` (seconds for all of it) and
            ``max_retries`` (how often a request that failed is sent again before its error comes here; clients of
            OpenAI and Anthropic do it twice by themselves, with a wait that the provider may dictate; 0 for never),
            ``extra_body`` and ``extra_headers`` (sent as they are), and those of a provider, such as
            ``anthropic_thinking``. A model object that hands questions on to others takes any.

    Raises:
        InvalidType: That is neither a name nor a model object, or the address or the key is no text.
        InvalidValue: The name has no provider, or one that nobody knows; the address or the key cannot be one; the
            model does not know a setting, or it cannot have that value.
        ConnectionNotPossible: The provider's package or key is missing; the text says what to install or to set.
    """
    connected = ConnectedModel(model, base_url=base_url, api_key=api_key, **settings)
    connected.check()  # complain here and not at the first question
    return connected


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
    raise InvalidType(f'{parameter} takes a Model or a name such as "openai:gpt-4o-mini", not {shown(given, Model)}')


class ModelSlot:
    """An attribute that takes a model, the name of one, or nothing; it can be set at any time."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._stored = f"_{name}"

    def __get__(self, owner: object, owner_type: type) -> Model | None:
        model: Model | None = None if owner is None else owner.__dict__.get(self._stored)
        return model

    def __set__(self, owner: object, given: Model | str | None) -> None:
        owner.__dict__[self._stored] = None if given is None else as_model(given)


def _checked_name(name: str) -> str:
    provider, _, model = name.partition(":")
    if not provider or not model:
        raise InvalidValue(f'{name!r} does not name a model: write "provider:model", as in "openai:gpt-4o-mini"')
    return name


def _settings_of(name: str, given: dict[str, Any]) -> ModelSettings:
    try:
        return ModelSettings(**given)
    except ValidationError as error:
        wrong = [f"{one['loc'][0]} cannot be {given[str(one['loc'][0])]!r}: {one['msg']}" for one in error.errors()]
        raise InvalidValue(f"settings of {name!r} are wrong:\n  " + "\n  ".join(wrong)) from error


def _name_of(model: object, base_url: str | None, api_key: str | None) -> str:
    name = getattr(model, "model_id", None)
    if not isinstance(name, str) or isinstance(model, type):
        raise InvalidType(
            'connect takes the name of a model, such as "openai:gpt-4o-mini", or a model object of pydantic-ai, '
            f"not {type(model).__name__}: {model!r}"
        )
    if base_url is not None or api_key is not None:
        raise InvalidValue(f"the model object {name!r} knows its address and key: leave out base_url and api_key")
    return name
