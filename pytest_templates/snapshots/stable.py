"""What differs from run to run, replaced by what does not: ids and times."""

from __future__ import annotations

import re
from typing import Final

_KINDS: Final = {
    "uuid": r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b",
    "time": r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?(?!\d)",
    "id": r"\b(?:call|chatcmpl|msg|req|resp|run|toolu)[_-](?=[A-Za-z]*\d)[A-Za-z0-9]{12,}\b",  # as providers make them
}
_ANY: Final = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()))


class Stable:
    """Numbers what it meets, so that the same id has the same name all over a conversation: ``<uuid 1>``."""

    def __init__(self) -> None:
        self._numbers: dict[str, dict[str, int]] = {}

    def text(self, text: str) -> str:
        """A text with names for the UUIDs, the times with a date (ISO 8601) and the providers' ids in it."""
        return _ANY.sub(lambda found: f"<{found.lastgroup} {self.number(str(found.lastgroup), found[0])}>", text)

    def number(self, kind: str, value: str) -> int:
        """The number of a value among those of its kind, from 1, in the order in which they were met."""
        numbers = self._numbers.setdefault(kind, {})
        return numbers.setdefault(value.lower(), len(numbers) + 1)
