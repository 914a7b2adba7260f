"""What of a value is its state: its parts, its content, or nothing but its identity.

This is the one notion of state, for the guard in both of its modes and for ``assert_isolated``. Looking at a value
changes nothing in it, runs no property and no ``__eq__``, ``__iter__``, ``__len__`` or ``__repr__`` of the program,
loads nothing that is loaded lazily, takes no lock, and never raises.
"""

from __future__ import annotations

import sys
from array import array
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from functools import lru_cache, partial
from hashlib import blake2b
from operator import length_hint
from types import GeneratorType, MappingProxyType, MethodType
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

from pydantic import BaseModel

from antiphon.copies import Shared, attributes, is_shared

Form: TypeAlias = Literal["mapping", "sequence", "set", "fields", "object", "content", "data", "identity", "unseen"]
Custom: TypeAlias = Callable[[Any], Any]


class View(NamedTuple):
    """What of a value is its state.

    Attributes:
        form: ``"mapping"``, ``"sequence"``, ``"set"``: its items; ``"fields"``: its attributes, and an equal one is the
            same; ``"object"``: its attributes and its identity; ``"content"``: plain data; ``"data"``: plain data of
            something that can be changed; ``"identity"``: there is nothing else to compare; ``"unseen"``: there may be,
            and nobody knows how.
        parts: The items or attributes, in a new container; the plain data; ``None`` for the last two.
    """

    form: Form
    parts: Any = None


_UNSEEN: Final = View("unseen")
_IDENTITY: Final = View("identity")


def view_of(value: Any, custom: Custom | None = None) -> View:
    """What of a value is its state.

    Args:
        value: Anything but what `antiphon.copies` calls an atom.
        custom: Returns plain data for values of the types that a project knows, ``None`` for all others.
    """
    try:
        if custom is not None and (known := custom(value)) is not None:
            return View("content", known)
        return _viewer(cast("Hashable", type(value)))(value)
    except Exception:  # noqa: BLE001 - whatever the program's classes and their libraries raise
        return _UNSEEN


class Unloaded:
    """Stands for an attribute that is loaded when it is first read: it equals what is loaded later."""

    def __eq__(self, _: object) -> bool:
        return True

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return "<not loaded yet>"


UNLOADED: Final = Unloaded()
_Viewer: TypeAlias = Callable[[Any], View]


@lru_cache(maxsize=1024)
def _viewer(kind: Any) -> _Viewer:
    """What looks at the values of a type."""
    for base, viewer in _CONTAINERS.items():
        if issubclass(kind, base):
            return viewer if kind is base else partial(_with_attributes, viewer)
    for base in kind.__mro__:
        known = _BY_NAME.get((base.__module__.partition(".")[0], base.__qualname__))
        if known is not None:
            return known
    return _viewer_by_kind(kind)


def _viewer_by_kind(kind: type[Any]) -> _Viewer:
    """What looks at the values of a type that neither is a container nor has a name that is known."""
    if hasattr(kind, "_sa_class_manager"):
        return _row
    if issubclass(kind, Enum):
        return lambda value: View("content", f"<{kind.__name__}.{value._name_}>")
    for base, read in _ATOMIC_BASES.items():
        if issubclass(kind, base):
            return lambda value: View("fields", {**attributes(value), "value": read(value)})
    if issubclass(kind, type | Shared):
        return lambda _: _IDENTITY
    if issubclass(kind, BaseModel):
        return lambda value: View("fields", {**vars(value), **(value.__pydantic_extra__ or {})})
    if is_shared(cast("Hashable", kind)):
        return lambda _: _UNSEEN
    return partial(_object, is_plain=_is_made_in_python(kind), protocol=_protocol(kind))


def is_lazy(kind: type[Any], name: str) -> bool:
    """Whether an attribute is computed when it is first read, and then kept in the object under its name."""
    found = getattr(kind, name, None)
    return any((base.__module__.partition(".")[0], base.__qualname__) in _LAZY for base in type(found).__mro__)


_LAZY: Final = frozenset(
    [
        ("functools", "cached_property"),
        ("cached_property", "cached_property"),
        ("django", "cached_property"),
        ("propcache", "under_cached_property"),
        ("sqlalchemy", "generic_fn_descriptor"),
        ("werkzeug", "cached_property"),
    ]
)


def _with_attributes(viewer: _Viewer, value: Any) -> View:
    """A container of a class of the program's, which may have attributes as well."""
    items, held = viewer(value), attributes(value)
    return View("fields", {**held, "items": items.parts}) if held else items


def _object(value: Any, *, is_plain: bool, protocol: _Viewer | None) -> View:
    held = attributes(value)
    if held or is_plain:
        return View("object", held)
    return _UNSEEN if protocol is None else protocol(value)


def _protocol(kind: type[Any]) -> _Viewer | None:
    """What looks at a container that is not made in Python, and so runs no code of the program when it is asked."""
    if issubclass(kind, Mapping):
        return lambda value: View("mapping", dict(value))
    if issubclass(kind, AbstractSet):
        return lambda value: View("set", [*value])
    return (lambda value: View("sequence", [*value])) if issubclass(kind, Sequence) else None


_HEAP_TYPE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def _is_made_in_python(kind: type[Any]) -> bool:
    """Whether a class statement made a type and all of its bases: it holds nothing but its attributes."""
    return all(
        bool(base.__flags__ & _HEAP_TYPE)
        and any(name in vars(above) for above in base.__mro__ for name in ("__dict__", "__slots__"))
        for base in kind.__mro__[:-1]
    )


def _digest(*parts: bytes) -> str:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


_SMALL: Final = 1_000  # items of an array or cells of a table up to which they are read one by one


def _array(value: Any) -> View:
    numpy: Any = sys.modules["numpy"]
    plain = numpy.asarray(value)
    head = {"dtype": str(plain.dtype), "shape": [*plain.shape]}
    if plain.dtype.hasobject or plain.size <= _SMALL:
        values = plain.tolist()
    else:
        values = f"<content {_digest(numpy.ascontiguousarray(plain).reshape(-1).view(numpy.uint8).data)}>"
    held = {} if type(value) is numpy.ndarray else getattr(value, "__dict__", {})
    return View("data", {**held, **head, "values": values})


def _scalar(value: Any) -> View:
    return View("content", f"<{value.dtype} {value.tobytes().hex()}>")


def _frame(value: Any) -> View:
    values: Any = [value.iloc[:, number].tolist() for number in range(value.shape[1])] if _few(value.size) else None
    index = value.index.tolist() if values is not None else None
    return View(
        "data",
        {
            "columns": value.columns.tolist(),
            "dtypes": [*map(str, value.dtypes)],
            "index": index,
            "values": _hashed_table(value) if values is None else values,
            "attrs": dict(value.attrs),
        },
    )


def _series(value: Any) -> View:
    few = _few(value.size)
    return View(
        "data",
        {
            "name": value.name,
            "dtype": str(value.dtype),
            "index": value.index.tolist() if few else None,
            "values": value.tolist() if few else _hashed_table(value),
        },
    )


def _index(value: Any) -> View:
    names, values = [*value.names], value.tolist() if _few(value.size) else _hashed_table(value)
    return View("data", {"names": names, "dtype": str(value.dtype), "values": values})


def _few(size: int) -> bool:
    return size <= _SMALL


def _hashed_table(value: Any) -> Any:
    """A digest of all values of pandas with their index; the values, where one of them cannot be hashed."""
    try:
        hashes = sys.modules["pandas"].util.hash_pandas_object(value)
    except TypeError:
        return value.to_numpy(dtype=object).tolist()
    return f"<content {_digest(hashes.to_numpy().tobytes())}>"


def _polars_frame(value: Any) -> View:
    values = value.rows() if _few(value.height * value.width) else _hashed_rows(value)
    return View("data", {"schema": str(value.schema), "values": values})


def _polars_series(value: Any) -> View:
    values = value.to_list() if _few(len(value)) else _hashed_rows(value.to_frame())
    return View("data", {"name": value.name, "dtype": str(value.dtype), "values": values})


def _hashed_rows(frame: Any) -> Any:
    try:
        hashes = frame.hash_rows()
    except Exception:  # noqa: BLE001 - columns of Python objects, which polars reports in several ways
        return frame.rows()
    return f"<content {_digest(*(number.to_bytes(8, 'big') for number in hashes))}>"


def _tensor(value: Any) -> View:
    return View("object", {"version": value._version, "shape": [*value.shape], "dtype": str(value.dtype)})


def _row(value: Any) -> View:
    """An object that SQLAlchemy maps: what is loaded of it."""
    held = dict(vars(value))
    state = held.pop("_sa_instance_state", None)
    if state is not None:
        held.update(dict.fromkeys(state.unloaded - held.keys(), UNLOADED))
    return View("object", held)


def _random(value: Any) -> View:
    return View("data", f"<{type(value).__name__}, state {_digest(repr(value.getstate()).encode())}>")


def _numpy_random(value: Any) -> View:
    state = value.bit_generator.state if hasattr(value, "bit_generator") else value.get_state(legacy=False)
    return View("data", f"<{type(value).__name__}, state {_digest(repr(state).encode())}>")


def _memory_file(value: Any) -> View:
    if value.closed:
        return View("content", f"<{type(value).__name__}, closed>")
    return View("data", {"position": value.tell(), "value": value.getvalue()})


def _generator(value: Any) -> View:
    frame = value.gi_frame
    return View("object", {"position": None if frame is None else frame.f_lasti})


def _iterator(value: Any) -> View:
    return View("object", {"left": length_hint(value)})


def _method(value: Any) -> View:
    return View("fields", {"function": value.__func__, "self": value.__self__})


def _partial(value: Any) -> View:
    held = {"function": value.func, "arguments": [*value.args], "keywords": dict(value.keywords)}
    return View("object", {**vars(value), **held})


def _text(value: Any) -> View:
    return View("content", f"<{type(value).__name__} {value}>")


def _nothing_else(_: Any) -> View:
    return _IDENTITY


_CONTAINERS: Final[Mapping[type[Any], _Viewer]] = {
    dict: lambda value: View("mapping", dict(dict.items(value))),
    list: lambda value: View("sequence", [*list.__iter__(value)]),
    tuple: lambda value: View("sequence", [*tuple.__iter__(value)]),
    set: lambda value: View("set", [*set.__iter__(value)]),
    frozenset: lambda value: View("set", [*frozenset.__iter__(value)]),
    deque: lambda value: View("sequence", [*deque.__iter__(value)]),
    bytearray: lambda value: View("data", bytes(value)),
    array: lambda value: View("data", array.tolist(value)),
    MappingProxyType: lambda value: View("mapping", dict(value)),
    memoryview: lambda value: View("content", value.tobytes()),
    MethodType: _method,
    partial: _partial,
    GeneratorType: _generator,
}
_ATOMIC_BASES: Final[Mapping[type[Any], Callable[[Any], Any]]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    bytes: bytes.__bytes__,
}
# by the package and the name of a type, or of one of its bases: nothing is imported for it
_BY_NAME: Final[Mapping[tuple[str, str], _Viewer]] = {
    ("numpy", "ndarray"): _array,
    ("numpy", "generic"): _scalar,
    ("numpy", "Generator"): _numpy_random,
    ("numpy", "RandomState"): _numpy_random,
    ("pandas", "DataFrame"): _frame,
    ("pandas", "Series"): _series,
    ("pandas", "Index"): _index,
    **{("pandas", name): _text for name in ("BaseOffset", "Interval", "Period", "Timedelta", "Timestamp")},
    **{("pandas", name): _nothing_else for name in ("NAType", "NaTType")},
    ("polars", "DataFrame"): _polars_frame,
    ("polars", "Series"): _polars_series,
    **{("polars", name): _nothing_else for name in ("Expr", "LazyFrame")},
    ("torch", "Tensor"): _tensor,
    ("random", "SystemRandom"): _nothing_else,
    ("random", "Random"): _random,
    ("_io", "StringIO"): _memory_file,
    ("_io", "BytesIO"): _memory_file,
    ("queue", "Queue"): lambda value: View("sequence", [*value.queue]),
    ("asyncio", "Queue"): lambda value: View("sequence", [*value._queue]),
    ("collections", "UserDict"): lambda value: View("mapping", dict(value.data)),
    ("collections", "UserList"): lambda value: View("sequence", [*value.data]),
    **{("builtins", f"{name}iterator"): _iterator for name in ("list_", "list_reverse", "tuple_", "range_", "set_")},
    **{("builtins", f"dict_{name}iterator"): _iterator for name in ("key", "value", "item")},
    **{("itertools", name): _text for name in ("count", "repeat")},
    ("datetime", "date"): _text,
    ("datetime", "time"): _text,
    ("datetime", "timedelta"): _text,
    ("pathlib", "PurePath"): _text,
    ("zoneinfo", "ZoneInfo"): _text,
    ("decimal", "Decimal"): _text,
    ("decimal", "Context"): _text,
    ("re", "Match"): lambda value: View("content", f"<Match of {value.re.pattern!r} at {value.regs}>"),
    ("yarl", "URL"): _text,
    ("pydantic_core", "Url"): _text,
    # what counts and caches by itself, and what exists once
    **{("unittest", name): _nothing_else for name in ("NonCallableMock", "_Sentinel", "_Call")},
    ("logging", "Logger"): _nothing_else,
    ("jinja2", "Environment"): _nothing_else,
    ("jinja2", "Template"): _nothing_else,
    ("functools", "_lru_cache_wrapper"): _nothing_else,
}


def parts_of(view: View) -> Iterator[tuple[str, Any, Any]]:
    """The parts of a view: whether each is an ``"item"``, a ``"member"`` or an ``"attribute"``, its key, and itself."""
    match view:
        case View("mapping", items):
            yield from (("item", key, item) for key, item in items.items())
        case View("sequence", items):
            yield from (("item", index, item) for index, item in enumerate(items))
        case View("set", members):
            yield from (("member", None, member) for member in members)
        case View("fields" | "object", held):
            yield from (("attribute", name, item) for name, item in held.items())
