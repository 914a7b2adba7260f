"""The last look at a cassette before it is written: no secret may be left in it."""

from __future__ import annotations

import re
from typing import Final

from pytest_templates.cassettes.secrets import Leak, Secrets
from pytest_templates.errors import CassetteError

_INDENTATION: Final = re.compile(r"(?m)^ +")
_SECTION: Final = re.compile(r"  (request|response):")


def refuse_leaks(place: str, text: str, secrets: Secrets) -> None:
    """Raise when a text about to be written holds a secret.

    Raises:
        CassetteError: Says which variable's value it is and where it stands, never the value.
    """
    leak = secrets.find(text) or secrets.find(_INDENTATION.sub("", text))
    if leak:
        raise CassetteError(
            f"{place}: the cassette was not written, because it would hold the value of the environment variable "
            f"{leak.name} in line {leak.line} ({_place(text, leak)}).\n"
            "It stands where no placeholder can. Keep it out of what is sent, or unset the variable to record."
        )


def _place(text: str, leak: Leak) -> str:
    """Where in the cassette a line is, in words."""
    lines = text.split("\n")[: leak.line]
    number = sum(line.startswith("- template:") for line in lines)
    section = next((found[1] for line in reversed(lines) if (found := _SECTION.fullmatch(line))), "heading")
    return f"interaction {number}, {section}" if number else "heading"
