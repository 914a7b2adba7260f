"""States and paths as they are shown: short, and by nothing that the program says of its values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from types import FunctionType, ModuleType
from typing import Any, Final

from pytest_templates.isolation.packing import Packed
from pytest_templates.isolation.state import Attribute, Exact, Member, Node, Trail
from pytest_templates.isolation.static import is_a, module_of, name_of, short_name_of
from pytest_templates.redaction.policy import SECRET_NAME, is_secret_header

_LONGEST: Final = 160  # characters
_MOST: Final = 8  # items
_DEEPEST: Final = 4
_MOST_BITS: Final = 512
_MOST_PARTS: Final = 16


def path_of(trail: Trail) -> str:
    """The way to a value as one would write it, as in ``metadata['customer'].notes``; a long one is cut."""
    parts: list[Any] = []
    around, edge, key = trail
    while around is not None:
        parts.append(Attribute(key) if edge == "attribute" else Member(key) if edge == "key" else key)
        around, edge, key = around
    return f"{key}{written(parts[::-1])}"


def written(path: Iterable[Any]) -> str:
    """The parts of a path as one would write them: ``['notes'][0].name``; of many, the first and the last."""
    parts = [*path]
    half = _MOST_PARTS // 2
    if len(parts) > _MOST_PARTS:
        return f"{written(parts[:half])} … {written(parts[-half:])}"
    return "".join(map(_written, parts))


def _written(part: Any) -> str:
    if type(part) is Attribute:
        return f".{_cut(part.removeprefix('_'))}"
    return f"{{{shown(part.key)}}}" if type(part) is Member else f"[{shown(part)}]"


def is_name_of_secret(name: object) -> bool:
    """Whether what has a name is a secret: a key, a password."""
    return isinstance(name, str) and bool(SECRET_NAME.search(name) or is_secret_header(name))


def shown(state: Any, depth: int = 0, *, is_secret: bool = False) -> str:
    """A state in words.

    Args:
        state: The state.
        depth: In how many others it lies.
        is_secret: Whether its texts are shown as a hash, as they are everywhere below the name of a secret.
    """
    kind = type(state)
    if kind is Packed:
        return shown(state.state(), depth, is_secret=is_secret)
    if kind is Node:
        return _shown_node(state, depth, is_secret=is_secret)
    if is_secret and (kind is str or kind is bytes):
        return _hidden(state)
    if kind is Exact:
        return _hidden(state[1]) if is_secret and state[0] is bytes else _shown_exact(*state)
    if kind is int:
        bits = state.bit_length()
        return repr(state) if bits <= _MOST_BITS else f"<a number of {bits} bits>"
    if kind is tuple or kind is list:
        return f"({', '.join(_some(map(shown, state), len(state)))})"
    if kind is dict:
        return _braces(state, depth, is_secret=is_secret)
    return _shown_text(state) if kind is str or kind is bytes else _cut(repr(state))


def in_full(state: Any) -> str:
    """A state in words that tell it from others that are shown alike: with its full type and its address."""
    if type(state) is not Node:
        return shown(state)
    return f"<{module_of(state.plan.kind)}.{name_of(state.plan.kind)} at {id(state.value):#x}>"


def _hidden(content: str | bytes) -> str:
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    return f"<hidden, {blake2b(data, digest_size=2).hexdigest()}>"


def _shown_text(text: str | bytes) -> str:
    if len(text) <= _LONGEST:
        return repr(text)
    half = _LONGEST // 2 - 5
    return f"{text[:half]!r}...{text[-half:]!r}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _shown_exact(kind: type[Any], content: Any) -> str:
    if kind is bytes:
        return _shown_text(content)
    if kind is tuple or kind in (bool, float, complex):
        return shown(content) if kind is tuple else str(content)
    return f"{kind.__name__}{shown(content)}" if type(content) is tuple else f"{kind.__name__}({shown(content)})"


def _shown_node(node: Node, depth: int, *, is_secret: bool) -> str:
    view, kind, value = node.view, node.plan.kind, node.value
    name = short_name_of(kind)
    if kind is FunctionType:
        return f"<function {_cut(value.__qualname__)} at {id(value):#x}>"
    if kind is ModuleType:
        return f"<module {name_of_module(value)}>"
    if is_a(kind, type):
        return f"<class {_cut(module_of(value))}.{_cut(name_of(value))}>"
    if view.form in ("identity", "unseen"):
        return f"<{_cut(name)} at {id(value):#x}>"
    if depth >= _DEEPEST:
        return "..."
    parts = [] if view.content is None else [shown(view.content, is_secret=is_secret)]
    if view.form != "object":
        parts.append(_shown_items(node, depth, is_secret=is_secret))
    attributes = (
        f"{_cut(key.removeprefix('_'))}={shown(item, depth + 1, is_secret=is_secret or is_name_of_secret(key))}"
        for key, item in node.attributes.items()
    )
    parts += _some(attributes, len(node.attributes))
    if kind in (dict, list, tuple, set) and len(parts) == 1:
        return parts[0]
    return f"{_cut(name)}({', '.join(parts)})"


def name_of_module(module: ModuleType) -> str:
    """The name of a module, as far as it is a text."""
    name = vars(module).get("__name__")
    return name if type(name) is str else "without a name"


def _shown_items(node: Node, depth: int, *, is_secret: bool) -> str:
    items: Any = node.items
    if node.view.form in ("mapping", "ordered"):
        return _braces(items, depth, is_secret=is_secret)
    if node.view.form == "set":
        members = [node.keys.get(one, one) for one in islice(items, _MOST)]
    else:
        members = [*islice(items, _MOST)]
    inner = ", ".join(_some((shown(item, depth + 1, is_secret=is_secret) for item in members), len(items)))
    if node.view.form == "set":
        return f"{{{inner}}}"
    if node.plan.kind is tuple:
        return f"({inner},)" if len(items) == 1 else f"({inner})"
    return f"[{inner}]"


def _braces(items: Any, depth: int, *, is_secret: bool) -> str:
    pairs = (
        f"{shown(key, depth + 1)}: {shown(item, depth + 1, is_secret=is_secret or is_name_of_secret(key))}"
        for key, item in islice(items.items(), _MOST)
    )
    return f"{{{', '.join(_some(pairs, len(items)))}}}"


def _some(texts: Iterable[str], number: int) -> Iterator[str]:
    """The first texts of so many."""
    yield from islice(texts, _MOST)
    if number > _MOST:
        yield "..."
