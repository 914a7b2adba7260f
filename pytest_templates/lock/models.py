"""What is locked of a model: its name and its settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import to_jsonable_python

from antiphon import Model, ModelSettings
from pytest_templates.cassettes.policy import CREDENTIAL_HEADERS, SECRET_MEMBERS, SECRET_PARAMETERS
from pytest_templates.cassettes.secrets import PLACEHOLDER
from pytest_templates.lock.naming import canonical, digest, kept
from pytest_templates.scripted import ScriptedModel

_LONGEST: Final = 60  # characters; longer settings are told by hash
_SECRET: Final = CREDENTIAL_HEADERS | SECRET_MEMBERS | SECRET_PARAMETERS
_HEADERS: Final = "extra_headers"


def model_facts(model: object) -> Iterator[tuple[str, str]]:
    """The name and the settings of a model, by kind; nothing of one that tests have put in its place."""
    if not isinstance(model, Model) or isinstance(model.origin, ScriptedModel):
        return
    yield "model", kept(model.name)
    settings = getattr(model, "settings", None)
    given = settings.model_dump(exclude_none=True) if isinstance(settings, ModelSettings) else {}
    if given:
        yield "settings", ", ".join(f"{name}={_shown(name, given[name])}" for name in sorted(given))


def _shown(name: str, value: Any) -> str:
    if name == _HEADERS and isinstance(value, dict):
        return canonical(sorted(value))  # the values of headers are keys and ids, and never words of a prompt
    text = kept(
        canonical(_without_secrets({name: to_jsonable_python(value, bytes_mode="base64", fallback=_kind)})[name])
    )
    return text if len(text) <= _LONGEST else digest(text)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: PLACEHOLDER if str(name).lower() in _SECRET else _without_secrets(inner)
            for name, inner in value.items()
        }
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value


def _kind(value: object) -> str:
    return type(value).__name__
