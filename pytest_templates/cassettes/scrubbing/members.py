"""Secret members in any text: in JSON after prose, in fences or in strings, in dicts of Python, YAML and variables.

What stands under a quoted name is secret whatever it is: a text, a number of four digits or more, the words in a list
or an object. Prose and code use the same names without quotes ("the password: required", ``api_key=self.key``), so
there a value has to look like one. The schema of a member (``{"password": {"type": "string"}}``) says no secret.

Every pattern takes what it has matched for good, and looks at a bounded piece of text beside it: the time grows with
the length of the text, whoever wrote it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final, NamedTuple

from pytest_templates.cassettes.format.canonical_json import Json
from pytest_templates.redaction.policy import is_secret_member, is_vague_member
from pytest_templates.redaction.secrets import PLACEHOLDER, Source, Span, merged

# What the names of secrets end in, from a letter that is not too frequent on, so that few places have to be looked at:
# key, token, cookie; passwd, pwd, password; secret; authorization; credential; passphrase; connectionString; assertion
_ENDINGS: Final = ("key", "ken", "kie", "wd", "word", "cret", "zation", "dential", "phrase", "string", "ssertion")
_STYLES: Final = "|".join(style for end in _ENDINGS for style in dict.fromkeys([end, end.capitalize(), end.upper()]))
_NAME: Final = re.compile(  # its end, and what stands between it and the value
    rf"(?:{_STYLES})[sS]?(?:[_-]?[0-9]{{1,3}})?(?P<quote>\\*+[\"'])?\]?(?P<gap>\s{{0,40}}(?::=|=>|[:=])\s{{0,200}}+)"
)
_BARE_NAME: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
_MAX_NAME: Final = 100  # characters
_MAX_DEPTH: Final = 8  # of lists and objects under a secret name
_MIN_DIGITS: Final = 4  # of a number; fewer are counts

_TEXT: Final = re.compile(  # an answer that was cut short may end in it
    r"[bBrRuU]?(?:\"(?P<double>[^\"\\]*+(?:\\.[^\"\\]*+)*+)(?:\"|\\?\Z)|'(?P<single>[^'\\\n]*+(?:\\.[^'\\\n]*+)*+)(?:'|\\?\Z))",
    re.DOTALL,
)
_MOST_PASSES: Final = 5
_INTEGER: Final = re.compile(r"-?[1-9][0-9]*+(?![0-9.eE\w])")
_BARE: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]{2,20} )?(?P<value>[^\s\"'`,;&<>(){}\[\]|\\]+)(?P<after>[(\[{]?)")
_TOKEN: Final = re.compile(
    r"(?P<text>\"[^\"\\]*+(?:\\.[^\"\\]*+)*+(?:\"|\\?\Z)|'[^'\\\n]*+(?:\\.[^'\\\n]*+)*+(?:'|\\?\Z))(?P<is_name>\s{0,40}:)?|[\[\]{}]",
    re.DOTALL,
)

A_MEMBER: Final = Source("the value of a secret member")
A_NUMBER: Final = Source("the number in a secret member")


def member_spans(text: str) -> Iterator[Span]:
    """Where the values of secret members are in a text; also in JSON that stands in it as a text, however deep."""
    done, is_hidden = 0, False
    for name in secret_names(text):
        is_hidden = is_hidden or name.is_escaped
        if not name.is_escaped and name.end >= done:
            spans, done = _values(text, name)
            yield from spans
    if is_hidden:
        read = _Read(text)
        yield from ((read.place(start), read.place(end), source) for start, end, source in member_spans(read.text))


class Name(NamedTuple):
    """A name in a text that says that a secret follows.

    Attributes:
        end: Where its value begins.
        is_quoted: Whether it stands in quotes.
        is_escaped: Whether these are escaped, as in JSON that stands as a text in JSON.
        is_vague: Whether only the value shows that it is secret.
        gap: What stands between the name and its value.
    """

    end: int
    is_quoted: bool
    is_escaped: bool
    is_vague: bool
    gap: str


def secret_names(text: str) -> Iterator[Name]:
    """The names in a text that say that a secret follows, in order."""
    for found in _NAME.finditer(text):
        quote = found["quote"] or ""
        name = _quoted(text, found.start("quote"), quote[-1]) if quote else _bare(text, found.start("gap"))
        is_vague = is_vague_member(name)
        if is_vague or is_secret_member(name):
            yield Name(found.end(), bool(quote), len(quote) > 1, is_vague, found["gap"])


def _quoted(text: str, end: int, quote: str) -> str:
    start = text.rfind(quote, max(0, end - _MAX_NAME), end)
    return text[start + 1 : end] if start >= 0 and "\n" not in text[start:end] else ""


def _bare(text: str, end: int) -> str:
    near = text[max(0, end - _MAX_NAME) : end].rstrip("]")
    rest = near.rstrip(_BARE_NAME)
    name = near[len(rest) :]
    return name[1:] if rest.endswith("\\") else name  # \n of JSON stands before it


def _values(text: str, name: Name) -> tuple[list[Span], int]:
    """Where the value of a member is, or the values in it; and up to where no other name has to be looked at."""
    found = _TEXT.match(text, name.end)
    if found:
        group = "double" if found["double"] is not None else "single"
        return ([(*found.span(group), A_MEMBER)], found.end()) if _is_secret(found[group], name) else ([], name.end)
    if not name.is_quoted:
        return _bare_value(text, name)
    if name.is_vague:
        return [], name.end
    number = _INTEGER.match(text, name.end)
    if number:
        return [(*number.span(), A_NUMBER)] if is_secret_number(number[0]) else [], number.end()
    spans = _values_in(text, name.end) if text[name.end : name.end + 1] in {"[", "{"} else []
    return spans, spans[-1][1] if spans else name.end


def _bare_value(text: str, name: Name) -> tuple[list[Span], int]:
    found = _BARE.match(text, name.end)
    if not found:
        return [], name.end
    start, value = found.start("value"), found["value"].rstrip(".:!?")
    is_secret = not found["after"] and _looks_secret(value, name)
    return [(start, start + len(value), A_MEMBER)] if is_secret else [], found.end("value")


def _values_in(text: str, start: int) -> list[Span]:
    """The words in a list or an object; none where it is the schema of a member, or no end of it is near."""
    spans, names, texts, depth = [], set(), set(), 0
    for token in _TOKEN.finditer(text, start):
        written = token["text"]
        if written is None:
            depth += 1 if token[0] in "[{" else -1
            if depth > _MAX_DEPTH:
                return []
            if not depth:
                break
        elif token["is_name"]:
            names.add(written.strip("\"'"))
        else:
            begin, end = token.start("text") + 1, token.end("text") - (len(written) > 1 and written[-1] == written[0])
            texts.add(text[begin:end])
            if is_secret_word(text[begin:end]):
                spans.append((begin, end, A_MEMBER))
    return [] if is_schema(names, texts) else spans


_TYPES: Final = frozenset(["string", "number", "integer", "boolean", "array", "object", "null"])  # of JSON schemas
_SCHEMA_NAMES: Final = frozenset(["$ref", "anyOf", "oneOf", "allOf", "any_of", "properties", "writeOnly", "format"])
_ANNOTATIONS: Final = frozenset(["title", "description", "default", "enum", "const", "examples", "required"])


def is_schema(names: set[str], texts: set[str]) -> bool:
    """Whether an object says what a member looks like: the names in it, and the texts."""
    has_type = "type" in names and any(text.lower() in _TYPES for text in texts)
    return has_type or bool(names & _SCHEMA_NAMES) or bool(names and names <= _ANNOTATIONS)


def is_secret_word(text: str) -> bool:
    """Whether a text in a list or an object under a secret name is secret; sentences are about it."""
    return bool(text) and text != PLACEHOLDER and not any(map(str.isspace, text))


def is_secret_number(written: str) -> bool:
    """Whether an integer under a secret name is secret; small ones are counts."""
    return len(written.lstrip("-")) >= _MIN_DIGITS


def is_secret_value(value: str, *, is_vague: bool) -> bool:
    """Whether a text under a quoted name is secret; under a vague name it has to look like one."""
    return bool(value) and value != PLACEHOLDER and (not is_vague or _is_mixed(value, 8))


def _is_secret(value: str, name: Name) -> bool:
    if name.is_quoted:
        return is_secret_value(value, is_vague=name.is_vague)
    return value != PLACEHOLDER and not _NO_VALUE.fullmatch(value) and (not name.is_vague or _is_mixed(value, 8))


# in quotes behind a name without quotes: words, names of variables, references, sentences
_NO_VALUE: Final = re.compile(
    r"[A-Za-z]{0,11}|[A-Za-z]+(?:_[A-Za-z]+)+|[<$%{].*|\W*|.{0,3}|.*\s.*|(?i:your|my)\W.*", re.DOTALL
)
_NAME_OF_ONE: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|_*[a-z]+[0-9]{0,2}(?:_[a-z]+[0-9]{0,2})+|.*://.*")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{2,20} ")


def _is_mixed(value: str, least: int) -> bool:
    """Whether a text is one word with a letter and a digit in it; the scheme of a header may stand before it."""
    scheme = _SCHEME.match(value)
    word = value[scheme.end() :] if scheme else value
    has_both = any(map(str.isdigit, word)) and any(map(str.isalpha, word))
    return len(word) >= least and has_both and not any(map(str.isspace, word))


def _looks_secret(value: str, name: Name) -> bool:
    """Whether what stands behind a name, both without quotes, is a secret and no code or prose."""
    if value == PLACEHOLDER or value[:1] in {"$", "<", "%"} or _NAME_OF_ONE.fullmatch(value):
        return False
    if name.gap == "=":
        return _is_mixed(value, 6) or (len(value) >= 6 and value.isdigit() and not name.is_vague)
    return _is_mixed(value, 16 if "=" in name.gap else 8 if name.is_vague else 6)


class _Read:
    """A text with its escapes read, and where in the text each part of it stands.

    Args:
        text: The text as it is written.
    """

    def __init__(self, text: str) -> None:
        pieces: list[str] = []
        self._starts, self._places = [0], [0]
        self._is_plain = [True]
        at = 0
        for escape in _ESCAPE.finditer(text):
            self._add(pieces, text[at : escape.start()], at, is_plain=True)
            self._add(pieces, _read(escape[0]), escape.start(), is_plain=False)
            at = escape.end()
        self._add(pieces, text[at:], at, is_plain=True)
        self._add(pieces, "", len(text), is_plain=False)
        self.text = "".join(pieces)

    def _add(self, pieces: list[str], read: str, place: int, *, is_plain: bool) -> None:
        start = self._starts[-1] + (len(pieces[-1]) if pieces else 0)
        pieces.append(read)
        self._starts.append(start)
        self._places.append(place)
        self._is_plain.append(is_plain)

    def place(self, position: int) -> int:
        """Where in the text a position of what was read is."""
        piece = bisect_right(self._starts, position) - 1
        return self._places[piece] + (position - self._starts[piece] if self._is_plain[piece] else 0)


_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.|\Z)", re.DOTALL
)
_SHORT: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def _read(escape: str) -> str:
    if len(escape) <= 2:
        return _SHORT.get(escape[1:], escape[1:])
    units = [int(escape[start : start + 4], 16) for start in range(2, len(escape), 6)]
    return "".join(map(chr, units)).encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")


def without_members(text: str) -> str:
    """The text with a placeholder for each of these values, and 0 for numbers."""
    for _ in range(_MOST_PASSES):  # a value that is replaced may have hidden another one beside it
        before, text = text, _without_members(text)
        if text == before:
            break
    return text


def _without_members(text: str) -> str:
    parts, done = [], 0
    for start, end, source in merged(sorted(member_spans(text))):
        parts += [text[done:start], placeholder(source)]
        done = end
    return "".join([*parts, text[done:]])


def placeholder(source: Source) -> str:
    """What is written in place of a secret: JSON that holds it stays JSON of the same kind."""
    return "0" if source is A_NUMBER else PLACEHOLDER


def without_values(value: Json, *, is_vague: bool) -> Json:
    """The same for the value of a secret member of JSON."""
    if isinstance(value, str):
        return PLACEHOLDER if is_secret_value(value, is_vague=is_vague) else value
    if isinstance(value, int) and not isinstance(value, bool) and not is_vague:
        return 0 if is_secret_number(str(value)) else value
    if is_vague or not isinstance(value, (list, dict)) or is_schema(*_contents(value)):
        return value
    return _without_words(value)


def _without_words(value: Json) -> Json:
    if isinstance(value, str):
        return PLACEHOLDER if is_secret_word(value) else value
    if isinstance(value, list):
        return [_without_words(inner) for inner in value]
    return {name: _without_words(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def _contents(value: Json) -> tuple[set[str], set[str]]:
    """The names and the texts in a list or an object."""
    names: set[str] = set()
    texts: set[str] = set()
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            names.update(one)
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
        elif isinstance(one, str):
            texts.add(one)
    return names, texts
