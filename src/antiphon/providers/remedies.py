"""The errors for a model that cannot be connected: what is wrong, and what to do."""

from __future__ import annotations

import re
from difflib import get_close_matches
from inspect import signature
from pkgutil import iter_modules

from pydantic_ai import providers

from antiphon.errors import ConnectionNotPossible, InvalidValue

_EXTRAS = {"openai", "anthropic", "google", "local"}
_FIRST = {"openai": 0, "anthropic": 1, "google": 2, "local": 3}  # preferred where several names are equally close


def unknown_provider(name: str) -> InvalidValue:
    """The error for a name whose provider does not exist."""
    kind, _, model = name.partition(":")
    close = get_close_matches(kind.lower(), sorted(_kinds(), key=lambda one: _FIRST.get(one, len(_FIRST))), n=1)
    meant = f"did you mean {f'{close[0]}:{model}'!r}?" if close else _WHICH
    return InvalidValue(f"{name!r} names the provider {kind!r}, which does not exist; {meant}")


_WHICH = "there are openai, anthropic, google and local, and others of pydantic-ai, such as groq, mistral and ollama"


def _kinds() -> set[str]:
    """Pretty much the names of providers; what is missing cannot be suggested, and that is all."""
    modules = {module.name.replace("_", "-") for module in iter_modules(providers.__path__)}
    return modules | _EXTRAS | {"openai-chat", "openai-responses"}


def missing_package(name: str) -> ConnectionNotPossible:
    """The error where the package of a provider is not installed."""
    kind = name.partition(":")[0]
    extra = kind.partition("-")[0]
    package = f"antiphon[{extra}]" if extra in _EXTRAS else f"pydantic-ai-slim[{kind}]"
    return _not_possible(name, "its package is not installed", f'pip install "{package}"')


def missing_option(name: str, complaint: str, provider: type[object] | None) -> ConnectionNotPossible:
    """The error where a provider complains that it was not told enough.

    Args:
        name: The name of the model.
        complaint: What the provider says; it names environment variables between backquotes.
        provider: The provider, whose parameters tell what ``connect`` can give it.
    """
    variables = re.findall(r"`([A-Z][A-Z0-9_]+)`", complaint)
    if not variables:
        return _not_possible(name, complaint, "see the provider's page in the documentation of pydantic-ai")
    wants_address = variables[0].endswith(("_URL", "_ENDPOINT", "_HOST"))
    option, missing = ("base_url", "address") if wants_address else ("api_key", "key")
    takes = provider is not None and option in signature(provider).parameters
    remedy = f"set the environment variable {' or '.join(variables)}" + (f", or pass {option}= to connect()" * takes)
    return _not_possible(name, f"there is no {missing}", remedy)


def _not_possible(name: str, reason: str, remedy: str) -> ConnectionNotPossible:
    return ConnectionNotPossible(f"{name!r} cannot be connected: {reason}\n  {remedy}")
