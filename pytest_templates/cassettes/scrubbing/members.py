"""Secret members in any text: in JSON after prose, in fences or in strings, in dicts of Python, YAML and variables.

What is secret under a quoted name, `values` says. Prose and code use the same names without quotes ("the password:
required", ``api_key=self.key``), so there a value has to look like one. Where nothing but words, a mark of Markdown or
the space behind an option stands in between ("the password is …", ``--api-key …``), or the name is of two words ("API
key: …"), it has to look random.

Every pattern takes what it has matched for good, and looks at a bounded piece of text beside it: the time grows with
the length of the text, whoever wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from pytest_templates.cassettes.scrubbing.elements import element_spans, may_hold_elements
from pytest_templates.cassettes.scrubbing.escapes import json_read
from pytest_templates.cassettes.scrubbing.values import (
    A_MEMBER,
    A_NUMBER,
    is_like_one,
    is_mixed,
    is_schema,
    is_secret_number,
    is_secret_value,
    is_secret_word,
    placeholder,
)
from pytest_templates.redaction.policy import Certainty, certainty_of, is_name_member, is_value_member, looks_random
from pytest_templates.redaction.secrets import PLACEHOLDER, Span, merged

# What the names of secrets end in, from a letter that is not too frequent on, so that few places have to be looked at:
# key, token, cookie; passwd, pwd, password; secret; authorization; credential; passphrase; connectionString; assertion;
# pass, passcode, code; session; authentication; bearer; auth; jwt; pat; verifier; binary; sessionid, PHPSESSID; otp;
# pin; and what these are written as
_ENDINGS: Final = (
    *("key", "ken", "kie", "wd", "word", "cret", "zation", "dential", "phrase", "string", "ssertion"),
    *("pass", "code", "ssion", "cation", "bearer", "uth", "jwt", "pat", "fier", "binary"),
    *("ssionid", "sessid", "otp", "pin", "value", "pem", "sh", "base64", "b64"),
)
_STYLES: Final = sorted({style for end in _ENDINGS for style in (end, end.capitalize(), end.upper())})
_ENDS: Final = "|".join(  # those that begin alike together: few are left to be tried where a letter is met
    f"{first}(?:{'|'.join(style[1:] for style in styles)})" for first, styles in groupby(_STYLES, key=itemgetter(0))
)
_NAME: Final = re.compile(  # its end, and what stands between it and the value
    rf"(?:{_ENDS})[sS]?(?:[_-]?[vV]?[0-9]{{1,3}})?(?P<quote>\\*+[\"'])?\]?(?P<gap>\s{{0,40}}(?::=|=>|[:=])"
    r"|(?P<loose>(?=[`*\s|→])[`*]{0,3}(?:\s{0,40}(?:->|[:=|→]|(?:is|to|was)\b:?))?\s{0,40}[`*\"']{0,3}(?=[A-Za-z0-9_+/=.~-]{20})))"
)
_SPACE: Final = re.compile(r"\s{0,200}+")
_REACH: Final = 128  # characters from the first letter of such an end to the colon or equals sign behind it
_LONG_ESCAPE: Final = "\\" * 64  # what makes it more than that
_LONGEST_SIGN: Final = len(":=")
_LONG_WORD: Final = re.compile(r"[A-Za-z0-9_+/=.~-]{20,}")  # what may stand loosely behind a name
_LEAST_LONG: Final = 20
_DENSE: Final = 32  # characters for each of these signs: it takes longer to look between them than at all of the text
_BARE_NAME: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
_KEYS: Final = frozenset(["key", "Key", "KEY", "keys", "Keys", "KEYS"])
_WORD_BEFORE: Final = re.compile(r"[A-Za-z]{1,20} \Z")
_MAX_NAME: Final = 100  # characters
_MAX_DEPTH: Final = 8  # of lists and objects under a secret name
_NAMED: Final = re.compile(  # what says what a value is called, just before it: in JSON, in dicts of Python and in YAML
    r"(?<!\w)(?P<quote>\\*[\"']?)(?P<label>\w{1,40})(?P=quote)\s{0,9}:\s{0,9}"
    r"\\*[\"']?(?P<name>[\w. -]{1,100}?)(?:\\*[\"'])?\s{0,9}(?:[,\n]|\\+n)\s{0,40}\\*[\"']?\Z"
)

_TEXT: Final = re.compile(  # an answer that was cut short may end in it
    r"[bBrRuU]?(?:\"(?P<double>[^\"\\]*+(?:\\.[^\"\\]*+)*+)(?:\"|\\?\Z)|'(?P<single>[^'\\\n]*+(?:\\.[^'\\\n]*+)*+)(?:'|\\?\Z))",
    re.DOTALL,
)
_MOST_PASSES: Final = 5
_INTEGER: Final = re.compile(r"-?[1-9][0-9]*+(?![0-9.eE\w])")
_BARE: Final = re.compile(  # the scheme of a header may stand before it, which is a word
    rf"(?:(?!{PLACEHOLDER} )(?:[A-Za-z][A-Za-z-]{{2,20}}|(?:[A-Z0-9]{{2,5}}-)?(?:HMAC|RSA)-SHA256) )?"
    r"(?P<value>[^\s\"'`,;&<>(){}\[\]|\\]+)(?P<after>[(\[{]?)"
)
_NUMBERED: Final = re.compile(  # a word with a number, which is a scheme or the value itself
    r"(?P<scheme>(?=[A-Za-z-]{0,20}[0-9])[A-Za-z]{1,20}[0-9]{0,3}(?:-[A-Za-z]{1,20}[0-9]{0,3}){0,3}) "
    r"(?P<value>[^\s\"'`,;&<>(){}\[\]|\\=]++=*+)(?P<after>[(\[{\w]?)"
)
_KNOWN_SCHEME: Final = re.compile(
    r"(?i:oauth|token|jwt|bearer|basic|digest|ntlm|api-?key)-?[vV]?[0-9]{1,3}|(?:[A-Z0-9]{2,5}-)?(?:HMAC|RSA)-SHA[0-9]{1,3}"
)
_TOKEN: Final = re.compile(
    r"(?P<text>\"[^\"\\]*+(?:\\.[^\"\\]*+)*+(?:\"|\\?\Z)|'[^'\\\n]*+(?:\\.[^'\\\n]*+)*+(?:'|\\?\Z))(?P<is_name>\s{0,40}:)?|[\[\]{}]",
    re.DOTALL,
)


def member_spans(text: str) -> Iterator[Span]:
    """Where the values of secret members are in a text; also in JSON that stands in it as a text, however deep."""
    yield from element_spans(text)
    done, is_hidden = 0, False
    for name in secret_names(text):
        is_hidden = is_hidden or name.is_escaped
        if not name.is_escaped and name.end >= done:
            spans = _under_quoted(text, name) if name.is_quoted else _under_bare(text, name)
            yield from spans
            done = spans[-1][1] if spans else _end_of_word(text, name)
    if is_hidden:
        read = json_read(text)
        yield from ((read.place(start), read.place(end), source) for start, end, source in member_spans(read.text))


class Name(NamedTuple):
    """A name in a text that says that a secret follows.

    Attributes:
        end: Where its value begins.
        is_quoted: Whether it stands in quotes.
        is_escaped: Whether these are escaped, as in JSON that stands as a text in JSON.
        certainty: How sure it is.
        gap: What stands between the name and its value.
        is_loose: Whether that is no more than words, a mark of Markdown or a space, or the name is of two words.
    """

    end: int
    is_quoted: bool
    is_escaped: bool
    certainty: Certainty
    gap: str
    is_loose: bool


def secret_names(text: str) -> Iterator[Name]:
    """The names in a text that say that a secret follows, in order."""
    for found, written in _names(text):
        quote = found["quote"] or ""
        start = found.start("quote" if quote else "gap") - len(written)
        certainty = certainty_of((is_value_member(written) and _named_before(text, start)) or written)
        is_loose = found["loose"] is not None or " " in written
        if certainty is not None and not (is_loose and _says_nothing(found["gap"], written, certainty)):
            space = _SPACE.match(text, found.end())
            end = space.end() if space else found.end()
            gap = text[found.start("gap") : end]
            yield Name(end + text.startswith("`", end), bool(quote), len(quote) > 1, certainty, gap, is_loose)


def _says_nothing(gap: str, name: str, certainty: Certainty) -> bool:
    """Whether a name and what follows it loosely have nothing to do with each other."""
    is_option = name.startswith("-")
    is_telling = certainty in {Certainty.ANY, Certainty.VAGUE} or name.lower().endswith("token")
    return not is_telling or (not gap.strip() and not is_option)


def may_hold_members(text: str) -> bool:
    """Whether there may be a secret member in a text of JSON, or in the texts in it."""
    is_named = any(certainty_of(name) or is_value_member(name) for _, name in _names(text))
    return is_named or may_hold_elements(text)


def _names(text: str) -> Iterator[tuple[re.Match[str], str]]:
    for start, end in _near_signs(text):
        for found in _NAME.finditer(text, start, end):
            quote = found["quote"] or ""
            yield found, _quoted(text, found.start("quote"), quote[-1]) if quote else _bare(text, found.start("gap"))


def _near_signs(text: str) -> Iterator[tuple[int, int]]:
    """The parts of a text before its colons, equals signs and long words: elsewhere, as in most prose, is no name."""
    signs = text.count(":") + text.count("=")
    if signs * _DENSE > len(text) or _LONG_ESCAPE in text:
        yield 0, len(text)
        return
    start = end = 0
    words = ((word.start(), _LONGEST_SIGN + _LEAST_LONG) for word in _LONG_WORD.finditer(text))
    for place, length in sorted([*_places(":", text), *_places("=", text), *words]):
        if place - _REACH > end:
            yield start, end
            start = place - _REACH
        end = max(end, place + length)
    yield start, end


def _places(sign: str, text: str) -> Iterator[tuple[int, int]]:
    place = text.find(sign)
    while place >= 0:
        yield place, _LONGEST_SIGN
        place = text.find(sign, place + 1)


def _quoted(text: str, end: int, quote: str) -> str:
    start = text.rfind(quote, max(0, end - _MAX_NAME), end)
    return text[start + 1 : end] if start >= 0 and "\n" not in text[start:end] else ""


def _bare(text: str, end: int) -> str:
    near = text[max(0, end - _MAX_NAME) : end].rstrip("]")
    rest = near.rstrip(_BARE_NAME)
    name = near[len(rest) :]
    if rest.endswith("\\"):
        return name[1:]  # \n of JSON stands before it
    return _in_two_words(rest, name) if name in _KEYS else name


def _in_two_words(before: str, key: str) -> str:
    """A key with the word before it, where the two say that it is secret, as in prose: an API key."""
    word = _WORD_BEFORE.search(before)
    name = f"{word[0]}{key}" if word else key
    return name if certainty_of(name) is Certainty.ANY else key


def _named_before(text: str, end: int) -> str:
    """What a value is called by the member before it: ``{"name": "PASSWORD", "value": ``."""
    colon = text.rfind(":", max(0, end - 2 * _MAX_NAME), end)
    found = _NAMED.search(text, max(0, colon - _MAX_NAME), end) if colon >= 0 else None
    return found["name"] if found and is_name_member(found["label"]) else ""


def _under_quoted(text: str, name: Name) -> list[Span]:
    """Where the value of a member with a quoted name is, or the values in it."""
    found = _TEXT.match(text, name.end)
    if found:
        return [_inside(found)] if is_secret_value(_content(found), name.certainty) else []
    number = _INTEGER.match(text, name.end)
    if number:
        return [(*number.span(), A_NUMBER)] if is_secret_number(number[0], name.certainty) else []
    if name.certainty is not Certainty.ANY:
        return []
    return _values_in(text, name.end) if text[name.end : name.end + 1] in {"[", "{"} else []


def _under_bare(text: str, name: Name) -> list[Span]:
    """Where the value of a member is whose name stands without quotes, as in prose and code.

    Of two words that look like secrets, only the second is one behind a known scheme (OAuth2), and else both are.
    """
    found = _TEXT.match(text, name.end)
    if found:
        value = _content(found)
        is_secret = value != PLACEHOLDER and not _NO_VALUE.fullmatch(value) and is_like_one(value, name.certainty)
        return [_inside(found)] if is_secret else []
    first = _bare_value(_BARE.match(text, name.end), name)
    numbered = _NUMBERED.match(text, name.end)
    if not numbered:
        return first
    second = _bare_value(numbered, name)
    is_scheme = (second or numbered["value"].startswith(PLACEHOLDER)) and _KNOWN_SCHEME.fullmatch(numbered["scheme"])
    return second if is_scheme else first + second


def _bare_value(found: re.Match[str] | None, name: Name) -> list[Span]:
    if not found or found["after"]:
        return []
    start, value = found.start("value"), found["value"].rstrip(".:!?*")
    return [(start, start + len(value), A_MEMBER)] if _looks_secret(value, name) else []


def _end_of_word(text: str, name: Name) -> int:
    """Up to where no other name is looked at where this one holds no secret: the end of a word without quotes."""
    found = None if name.is_quoted else _BARE.match(text, name.end)
    return found.end("value") if found else name.end


def _content(text: re.Match[str]) -> str:
    return text["single"] if text["double"] is None else text["double"]


def _inside(text: re.Match[str]) -> Span:
    return (*text.span("single" if text["double"] is None else "double"), A_MEMBER)


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


# in quotes behind a name without quotes: words, names of variables, references, sentences
_NO_VALUE: Final = re.compile(
    r"[A-Za-z]{0,11}|[A-Za-z]+(?:_[A-Za-z]+)+|[<$%{].*|\W*|.{0,3}|.*\s.*|(?i:your|my)\W.*", re.DOTALL
)
_NAME_OF_ONE: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|_*[a-z]+[0-9]{0,2}(?:_[a-z]+[0-9]{0,2})+|.*://.*")


def _looks_secret(value: str, name: Name) -> bool:
    """Whether what stands behind a name, both without quotes, is a secret and no code or prose."""
    if value == PLACEHOLDER or value[:1] in {"$", "<", "%"} or _NAME_OF_ONE.fullmatch(value):
        return False
    if name.is_loose:
        return looks_random(value)
    if name.certainty is Certainty.GENERIC:
        return is_like_one(value, name.certainty)
    if name.certainty is Certainty.CODE:
        return name.gap == "=" and is_like_one(value, name.certainty)
    is_vague = name.certainty is Certainty.VAGUE
    if name.gap == "=":
        return is_mixed(value, 6) or (len(value) >= 6 and value.isdigit() and not is_vague)
    return is_mixed(value, 16 if "=" in name.gap else 8 if is_vague else 6)


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
