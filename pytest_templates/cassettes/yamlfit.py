"""Which values can be shown as YAML without loss, and without a file that no one can read."""

from __future__ import annotations

import re
from typing import Any, Final

MAX_KEY_LENGTH: Final = 120  # of a name in a mapping, in characters; YAML allows 1024 written ones
MAX_DEPTH: Final = 48  # of nested lists and mappings
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def fits_yaml(value: Any, depth: int = 0) -> bool:
    """Whether a JSON value can be written as YAML: half characters, endless names and abysses cannot."""
    if isinstance(value, str):
        return not _SURROGATE.search(value)
    if isinstance(value, dict):
        return depth < MAX_DEPTH and all(_fits_entry(key, inner, depth + 1) for key, inner in value.items())
    if isinstance(value, list):
        return depth < MAX_DEPTH and all(fits_yaml(inner, depth + 1) for inner in value)
    return True


def _fits_entry(key: str, value: Any, depth: int) -> bool:
    return len(key) <= MAX_KEY_LENGTH and fits_yaml(key) and fits_yaml(value, depth)
