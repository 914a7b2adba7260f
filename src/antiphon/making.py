"""How much a text may make in one rendering: texts, lists, numbers, turns of loops, all paid from one budget.

What amplifies (``'a' * 10**10``, ``x | center(10**10)``, a loop over a loop) is paid before it is done, everything else
as soon as it is there. So neither a mistake nor a text of a stranger takes all memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from itertools import chain
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

from jinja2.exceptions import SecurityError

MOST: Final = 100_000_000  # characters: more than any model reads, and less than a machine has
STEP: Final = 100  # characters that a turn of a loop is counted as: a million of them take a second
CALL: Final = 500  # the same of a call of a macro or a function
_ITEM: Final = 50  # characters that an item of a list is counted as: so much memory it takes
_LARGEST_BITS: Final = 20_000  # of a number that a text makes; Python writes out no more
_MOST_DECIMALS: Final = 1000
_MOST_DIGITS: Final = 18  # of a width; int() of more of them takes time

CONTAINERS: Final = frozenset(
    {list, tuple, set, frozenset, dict}
)  # what a text can make, and hold in itself many times


class Budget:
    """What a rendering may still make.

    Attributes:
        left: How many characters.
    """

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MOST


_BUDGET: Final[ContextVar[Budget]] = ContextVar("antiphon_budget")


@contextmanager
def budget() -> Iterator[None]:
    """Render or compile with a budget of its own."""
    token = _BUDGET.set(Budget())
    try:
        yield
    finally:
        _BUDGET.reset(token)


def spend(characters: int) -> None:
    """Take from the budget; where there is none, so much at once may be taken as there would be in one.

    Raises:
        SecurityError: There is not so much left.
    """
    purse = _BUDGET.get(None)
    left = (MOST if purse is None else purse.left) - characters
    if purse is not None:
        purse.left = left
    if left < 0:
        raise SecurityError(
            f"it makes too much: one rendering may make {MOST:,} characters, where an item of a list counts as {_ITEM} "
            f"and a turn of a loop as {STEP}"
        )


def concatenated(pieces: Iterable[str]) -> str:
    """The pieces in a row."""
    held = pieces if isinstance(pieces, list) else list(pieces)
    spend(sum(map(len, held)))
    return "".join(held)


def made(value: Any) -> Any:
    """Something that was just made, of something else of about its size."""
    if isinstance(value, str | bytes):
        spend(len(value))
    elif type(value) in CONTAINERS:
        spend(len(value) * _ITEM)
    return value


def counted(items: Iterable[Any], weight: int = STEP) -> Iterator[Any]:
    """The items, each of which is paid when it comes."""
    for item in items:
        spend(weight)
        yield item


def finite(items: Any) -> Any:
    """Something that is about to be gone through to its end, which may not be there."""
    endless = hasattr(items, "__iter__") and not hasattr(items, "__len__")
    return counted(items) if endless else items


def turns(items: Any, weight: int) -> Any:
    """What a loop goes through, each of its turns at a price."""
    if type(items) in {list, tuple, dict, str, range}:
        spend(len(items) * weight)
        return items
    return counted(items, weight)


def text_length(value: Any, known: dict[int, int]) -> int:
    """How long the text of a value is, about.

    Args:
        value: Anything. What it holds many times is looked at once.
        known: Lengths that are known already, by ``id``.
    """
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value) + 2
    if kind is int:
        return value.bit_length() // 3 + 2  # type: ignore[no-any-return]
    key = id(value)
    if key not in known:
        if kind in CONTAINERS:
            known[key] = 5  # in itself: [...]
            held = chain.from_iterable(value.items()) if kind is dict else value
            known[key] = 2 + sum(text_length(one, known) + 2 for one in held)
        else:
            known[key] = len(repr(value))
    return known[key]


def weighed(value: Any) -> Any:
    """Something that is about to be compared or hashed, which goes through what it holds many times as often."""
    spend(_repeated(value) * _ITEM)
    return value


def _repeated(value: Any) -> int:
    """How many more values a look through all of a container meets than it is made of."""
    if type(value) not in CONTAINERS or all(type(one) not in CONTAINERS for one in _items(value)):
        return 0
    known: dict[int, tuple[int, int]] = {}
    return _met(value, known) - sum(own for own, _ in known.values())


def _met(value: Any, known: dict[int, tuple[int, int]]) -> int:
    """How many values a look through all of a container meets.

    Args:
        value: The container.
        known: By ``id``, of each container in it: how many values are right in it, and how many a look meets.
    """
    key = id(value)
    if key not in known:
        items = _items(value)
        known[key] = len(items), 0  # in itself: no look comes to an end, and Python stops it
        inner = [one for one in items if type(one) in CONTAINERS]
        known[key] = len(items), len(items) + sum(_met(one, known) for one in inner)
    return known[key][1]


def _items(container: Any) -> Any:
    return container.values() if type(container) is dict else container


def _depth(value: Any, known: dict[int, int]) -> int:
    if type(value) not in CONTAINERS:
        return 0
    key = id(value)
    if key not in known:
        known[key] = 0
        held = value.values() if isinstance(value, dict) else value
        known[key] = 1 + max((_depth(one, known) for one in held), default=0)
    return known[key]


def _size(value: Any) -> int:
    return abs(value) if isinstance(value, int) else 0


_SPACES: Final = (  # all that `str.isspace` knows
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_LONG: Final = 100_000  # characters of a text whose words are counted before they are listed


def _spend_words(text: Any) -> None:
    """Pay for a list of the words or lines of a text."""
    if isinstance(text, str) and len(text) > _LONG:
        spend(sum(map(text.count, _SPACES)) * _ITEM)


# Operators


def plus(left: Any, right: Any) -> Any:
    """``left + right``."""
    for one in (left, right):
        if isinstance(one, str | bytes):
            spend(len(one))
        elif isinstance(one, list | tuple):
            spend(len(one) * _ITEM)
    return left + right


def times(left: Any, right: Any) -> Any:
    """``left * right``."""
    for number, held in ((left, right), (right, left)):
        if isinstance(number, int) and isinstance(held, str | bytes | list | tuple):
            spend(max(number, 0) * len(held) * (1 if isinstance(held, str | bytes) else _ITEM))
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() + right.bit_length())
    return left * right


def power(left: Any, right: Any) -> Any:
    """``left ** right``."""
    if isinstance(right, int) and isinstance(left, int | Fraction):
        parts = (left.numerator, left.denominator)
        _check_bits(max(part.bit_length() if abs(part) > 1 else 0 for part in parts) * abs(right))
    return left**right


def _check_bits(bits: int) -> None:
    if bits > _LARGEST_BITS:
        raise SecurityError(f"it makes too much: a number of about {_digits(bits)} digits")


def _digits(bits: int) -> str:
    return f"{bits * 3 // 10:,}" if bits < 10**_MOST_DIGITS else "very many"


_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "eq": eq,
    "ne": ne,
    "lt": lt,
    "lteq": le,
    "gt": gt,
    "gteq": ge,
    "in": lambda left, right: left in right,
    "notin": lambda left, right: left not in right,
}


def compared(left: Any, *rest: Any) -> Any:
    """``left < right``, or a chain of these: ``left < middle == right``.

    Args:
        left: The first operand.
        rest: The name of each operator, and a function that returns its right operand.
    """
    holds: Any = True
    for name, operand in zip(rest[::2], rest[1::2], strict=True):
        right = operand()
        holds = compare(name, left, right)
        if not holds:
            break
        left = right
    return holds


def compare(name: str, left: Any, right: Any) -> Any:
    """The result of one comparison, or of a search, by its name in jinja2's syntax tree."""
    if name not in {"in", "notin"}:
        spend(min(_repeated(left), _repeated(right)) * _ITEM)
        return _COMPARISONS[name](left, right)
    if type(right) in {list, tuple}:
        spend(min(_repeated(left) * len(right), _repeated(right)) * _ITEM)
    else:
        weighed(left)
    return _COMPARISONS[name](left, finite(right))


def percent(left: Any, right: Any) -> Any:
    """``left % right``."""
    if isinstance(left, str | bytes):
        text = left.decode("latin-1") if isinstance(left, bytes) else left
        given = right if isinstance(right, tuple) else tuple(right.values()) if isinstance(right, dict) else (right,)
        spend(sum(_wanted(text, given)))
    return left % right


_WIDTHS: Final = re.compile(r"[#0\- +]*(\*|\d*)(?:\.(\*|\d*))?")


def _wanted(text: str, given: tuple[Any, ...]) -> Iterator[int]:
    """How long each part of a ``%`` format may become: by its width and precision, and by what it is given."""
    widest = str(max(map(_size, given), default=0))
    known: dict[int, int] = {}
    longest = max((text_length(one, known) for one in given), default=0)
    at = text.find("%")
    while at >= 0:
        found = _WIDTHS.match(text, _after_key(text, at + 1))
        if found is None:
            return
        yield longest + sum(_width(widest if width == "*" else width) for width in found.groups(""))
        at = text.find("%", found.end() + 1)


def _after_key(text: str, at: int) -> int:
    """Where the key of a ``%`` format ends, which may hold brackets itself."""
    if not text.startswith("(", at):
        return at
    depth = 0
    for index in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if not depth:
            return index + 1
    return len(text)


def _width(digits: str) -> int:
    return int(digits or 0) if len(digits) <= _MOST_DIGITS else MOST + 1


def pay_format(value: Any, spec: str) -> None:
    """Pay for a field of ``str.format``: its width and its precision."""
    if isinstance(value, str) or hasattr(value, "__float__") or isinstance(value, complex):
        spend(sum(map(_width, re.findall(r"\d+", spec))))


# What filters and methods make more of than they are given


def _pay_width(_text: Any, width: Any = 80, *_: Any, **__: Any) -> None:
    spend(_size(width))


def _pay_indent(text: Any, width: Any = 4, *_: Any, **__: Any) -> None:
    spend((str(text).count("\n") + 1) * (len(width) if isinstance(width, str) else _size(width)))


def _pay_replace(text: Any, old: Any, new: Any, *_: Any, **__: Any) -> None:
    if isinstance(text, bytes):
        spend(text.count(old) * len(new))
    else:
        spend(str(text).count(str(old)) * text_length(new, {}))


def pay_join(separator: Any, items: list[Any]) -> None:
    """Pay for joining items."""
    known: dict[int, int] = {}
    spend(sum(text_length(one, known) for one in items) + text_length(separator, known) * len(items))


def _pay_tabs(text: Any, tabsize: Any = 8, *_: Any, **__: Any) -> None:
    spend(text.count("\t" if isinstance(text, str) else b"\t") * _size(tabsize))


def _pay_translate(text: Any, table: Any, *_: Any, **__: Any) -> None:
    longest = max((text_length(one, {}) for one in table.values()), default=1) if isinstance(table, dict) else 1
    spend(len(text) * longest)


def _pay_split(text: Any, separator: Any = None, *_: Any, **options: Any) -> None:
    separator = options.get("sep", separator)
    if separator is None:
        _spend_words(text)
    else:
        spend((text.count(separator) + 1) * _ITEM)


def _pay_bytes(_number: Any, length: Any = 1, *_: Any, **__: Any) -> None:
    spend(_size(length))


def _pay_wrap(text: Any, width: Any = 79, *more: Any, **options: Any) -> None:
    _spend_words(text)
    lines = len(str(text)) // max(_size(width), 1) + str(text).count("\n") + 1
    spend(lines * text_length([*more, *options.values()], {}))


def _pay_links(text: Any, *arguments: Any, **options: Any) -> None:
    _spend_words(text)
    added = text_length([*arguments, *options.values()], {})
    spend((sum(map(str(text).count, _SPACES)) + 1) * added)


def _pay_json(value: Any, indent: Any = None, *_: Any, **__: Any) -> None:
    width = len(indent) if isinstance(indent, str) else _size(indent)
    spend(text_length(value, {}) * (1 + width * _depth(value, {})))


def _pay_places(_value: Any, precision: Any = 0, *_: Any, **__: Any) -> None:
    if _size(precision) > _MOST_DECIMALS:
        raise SecurityError(f"it makes too much: a number of more than {_MOST_DECIMALS:,} decimals")


def _pay_rows(_items: Any, number: Any, *_: Any, **__: Any) -> None:
    spend(_size(number) * _ITEM)


def _pay_sum(items: Any, *_: Any, **__: Any) -> None:
    if isinstance(items, list | tuple):
        spend(sum(len(one) * _ITEM for one in items if isinstance(one, list | tuple)))


def _pay_words(text: Any, *_: Any, **__: Any) -> None:
    _spend_words(text)


def _pay_escapes(text: Any, *_: Any, **__: Any) -> None:
    spend(len(text) * _LONGEST_ESCAPE if isinstance(text, str) else 0)


_LONGEST_ESCAPE: Final = 12  # of one character: %F0%9F%98%80


FILTER_COSTS: Final[Mapping[str, Callable[..., None]]] = {
    "center": _pay_width,
    "indent": _pay_indent,
    "replace": _pay_replace,
    "wordwrap": _pay_wrap,
    "urlize": _pay_links,
    "tojson": _pay_json,
    "round": _pay_places,
    "batch": _pay_rows,
    "slice": _pay_rows,
    "sum": _pay_sum,
    "wordcount": _pay_words,
    "title": _pay_words,
    "striptags": _pay_words,
    **dict.fromkeys(("e", "escape", "forceescape", "urlencode"), _pay_escapes),
    "pprint": lambda value, *_: _pay_json(value, 1),
}
METHOD_COSTS: Final[Mapping[str, Callable[..., None]]] = {
    **dict.fromkeys(("center", "ljust", "rjust", "zfill"), _pay_width),
    **dict.fromkeys(("split", "rsplit"), _pay_split),
    "expandtabs": _pay_tabs,
    "replace": _pay_replace,
    "translate": _pay_translate,
    "to_bytes": _pay_bytes,
    "splitlines": _pay_words,
    "title": _pay_words,
    "encode": _pay_escapes,
}
