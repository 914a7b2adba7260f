"""Checks settings against those that a real model knows; a misspelt one would be ignored silently."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from difflib import get_close_matches

from pydantic_ai.models import Model

from antiphon.errors import InvalidValue
from antiphon.model import ModelSettings


def check_settings(given: Iterable[str], model: Model, name: str) -> None:
    """Make sure that a model knows the settings it was connected with.

    Args:
        given: The names of the settings.
        model: The model.
        name: What it is called in the text of the error.

    Raises:
        InvalidValue: It does not know one of them; the text says which one may have been meant.
    """
    known = _known_by(model)
    unknown = [] if known is None else sorted(set(given) - known)
    if known is not None and unknown:
        otherwise = "" if "extra_body" in model.unsupported_settings else _OTHERWISE
        lines = [f"{name!r} knows no setting {one!r}{_meant(one, known) or otherwise}" for one in unknown]
        raise InvalidValue("\n".join(lines))


_OTHERWISE = "; what the provider's API calls so can be sent as extra_body={...}"


def _known_by(model: Model) -> frozenset[str] | None:
    """The settings of a model; ``None`` where any are taken, as by a model that hands them on to others.

    pydantic-ai calls the settings after the model, as in ``GoogleModelSettings``, and defines them beside it; they hold
    those that all models have.
    """
    for kind in type(model).__mro__[: type(model).__mro__.index(Model)]:
        theirs = getattr(sys.modules[kind.__module__], f"{kind.__name__}Settings", None)
        if theirs is not None:
            return frozenset({*theirs.__annotations__, *ModelSettings.model_fields})
    return None


def _meant(unknown: str, known: frozenset[str]) -> str:
    close = get_close_matches(unknown, sorted(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
