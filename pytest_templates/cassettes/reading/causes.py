"""How the calls of a second run of a test differ from those of the first, the likely cause, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from pytest_templates.cassettes.format.canonical_json import Json, dumps
from pytest_templates.cassettes.matching import Path
from pytest_templates.cassettes.reading.calls import CallPair, RecordedCall, call_difference, json_body
from pytest_templates.cassettes.reading.diff import is_reordered
from pytest_templates.cassettes.recorded import Interaction
from pytest_templates.redaction.secrets import PLACEHOLDER
from pytest_templates.support.diff import common_start
from pytest_templates.support.text import OUTSIDE, counted

_LONG: Final = 10**8  # a number from here on may be a time or an id
_LONGEST: Final = 20_000  # characters that differ, beyond which no cause is looked for
_WITH_SPACE: Final = re.compile(r"\s*\S+|\s+")
_WORDS: Final = re.compile(r"\w+")
_MONTHS: Final = "jan feb mar apr may jun jul aug sep oct nov dec"
_DAYS: Final = "mon tue wed thu fri sat sun"
_NAMES: Final = "|".join(f"{name}[a-z]*" for name in f"{_MONTHS} {_DAYS}".split())
_KINDS: Final = (
    (
        re.compile(r"\b0x[0-9a-f]{6,}\b", re.IGNORECASE),
        "It holds the address of an object: give its class a __repr__ or a __str__, or say an attribute of it instead.",
    ),
    (
        re.compile(r"""[^\s"'(]*(/tmp/|/var/folders/|[/\\]pytest-of-|\\temp\\)[^\s"')]*""", re.IGNORECASE),
        "It holds the path of a temporary file: say a name that stays the same instead, as relative paths do.",
    ),
    (
        re.compile(rf"\b({_NAMES})\b|\d+([-:/.]\d+)*\.?|(?<=\d)[TZ](?=\d|\b)|\b[ap]m\b", re.IGNORECASE),
        "It holds a time, or another number: hand it in as metadata, and freeze or seed it in the test.",
    ),
    (
        re.compile(
            r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{8,}\b|(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{10,}",
            re.IGNORECASE,
        ),
        "It holds a random id: hand the id in as metadata, or seed what makes it.",
    ),
)
_ORDER: Final = "It says the same words in another order, as a set does: sort them."
_ANY: Final = "Freeze the time, sort what is a set, and seed what is random, or hand it in as metadata."
_ADDRESS: Final = (
    "It is sent to another address: give the server the same one in every run, or leave the address out of the "
    'comparison: @pytest.mark.llm_cassette(match_on=["method", "path", "query", "body"])'
)


def difference(pairs: Sequence[CallPair]) -> list[str]:
    """The first of the pairs of calls that are not the same, and how many there are beside it."""
    return [*_difference(pairs[0]), *_more(pairs)]


def _difference(pair: CallPair) -> list[str]:
    where = pair.template or OUTSIDE
    if pair.old is None or pair.new is None:
        return [f"{where} asked a model in the {'second' if pair.old is None else 'first'} run only"]
    lines = call_difference(pair.old, pair.new) or ["what differs is no text"]
    return [
        f"the prompt of {where} is not the same in a second run (- first, + second):",
        *(f"  {line}" for line in lines),
    ]


def _more(pairs: Sequence[CallPair]) -> list[str]:
    others = len(pairs) - 1
    return [f"and {counted(others, 'call')} more, which may follow from this one"] if others else []


def remedies(pair: CallPair) -> list[str]:
    """The likely causes of the difference between two requests, and what to do; none where one of them is missing."""
    if pair.old is None or pair.new is None:
        return []
    places = _values(pair.old, pair.new)
    lines = list(dict.fromkeys(_cause(was, now) for _, was, now in places))
    return list(dict.fromkeys([*_address(pair.old, pair.new), *lines])) + _ignore(pair.old, pair.new, places)


def recurring(pair: CallPair) -> list[str]:
    """As `remedies`, of two requests that a change of the program may have made different as well.

    Only a difference that looks like what is another one in every run counts: a time, an id, a path. The name of the
    model and a short number alone do not: they are settings.
    """
    if pair.old is None or pair.new is None:
        return []
    places = [(path, old, new) for path, old, new in _values(pair.old, pair.new) if not _is_setting(path, old, new)]
    causes = dict.fromkeys(_cause(old, new) for _, old, new in places)
    causes |= dict.fromkeys(_address(pair.old, pair.new) if pair.old["body"] == pair.new["body"] else ())
    known = [cause for cause in causes if cause != _ANY]
    return known + _ignore(pair.old, pair.new, places) if known else []


def _is_setting(path: Path, old: Json, new: Json) -> bool:
    return path == ("model",) or all(isinstance(value, (int, float)) and abs(value) < _LONG for value in (old, new))


def _values(old: RecordedCall, new: RecordedCall) -> list[tuple[Path, Json, Json]]:
    """The places at which what was sent differs."""
    before, after = json_body(old), json_body(new)
    if before is None or after is None:
        before, after = old["body"], new["body"]
    return list(_places((), before, after))


def _places(path: Path, old: Json, new: Json) -> Iterator[tuple[Path, Json, Json]]:
    """The innermost places at which two values differ, with what stands there."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        for name in old:
            yield from _places((*path, name), old[name], new[name])
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and not is_reordered(old, new):
        for index, (was, now) in enumerate(zip(old, new, strict=True)):
            yield from _places((*path, str(index)), was, now)
    elif dumps(old) != dumps(new):
        yield path, old, new


def _cause(old: Json, new: Json) -> str:
    before, after = _apart(_texts(old), _texts(new))
    if max(len(before), len(after)) > _LONGEST:
        return _ANY
    if _in_order(before) == _in_order(after):
        return _ORDER
    return next((text for kind, text in _KINDS if kind.sub("*", before) == kind.sub("*", after)), _ANY)


def _apart(old: str, new: str) -> tuple[str, str]:
    """Two texts without the words that both begin and end with."""
    before, after = (_WITH_SPACE.findall(text) for text in (old, new))
    start = common_start(before, after)
    before, after = before[start:], after[start:]
    end = common_start(before[::-1], after[::-1])
    return "".join(before[: len(before) - end]), "".join(after[: len(after) - end])


def _in_order(text: str) -> list[str]:
    return sorted(_WORDS.findall(text))


def _texts(value: Json) -> str:
    """The text of a body: its names and values, without the punctuation of JSON."""
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_texts(inner)}" for name, inner in value.items())
    return "\n".join(map(_texts, value)) if isinstance(value, list) else str(value)


def _address(old: RecordedCall, new: RecordedCall) -> list[str]:
    before, after = (urlsplit(call["address"].partition(" ")[2]) for call in (old, new))
    if before.netloc != after.netloc:
        return [_ADDRESS]
    return [] if old["address"] == new["address"] else [_cause(old["address"], new["address"])]


def _ignore(old: RecordedCall, new: RecordedCall, places: Sequence[tuple[Path, Json, Json]]) -> list[str]:
    """What leaves the places out of the comparison, where requests are compared as cassettes do."""
    dotted = [f"query.{name}" for name in _parameters(old, new)]
    dotted += [".".join(path) for path, _, _ in places if path and not any(set(name) & set(".[]") for name in path)]
    if not new["address"] or not dotted:
        return []
    names = ", ".join(f'"{path}"' for path in dotted[:_SHOWN]) + (", …" if len(dotted) > _SHOWN else "")
    line = f"What may differ is left out of the comparison by @pytest.mark.llm_cassette(ignore=[{names}])."
    holds_more = any(len(_texts(value).split()) > 1 for _, *both in places for value in both)
    return [line, _NOTHING_ELSE] if holds_more else [line]


def _parameters(old: RecordedCall, new: RecordedCall) -> list[str]:
    """The names of the parameters of two addresses that have other values."""
    before, after = (parse_qsl(urlsplit(call["address"]).query, keep_blank_values=True) for call in (old, new))
    return list(dict.fromkeys(name for name, _ in sorted({*before} ^ {*after})))


_SHOWN: Final = 3  # paths
_NOTHING_ELSE: Final = "No other change of the whole text is noticed then, so try the above first. Items count from 0."


def about_secrets(redacted: Sequence[Interaction]) -> list[str]:
    """What is said of answers that a replay gives without their secrets; nothing of none."""
    if not redacted:
        return []
    request, others = redacted[0].request, len(redacted) - 1
    more = f", nor {counted(others, 'other')}" if others else ""
    return [
        f"Recordings do not hold the answer to {request.method} {request.uri.partition('?')[0]} as it came{more}:",
        f"{PLACEHOLDER} stands in the place of secrets, and 0 of secret numbers. Do not compare their values, as no",
        "replay has them.",
    ]
