"""JSON that others may have written: read strictly, and never deeper than Python can follow."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final, NoReturn, TypeAlias

Json: TypeAlias = Any  # a JSON value: None, bool, int, float, str, list or dict

_MOST_DIGITS: Final = 400  # of a whole number: more than a float has, and few enough to be written out


def load(text: bytes | str, number: Callable[[str], float] | None = None) -> Json:
    """Read JSON of which nothing is lost.

    Args:
        text: The JSON.
        number: Makes numbers with a dot or an exponent; by default finite floats.

    Raises:
        ValueError: The text is no JSON in UTF-8, repeats a name in an object, is nested too deeply, or holds ``NaN``, a
            number that is no finite float, or a whole one of hundreds of digits.
    """
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        return _decoder(number or finite).decode(decoded)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


@lru_cache
def _decoder(number: Callable[[str], float]) -> json.JSONDecoder:
    return json.JSONDecoder(parse_float=number, parse_int=_whole, parse_constant=_refuse, object_pairs_hook=_unique)


def finite(digits: str) -> float:
    """A number; raises `ValueError` where it is larger than any float."""
    value = float(digits)
    return value if math.isfinite(value) else _refuse(digits)


def _whole(digits: str) -> int:
    return int(digits) if len(digits) <= _MOST_DIGITS else _refuse(digits)


def _refuse(number: str) -> NoReturn:
    shown = number if len(number) <= 40 else f"a number of {len(number):,} digits"
    raise ValueError(f"{shown} is no number that can be counted with")


def _unique(pairs: Iterable[tuple[str, Json]]) -> dict[str, Json]:
    pairs = list(pairs)
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    counts = Counter(name for name, _ in pairs)
    raise ValueError(f"the name {counts.most_common(1)[0][0]!r} stands twice in one object")
