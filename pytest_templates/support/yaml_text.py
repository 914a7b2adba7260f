"""YAML for people: the subset of it that cassettes are written in, and its reader.

PyYAML's own emitters show a text with an emoji, a tab or a space at the end of a line as one long escaped line. This
one writes block text wherever nothing can be lost by it; what YAML or an editor might change is written in double
quotes with escapes. Plain JSON values are all that it knows. Reading is done by libyaml where PyYAML has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import lru_cache, partial
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import yaml

if TYPE_CHECKING:
    from yaml import SafeLoader as _FastLoader
else:
    _FastLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


Node: TypeAlias = Any  # None, bool, int, float, str, TextParts, list of nodes, Items or dict from str to nodes
Place: TypeAlias = tuple[str | int, ...]  # the way to a value in a document: names and indices

_MUST_ESCAPE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_NOT_BLOCK: Final = re.compile(r"[ \t](\n|$)")
_PLAIN: Final = re.compile(r"[^\W\d_](?: ?[^\s:#]++|:(?=[^\s])|(?<=[^\s])#| (?=:))*")
_FILLED_LINE: Final = re.compile(r"\n(?=[^\n])")
_SLICE: Final = 2**16  # characters of a text that are written at once
_MOST_VALUES: Final = 10_000_000  # of a document of 100 MB, in which each takes ten characters
_RESERVED: Final = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def dump(node: Node) -> str:
    """Write a mapping as a YAML document."""
    return "".join(parts(node))


def parts(node: Node) -> Iterator[str]:
    """The same document in parts, none of which is long."""
    return _written(_mapping(node, 0))


def item_parts(node: Node) -> Iterator[str]:
    """An item of a list that is the value of a document's key, in parts."""
    return _written(_sequence([node], 0))


def _written(lines: Iterable[str | _Long]) -> Iterator[str]:
    for line in lines:
        yield from line if isinstance(line, _Long) else (line, "\n")


@dataclass(frozen=True, slots=True)
class TextParts:
    """A text that is made while it is written.

    Attributes:
        parts: Gives it in parts, none of them empty.
    """

    parts: Callable[[], Iterator[str]]

    def __iter__(self) -> Iterator[str]:
        return self.parts()

    def block_mark(self) -> str | None:
        """As of `_block_mark`; ``None`` where the text does not fit a block."""
        ends = before = ""
        has_lines = False
        for part in self:
            if _MUST_ESCAPE.search(part) or _NOT_BLOCK.search(f"{before}{part}x"):
                return None
            has_lines = has_lines or "\n" in part
            ends = f"{ends[:1] or part[0]}{(before + part)[-2:]}"
            before = part[-1]
        return _block_mark(ends) if has_lines and _fits_block(ends) else None


@dataclass(frozen=True, slots=True)
class Items:
    """A list that is made while it is written.

    Attributes:
        make: Gives its items; there is one at least.
    """

    make: Callable[[], Iterator[Node]]

    def __iter__(self) -> Iterator[Node]:
        return self.make()


@dataclass(frozen=True, slots=True)
class _Long:
    """Lines that hold a long text: that of a scalar, taken apart.

    Attributes:
        start: What stands before it.
        text: The text, in parts.
        indent: How far a block is indented; ``None`` for a text in quotes.
    """

    start: str
    text: Iterable[str]
    indent: int | None

    def __iter__(self) -> Iterator[str]:
        yield self.start
        if self.indent is None:
            yield '"'
            yield from (_quoted(piece)[1:-1] for piece in self.text)
            yield '"\n'
        else:
            yield from self._block(" " * self.indent)

    def _block(self, margin: str) -> Iterator[str]:
        last = "\n"
        for piece in self.text:
            yield margin if last == "\n" and piece[0] != "\n" else ""
            yield _FILLED_LINE.sub(rf"\n{margin}", piece)
            last = piece[-1]
        yield "" if last == "\n" else "\n"


def slices(text: str) -> Iterator[str]:
    """A long text in parts."""
    return (text[start : start + _SLICE] for start in range(0, len(text), _SLICE))


def _block(node: Node, indent: int) -> Iterator[str | _Long]:
    return _mapping(node, indent) if isinstance(node, dict) else _sequence(node, indent)


def _mapping(node: dict[str, Node], indent: int) -> Iterator[str | _Long]:
    for key, value in node.items():
        yield from _entry(f"{' ' * indent}{_line(key)}:", value, indent)


def _entry(start: str, value: Node, indent: int) -> Iterator[str | _Long]:
    if isinstance(value, (dict, list, Items)) and value:
        yield start
        yield from _block(value, indent + 2 if isinstance(value, dict) else indent)
    else:
        yield from _scalar(f"{start} ", value, indent)


def _sequence(node: Iterable[Node], indent: int) -> Iterator[str | _Long]:
    dash = f"{' ' * indent}- "
    for value in node:
        if isinstance(value, (dict, list, Items)) and value:
            lines = _block(value, indent + 2)
            first = next(lines)
            yield (
                replace(first, start=dash + first.start[indent + 2 :])
                if isinstance(first, _Long)
                else (dash + first[indent + 2 :])
            )
            yield from lines
        else:
            yield from _scalar(dash, value, indent)


def _scalar(start: str, value: Node, indent: int) -> Iterator[str | _Long]:
    if isinstance(value, str) and len(value) > _SLICE:
        value = TextParts(partial(slices, value))
    if isinstance(value, TextParts):
        mark = value.block_mark()
        yield _Long(start, value, None) if mark is None else _Long(f"{start}{mark}\n", value, indent + 2)
    elif isinstance(value, str) and "\n" in value and _fits_block(value):
        yield start + _block_mark(value)
        yield from (f"{' ' * (indent + 2)}{line}" if line else "" for line in _block_lines(value))
    else:
        yield start + _line(value)


def _fits_block(text: str) -> bool:
    return bool(text.strip("\n")) and not _MUST_ESCAPE.search(text) and not _NOT_BLOCK.search(text)


def _block_mark(text: str) -> str:
    """``|``, with the indentation where the first line would hide it, and what happens to the last line break."""
    indentation = "2" if text[0] in " \t\n" else ""
    if not text.endswith("\n"):
        return f"|{indentation}-"
    return f"|{indentation}+" if text.endswith("\n\n") else f"|{indentation}"


def _block_lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")


def _line(value: Node) -> str:
    if isinstance(value, str):
        return value if _is_plain(value) else _quoted(value)
    if isinstance(value, float):
        return _float(value)
    return json.dumps(value)  # null, true, 12, [] and {} are the same in YAML


def _is_plain(text: str) -> bool:
    is_written = text.isprintable() or not _MUST_ESCAPE.search(text)  # many times faster where it is
    return is_written and bool(_PLAIN.fullmatch(text)) and text.lower() not in _RESERVED


def _quoted(text: str) -> str:
    return _MUST_ESCAPE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def _float(value: float) -> str:
    """YAML 1.1 knows a float by its dot."""
    text = repr(value)
    return text if "." in text else text.replace("e", ".0e")


class YamlError(ValueError):
    """A text is no YAML, or not of the kind that is read here.

    Attributes:
        problem: What is wrong, in words.
        line: Where, from 1.
    """

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(f"{problem}, in line {line}")
        self.problem = problem
        self.line = line


class _Loader(_FastLoader):
    """Reads plain values only, and refuses a mapping that names a key twice and a value that is not what it says."""

    yaml_constructors = {  # noqa: RUF012 - PyYAML's own class attribute, without dates, sets, pairs
        tag: construct
        for tag, construct in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in {"null", "bool", "int", "float", "str", "binary", "seq", "map"}
    }

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own class attribute, without dates and merges
        first: [pair for pair in pairs if pair[0].rpartition(":")[2] in {"null", "bool", "int", "float"}]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, OverflowError) as error:  # PyYAML lets them through
            raise _refused(f"a value cannot be read ({error})", node) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) != len(node.value):
            raise yaml.constructor.ConstructorError(None, None, *_twice(node))
        return mapping


def _refused(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _twice(node: yaml.MappingNode) -> tuple[str, Any]:
    """The first key that stands a second time, in words, and where that is."""
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if key.value in lines:
            return (
                f"the key {key.value!r} stands twice in one mapping, first in line {lines[key.value]}",
                key.start_mark,
            )
        lines[key.value] = key.start_mark.line + 1
    return "a key stands twice in one mapping", node.start_mark


def load(text: str | bytes, loader: type[_FastLoader] = _Loader) -> Node:
    """Read a YAML document.

    Args:
        text: The document.
        loader: What makes values of it; by default plain ones.

    Raises:
        YamlError: The text is no YAML, names a key twice in one mapping, or holds a value that is none, aliases of
            aliases that stand for more than anybody writes, or more levels than can be read.
    """
    try:
        return _loaded(text, loader)
    except yaml.YAMLError as error:
        raise YamlError(*_fault(error, text)) from None  # of a deep text, its traceback is as deep
    except RecursionError:
        raise YamlError("it is nested too deeply", 1) from None


def _loaded(text: str | bytes, loader: type[_FastLoader]) -> Node:
    reading = loader(text)
    try:
        root = reading.get_single_node()
        if root is None:
            return None
        if "&" in text if isinstance(text, str) else b"&" in text:  # without one there are no aliases
            _written_out(root, {})
        return reading.construct_document(root)
    finally:
        reading.dispose()


def _written_out(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """How many values a node stands for when its aliases are written out.

    Raises:
        ConstructorError: It stands for more than `_MOST_VALUES`, or holds itself.
    """
    if isinstance(node, yaml.ScalarNode):
        return 1
    if node not in known:
        known[node] = _MOST_VALUES  # in itself
        held = chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value
        known[node] = 1 + sum(_written_out(one, known) for one in held)
        if known[node] > _MOST_VALUES:
            raise _refused("its aliases stand for themselves, or for millions of values", node)
    return known[node]


def _fault(error: yaml.YAMLError, text: str | bytes) -> tuple[str, int]:
    """What is wrong, in words, and in which line."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return getattr(error, "problem", None) or str(error), mark.line + 1
    before = text[: getattr(error, "position", 0)]
    line = (before.count("\n") if isinstance(before, str) else before.count(b"\n")) + 1
    return getattr(error, "reason", None) or str(error), line


class _OtherwiseError(Exception):
    """A text is not as `dump` writes it."""


def load_written(text: str) -> Node:
    """Read what `dump` or `item_parts` wrote, line by line, in a tenth of the time; any other text as `load` does.

    No text is taken here that `load` would read in another way.

    Raises:
        YamlError: As of `load`.
    """
    try:
        return _WrittenLines(text).document()
    except _OtherwiseError:
        return load(text)


_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,300})")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,300}\.[0-9]{1,300}(?:e[+-][0-9]{1,3})?")
_JSON: Final = json.JSONDecoder()
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_MOST_INDENT: Final = 128
_LONGEST_KEY: Final = 1000  # characters; YAML allows 1024
_LONGEST_KNOWN: Final = 100  # characters of a line that may come again
_WORDS: Final[Mapping[str, Node]] = MappingProxyType({"null": None, "true": True, "false": False})
_END: Final = "..."  # behind the last line: nothing that is written begins like this
_BLOCK_MARKS: Final = frozenset(["|", "|-", "|+", "|2", "|2-", "|2+"])


_is_plain_key: Final = lru_cache(maxsize=512)(_is_plain)  # keys stand in a cassette again and again


class _Kind(Enum):
    """What stands behind a key or a dash."""

    VALUE = auto()
    BLOCK = auto()  # the mark of a text that follows
    LIST = auto()  # an empty one
    MAPPING = auto()  # an empty one
    NOTHING = auto()  # what is meant follows in the next lines


_VALUE, _BLOCK, _LIST, _MAPPING, _NOTHING = _Kind  # by names of the module, since those of an enum are slow to find


class _Line(NamedTuple):
    """A line, taken apart.

    Attributes:
        indent: How many spaces come first.
        dashes: How many lists begin an item in it.
        key: The key behind that; ``None`` for none.
        kind: What comes then.
        value: The value, or the mark of the block.
    """

    indent: int
    dashes: int
    key: str | None
    kind: _Kind
    value: Node


@lru_cache(maxsize=512)  # most lines of a cassette stand in it again and again
def _taken_apart(line: str) -> _Line | None:
    if line == _END:
        return None
    rest = line.lstrip(" ")
    indent, dashes = len(line) - len(rest), 0
    while rest.startswith("- "):
        rest, dashes = rest[2:], dashes + 1
    key, mark = None, ""
    if rest.startswith('"'):
        text, end = _unquoted(rest)
        if end == len(rest):
            return _Line(indent, dashes, None, _VALUE, text)
        key, mark, rest = text, rest[end : end + 2], rest[end + 2 :]
    elif ": " in rest or rest.endswith(":"):
        start, mark, behind = rest.partition(": ")
        key, mark, rest = (start, mark, behind) if mark else (rest[:-1], ":", "")
        if not _is_plain_key(key):
            raise _OtherwiseError
    if key is not None and (mark != (": " if rest else ":") or len(key) > _LONGEST_KEY):
        raise _OtherwiseError
    return _Line(indent, dashes, key, *_meant(rest, key))


def _meant(written: str, key: str | None) -> tuple[_Kind, Node]:
    """What stands behind a key or a dash, and its value."""
    if not written and key is not None:
        return _NOTHING, None
    if written.startswith('"'):
        text, end = _unquoted(written)
        if end == len(written):
            return _VALUE, text
    elif written in _WORDS:
        return _VALUE, _WORDS[written]
    elif _is_plain(written):
        return _VALUE, written
    elif _INTEGER.fullmatch(written):
        return _VALUE, int(written)
    elif _DECIMAL.fullmatch(written):
        return _VALUE, float(written)
    elif written in _BLOCK_MARKS:
        return _BLOCK, written
    elif written in {"[]", "{}"}:
        return (_LIST if written == "[]" else _MAPPING), None
    raise _OtherwiseError


def _unquoted(written: str) -> tuple[str, int]:
    """The text in quotes that something begins with, and where it ends."""
    try:
        text, end = _JSON.raw_decode(written)
    except ValueError:
        raise _OtherwiseError from None
    if _SURROGATE.search(written, 0, end):  # YAML makes two characters of a pair
        raise _OtherwiseError
    return text, end


class _WrittenLines:
    """The lines of a document, read one after the other.

    Raises:
        _OtherwiseError: By every method, where a line is not as `dump` writes it.
    """

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        if self._lines[-1] or (not text.replace("\n", "").isprintable() and _MUST_ESCAPE.search(text)):
            raise _OtherwiseError
        self._lines[-1] = _END
        self._at = 0
        self._next = self._taken_apart()

    def _taken_apart(self) -> _Line | None:
        """The line that is next; ``None`` behind the last one."""
        line = self._lines[self._at]
        return _taken_apart(line) if len(line) <= _LONGEST_KNOWN else _taken_apart.__wrapped__(line)

    def document(self) -> Node:
        """All of it."""
        first = self._next
        if first is None or first.indent:
            raise _OtherwiseError
        node = self._sequence(0, first) if first.dashes else self._mapping(0, first)
        if self._at != len(self._lines) - 1:
            raise _OtherwiseError
        return node

    def _sequence(self, indent: int, line: _Line) -> list[Node]:
        """The items whose dashes stand in a column, from a line on."""
        items: list[Node] = []
        while True:
            if line.dashes > 1:
                items.append(self._sequence(indent + 2, line._replace(dashes=line.dashes - 1)))
            elif line.key is not None:
                items.append(self._mapping(indent + 2, line))
            else:
                items.append(self._value(line, indent))
            following = self._following(indent)
            if following is None or not following.dashes:
                return items
            line = following

    def _mapping(self, indent: int, line: _Line) -> dict[str, Node]:
        """The entries whose keys stand in a column, from a line on."""
        if indent > _MOST_INDENT:
            raise _OtherwiseError
        found: dict[str, Node] = {}
        while True:
            _, _, key, kind, value = line
            if key is None or key in found:
                raise _OtherwiseError
            if kind is _VALUE:
                self._at += 1
                self._next = self._taken_apart()
                found[key] = value
            else:
                found[key] = self._value(line, indent)
            following = self._next
            if following is None or following.indent < indent:
                return found
            if following.indent > indent:
                raise _OtherwiseError
            if following.dashes:
                return found
            line = following

    def _following(self, indent: int) -> _Line | None:
        """The line that is next, where it begins in a column; ``None`` where it begins before it."""
        line = self._next
        if line is None or line.indent < indent:
            return None
        if line.indent > indent or indent > _MOST_INDENT:
            raise _OtherwiseError
        return line

    def _value(self, line: _Line, indent: int) -> Node:
        """What stands behind a key or a dash in a column, or below it."""
        self._at += 1
        value, kind = line.value, line.kind
        if kind is _BLOCK:
            value = self._block_text(value, " " * (indent + 2))
        self._next = below = self._taken_apart()
        if kind is not _NOTHING:
            return [] if kind is _LIST else {} if kind is _MAPPING else value
        if below is None or below.indent != (indent if below.dashes else indent + 2):
            raise _OtherwiseError
        return self._sequence(indent, below) if below.dashes else self._mapping(indent + 2, below)

    def _block_text(self, mark: str, margin: str) -> str:
        start = self._at
        while not (line := self._lines[self._at]) or line.startswith(margin):
            self._at += 1
        text = "".join([f"{line[len(margin) :]}\n" for line in self._lines[start : self._at]])
        text = text[:-1] if mark.endswith("-") else text
        if "\n" not in text or not _fits_block(text) or _block_mark(text) != mark:
            raise _OtherwiseError
        return text


def line_of(text: str, place: Place) -> int:
    """The line, from 1, of the value at a place in a document; of the nearest value around it where there is none."""
    return lines_of(text, [place])[0]


def lines_of(text: str, places: Iterable[Place]) -> list[int]:
    """The same of several places."""
    root = yaml.compose(text, Loader=_Loader)
    nodes = (_node_at(root, place) for place in places)
    return [1 if node is None else node.start_mark.line + 1 for node in nodes]


def word_at(text: str, place: Place) -> str:
    """The text or number at a place in a document as it is written; nothing where a list or a mapping stands there."""
    node = _node_at(yaml.compose(text, Loader=_Loader), place)
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _node_at(node: yaml.Node | None, place: Place) -> yaml.Node | None:
    """The node at a place, or the nearest around it."""
    for step in place:
        inner = _child(node, step)
        if inner is None:
            break
        node = inner
    return node


def keys_of(text: str) -> list[str]:
    """The keys of the mapping that a document is, in order, as they are written."""
    root = yaml.compose(text, Loader=_Loader)
    return [str(key.value) for key, _ in root.value] if isinstance(root, yaml.MappingNode) else []


def places_of(text: str, lines: Iterable[int]) -> list[Place]:
    """The ways to what is written in some lines, from 1, of a document: the opposite of `line_of`."""
    root = yaml.compose(text, Loader=_Loader)
    return [_place_of(line, root) for line in lines]


def _place_of(line: int, root: yaml.Node | None) -> Place:
    place: list[str | int] = []
    step, node = _entry_at(root, line)
    while step is not None:
        place.append(step)
        step, node = _entry_at(node, line)
    return tuple(place)


def _entry_at(node: yaml.Node | None, line: int) -> tuple[str | int | None, yaml.Node | None]:
    """The name or index of the last entry of a node that begins in a line or before it, and its value."""
    entries: list[tuple[str | int, yaml.Node, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        entries = [(key.value, key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        entries = [(index, item, item) for index, item in enumerate(node.value)]
    before = [(step, value) for step, start, value in entries if start.start_mark.line < line]
    return before[-1] if before else (None, None)


def _child(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step]  # type: ignore[no-any-return]
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    return None
