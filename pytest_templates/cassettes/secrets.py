"""Secrets, found and replaced in every form in which they travel."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from pytest_templates.cassettes.forms import forms_of
from pytest_templates.cassettes.policy import COMMON_VALUES, HOST, NO_SECRET_NAME, SECRET_NAME
from pytest_templates.cassettes.shapes import keys_in

PLACEHOLDER: Final = "REDACTED"
_MIN_LENGTH: Final = 8  # characters; shorter values are words that occur by chance
_MAX_PASSES: Final = 5
_PATH_STARTS: Final = ("/", "~", "./", "../", "C:\\")

Values: TypeAlias = Mapping[str, str]  # secret values, each with what it is, in words for an error
Span: TypeAlias = tuple[int, int, str]  # start, end, and what it is


@dataclass(frozen=True)
class Leak:
    """A secret that stands in a text.

    Attributes:
        what: What it is, such as ``the value of the environment variable OPENAI_API_KEY``; never the secret itself.
        line: The line it begins on, from 1.
    """

    what: str
    line: int


class Secrets:
    """What may not be kept: some values, in every form, and whatever looks like a key of a known provider.

    Args:
        values: The values, each with what it is in words.
    """

    def __init__(self, values: Values) -> None:
        longest_first = sorted(values, key=len, reverse=True)
        self._forms = [form for value in longest_first for form in forms_of(value, values[value])]

    def replace(self, text: str) -> str:
        """The text with a placeholder for every secret."""
        for _ in range(_MAX_PASSES):
            spans = self.spans(text)
            if not spans:
                break
            text = _cut_out(text, spans)
        return text

    def replace_in(self, value: Any) -> Any:
        """A plain value with a placeholder for every secret in its texts, names included."""
        if isinstance(value, str):
            return self.replace(value)
        if isinstance(value, list | tuple):
            return [self.replace_in(inner) for inner in value]
        if isinstance(value, dict):
            return {self.replace_in(name): self.replace_in(inner) for name, inner in value.items()}
        return value

    def find(self, text: str) -> Leak | None:
        """The first secret in a text, if there is one."""
        return next(iter(self.find_all(text)), None)

    def find_all(self, text: str) -> list[Leak]:
        """Every secret in a text, in order."""
        return [Leak(what, text.count("\n", 0, start) + 1) for start, _, what in self.spans(text)]

    def spans(self, text: str) -> list[Span]:
        """Where secrets are in a text, in order; what overlaps is one."""
        return merged(sorted(self._found(text)))

    def _found(self, text: str) -> Iterator[Span]:
        for form in self._forms:
            yield from form.found_in(text)
        yield from keys_in(text)


def secrets_of(environ: Mapping[str, str] = os.environ) -> Secrets:
    """The secrets of an environment as it is now."""
    return secrets_for(values_of(environ))


def secrets_for(values: Values) -> Secrets:
    """What keeps these values out of a file; made once for equal values."""
    return _secrets(tuple(sorted(values.items())))


def values_of(environ: Mapping[str, str] = os.environ) -> Values:
    """The secret values of an environment.

    A variable counts as secret when its name holds KEY, TOKEN, SECRET, PASSWORD or CREDENTIAL and its value has eight
    characters or more; not where the value is an everyday word, a file that exists or the address of a host, nor where
    the name speaks of a tokenizer or a keyboard.
    """
    named = {name: value.strip() for name, value in environ.items() if SECRET_NAME.search(name)}
    return {
        value: f"the value of the environment variable {name}"
        for name, value in sorted(named.items(), reverse=True)
        if is_telling(value) and not NO_SECRET_NAME.search(name) and not _is_place(value)
    }


def is_telling(value: str) -> bool:
    """Whether a value, where it occurs, does not occur by chance."""
    return len(value) >= _MIN_LENGTH and value.lower() not in COMMON_VALUES and value != PLACEHOLDER


@lru_cache(maxsize=16)
def _secrets(values: tuple[tuple[str, str], ...]) -> Secrets:
    return Secrets(dict(values))


def _is_place(value: str) -> bool:
    """Whether a value says where something is: a secret that looks like a path does not exist as a file."""
    return bool(HOST.fullmatch(value)) or (value.startswith(_PATH_STARTS) and _exists(value))


def _exists(value: str) -> bool:
    try:
        return Path(value).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, a zero byte, no home
        return False


def merged(spans: Iterable[Span]) -> list[Span]:
    """The spans, which come in order, with those that overlap made one."""
    apart: list[Span] = []
    for start, end, what in spans:
        if apart and start < apart[-1][1]:
            begin, until, first = apart[-1]
            apart[-1] = (begin, max(until, end), first)
        else:
            apart.append((start, end, what))
    return apart


def _cut_out(text: str, spans: list[Span]) -> str:
    ends = [0, *(end for _, end, _ in spans)]
    starts = [*(start for start, _, _ in spans), len(text)]
    return PLACEHOLDER.join(text[end:start] for end, start in zip(ends, starts, strict=True))
