"""Texts that a schema allows: of a format, of a pattern, or just a name."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final, TypeVar

A = TypeVar("A")

_DRAWS: Final = 300  # of texts of a pattern, until one has the length that is asked for
_SCHEMES: Final = ("https", "wss", "ftp", "redis", "amqp", "nats", "file")
_DATABASES: Final = ("postgresql", "mongodb", "mysql")
_ZONES: Final = ("Z", "")


def text(schema: Mapping[str, Any], name: str, turn: int) -> str:
    """A text that a schema allows, another one in each turn.

    Args:
        schema: Of a string.
        name: What stands for a text that may be any.
        turn: 0 or more.
    """
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if "pattern" in schema:
        return _matching(schema["pattern"], least, most, turn)
    form = _FORMATS.get(schema.get("format", ""))
    return _fitted(name, least, most, turn) if form is None else form(turn)


def _fitted(name: str, least: int, most: int | None, turn: int) -> str:
    number = f" {turn + 1}" if turn else ""
    if most is not None and len(name + number) > most:
        number = number.strip()[-most:] if most else ""
        name = name[: most - len(number)]
    return f"{name}{number}".ljust(least, ".")


def _matching(pattern: str, least: int, most: int | None, turn: int) -> str:
    """A short text of a pattern; any where none of the right length is found, or the pattern is of another dialect."""
    from rstr import Rstr

    try:
        expression, drawn = re.compile(pattern), ""
        for draw in range(_DRAWS):
            dice = _Dice(f"{pattern} {turn} {draw}")
            dice.reach = turn + draw
            drawn = Rstr(dice).xeger(pattern)
            if len(drawn) >= least and (most is None or len(drawn) <= most) and expression.search(drawn):
                break
    except (re.error, KeyError):  # KeyError is what rstr says of an element that it does not know
        return pattern
    return drawn


class _Dice(Random):
    """Rolls the same in every process, and short repetitions.

    Attributes:
        reach: By how much a repetition may be longer than it has to be.
    """

    reach = 0

    def choice(self, seq: Sequence[A]) -> A:  # type: ignore[override]
        """One of some; letters in their order: rstr takes some of them from sets, which have none."""
        letters = all(isinstance(one, str) for one in seq)
        return super().choice(sorted(seq) if letters else seq)  # type: ignore[type-var]

    def randint(self, a: int, b: int) -> int:
        """How often something is repeated."""
        return super().randint(a, min(b, a + self.reach))


def _day(turn: int) -> str:
    """A day: long ago, and far in the future."""
    return f"{('2001', '2999')[turn % 2]}-01-{turn // 2 % 28 + 1:02}"


def _moment(turn: int) -> str:
    """A point in time, with a time zone and without."""
    return f"{_day(turn // 2)}T12:00:00{_ZONES[turn % 2]}"


def _uuid(version: int) -> Callable[[int], str]:
    return lambda turn: f"00000000-0000-{version}000-8000-{turn + 1:012x}"


_FORMATS: Final[Mapping[str, Callable[[int], str]]] = {
    "date": _day,
    "date-time": _moment,
    "time": lambda turn: f"12:{turn // 2 % 60:02}:00{_ZONES[turn % 2]}",
    "duration": lambda turn: f"PT{turn + 1}H",
    "uuid": _uuid(4),
    **{f"uuid{version}": _uuid(version) for version in range(1, 9)},
    "email": lambda turn: f"name{turn + 1}@example.com",
    "name-email": lambda turn: f"name{turn + 1}@example.com",
    "uri": lambda turn: f"{_SCHEMES[turn % len(_SCHEMES)]}://example.com/{turn // len(_SCHEMES) + 1}",
    "multi-host-uri": lambda turn: f"{_DATABASES[turn % len(_DATABASES)]}://name@example.com/name{turn + 1}",
    "ipv4": lambda turn: f"192.0.2.{turn % 254 + 1}",
    "ipv6": lambda turn: f"2001:db8::{turn + 1:x}",
    "ipvanyaddress": lambda turn: f"192.0.2.{turn % 254 + 1}",
    "ipv4network": lambda turn: f"192.0.{turn % 256}.0/24",
    "ipv6network": lambda turn: f"2001:db8:{turn + 1:x}::/48",
    "ipvanynetwork": lambda turn: f"192.0.{turn % 256}.0/24",
    "ipv4interface": lambda turn: f"192.0.2.{turn % 254 + 1}/24",
    "ipv6interface": lambda turn: f"2001:db8::{turn + 1:x}/64",
    "ipvanyinterface": lambda turn: f"192.0.2.{turn % 254 + 1}/24",
    "path": lambda turn: f"file-{turn + 1}.txt",
    "directory-path": lambda _: ".",
    "base64": lambda turn: b64encode(f"text {turn + 1}".encode()).decode(),
    "base64url": lambda turn: b64encode(f"text {turn + 1}".encode()).decode(),
    "zoneinfo": lambda _: "UTC",
}
