"""An interaction as people read it: which model was asked, with what, and what it said."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from pytest_templates.cassettes.documents import Json, JsonError, parse
from pytest_templates.cassettes.prompts import Prompt, prompt_of
from pytest_templates.cassettes.values import Interaction

_OPENING: Final = 60  # characters
_MODEL: Final = re.compile(r"/models/([^/:]+)")


def model_of(interaction: Interaction) -> str:
    """The model that was asked, as the engine named it, else as the request does; ``""`` where neither says."""
    named = interaction.model or _named_in(_json(interaction.request.body))
    in_path = _MODEL.search(unquote(urlsplit(interaction.request.uri).path))
    return named or (in_path[1] if in_path else "")


def prompt_in(interaction: Interaction) -> Prompt | None:
    """The prompt of a request, or ``None`` where there is none."""
    return prompt_of(_json(interaction.request.body))


def opening_of(interaction: Interaction) -> str:
    """The first words of what was asked last, on one line; the address where there is no prompt."""
    prompt = prompt_in(interaction)
    if prompt is None or not prompt.messages:
        return f"{interaction.request.method} {interaction.request.uri}"
    last = prompt.messages[-1]
    return f"{last.role}: {cut(' '.join(last.text.split()), _OPENING)}"


def cut(text: str, width: int) -> str:
    """The text, at most so many characters of it."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _named_in(body: Json) -> str:
    model = body.get("model") if isinstance(body, dict) else None
    return model if isinstance(model, str) else ""


def _json(body: bytes) -> Json:
    try:
        return parse(body)
    except JsonError:
        return None
