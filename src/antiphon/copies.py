"""Deep copies: no change of a copy reaches the original.

Unlike ``copy.deepcopy`` this looks before it copies: what cannot sensibly exist twice (clients, locks, sockets, open
files, generators, tasks, the one object of a class that has no other) is shared, everything around it is copied.
Nothing is tried and given up half-way, since a half-built client complains when it is collected.
"""

from __future__ import annotations

import builtins
import datetime as dt
import decimal
import enum
import fractions
import re
import sys
import types
import uuid
import weakref
from collections.abc import Callable, Collection, Hashable, Iterator
from functools import lru_cache
from typing import Any, Self, TypeVar, cast

from pydantic import BaseModel

from antiphon.errors import AntiphonError, InvalidValue

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class Shared:
    """Base of the classes whose objects copies share: templates, user interfaces, traces."""

    __slots__ = ()

    def __isolate__(self, copier: Copier) -> Self:
        """Return the object itself."""
        return self


def isolated(value: T, *, sharing: tuple[type, ...] = ()) -> T:
    """A deep copy of a value; what cannot be copied is shared.

    Shared are: objects that have to be closed (clients, connections, files, executors) and do not say how they are
    copied, locks and the other primitives of threads and event loops, iterators and generators, functions, classes and
    modules, and objects of classes that have one object only. A bound method becomes one of the copied object, and a
    weak reference to what was copied before it one to the copy. Lists and the like in tables of pandas are copied with
    them.

    Args:
        value: Anything.
        sharing: Further types whose instances are shared.

    Raises:
        InvalidValue: Objects or tuples are nested too deep in it to be copied; the text names the key of a dict. Lists
            and dicts may be nested as deep as they are.
    """
    try:
        return Copier(sharing)(value)
    except RecursionError as error:
        where = f" under {_too_deep(value, sharing)}" if isinstance(value, dict) else ""
        raise InvalidValue(
            f"a {type(value).__name__} cannot be copied: what it holds{where} is nested too deep; lists and dicts may "
            "be nested as deep as need be, tuples and objects some hundred levels"
        ) from error


def _too_deep(value: dict[Any, Any], sharing: tuple[type, ...]) -> str:
    """The first key of a dict whose value is nested too deep to be copied."""
    for key, item in value.items():
        try:
            Copier(sharing)(item)
        except RecursionError:
            return f"the key {key!r}" if type(key) in ATOMS else f"a key of type {type(key).__name__}"
    return "one of its keys"


class Copier:
    """Makes deep copies; an object that is found twice is copied once."""

    __slots__ = ("_depth", "_memo", "_sharing")

    def __init__(self, sharing: tuple[type, ...] = ()) -> None:
        self._memo: dict[int, tuple[Any, Any]] = {}  # id -> (original, kept alive; copy)
        self._sharing = sharing
        self._depth = 0

    def __call__(self, value: T) -> T:
        """The copy of a value."""
        kind: Any = type(value)
        if kind in ATOMS:
            return value
        known = self._memo.get(id(value))
        if known is not None:
            copy: T = known[1]
        elif kind in _CONTAINERS:
            copy = _CONTAINERS[kind](self, value)
        else:
            copy = value if isinstance(value, self._sharing) else _way_to_copy(kind)(self, value)
        return copy

    def remember(self, value: Any, copy: T) -> T:
        """Let ``copy`` stand for ``value`` wherever it is met from now on."""
        self._memo[id(value)] = (value, copy)
        return copy

    def copy_pydantic(self, value: M) -> M:
        """A copy of a pydantic object, and of everything it holds; the one object of its class is shared."""
        kind = type(value)
        if _has_own_new(kind) and kind.__new__(kind) is kind.__new__(kind):
            return self.remember(value, value)
        copy = self.remember(value, value.__copy__())
        for values in (vars(copy), copy.__pydantic_extra__, copy.__pydantic_private__):
            if values:
                self._copy_values(values)
        return copy

    def _copy_values(self, values: dict[str, Any]) -> None:
        for name, item in values.items():
            if type(item) not in ATOMS:
                values[name] = self(item)

    def isolate(self, value: Any) -> Any:
        """What an object says is its copy."""
        return value.__isolate__(self)

    def share(self, value: Any) -> Any:
        """The object itself."""
        return value

    def copy_method(self, method: types.MethodType) -> Any:
        """The method of a copy."""
        owner = self(method.__self__)
        return method if owner is method.__self__ else types.MethodType(method.__func__, owner)

    def copy_by_its_own_means(self, value: Any) -> Any:
        """The copy that an object makes of itself."""
        try:
            return self.remember(value, value.__deepcopy__({}))
        except Exception:  # noqa: BLE001  # an object that cannot be copied is shared
            return value

    def copy_array(self, array: Any) -> Any:
        """The copy of an array of NumPy, with copies of the objects in it."""
        if array.dtype.char != "O":
            return self.copy_by_its_own_means(array)
        copy = self.remember(array, array.copy())
        plain = copy.view(sys.modules["numpy"].ndarray)  # a matrix has two dimensions, whatever is asked of it
        self._copy_objects(plain.reshape(-1))
        return copy

    def copy_table(self, table: Any) -> Any:
        """The copy of a table or series of pandas, with copies of the objects in it: its own copies share them."""
        copy = self.copy_by_its_own_means(table)
        if copy is table:
            return copy
        columns = [copy] if copy.ndim == 1 else [copy.iloc[:, number] for number in range(copy.shape[1])]
        for number, column in enumerate(columns):
            values = column.to_numpy(copy=True) if column.dtype == object else ()
            if self._copy_objects(values):
                copy.iloc[(slice(None), number)[: copy.ndim]] = values
        for name in type(table)._metadata:  # what classes that inherit from it keep beside the values
            if name in vars(copy):
                object.__setattr__(copy, name, self(vars(copy)[name]))
        return copy

    def _copy_objects(self, values: Any) -> bool:
        """Put copies in the place of the objects in an array; returns whether there are some."""
        places = [place for place, item in enumerate(values) if type(item) not in ATOMS]
        for place in places:
            values[place] = self(values[place])
        return bool(places)

    def copy_reference(self, reference: weakref.ReferenceType[Any]) -> weakref.ReferenceType[Any]:
        """A weak reference: to the copy of what was copied before, as of the tree above a node; to all else, the same.

        It calls what belongs to the copies, such as a method. Any other function would tell the original of their end.
        """
        known = self._memo.get(id(reference()))
        if known is None:
            return reference
        callback = self(reference.__callback__)
        return weakref.ref(known[1], None if callback is reference.__callback__ else callback)

    def copy_plain(self, value: Any) -> Any:
        """The copy of an object that is no more than its attributes."""
        copy = self.remember(value, object.__new__(type(value)))
        try:
            held = vars(copy)
            held.update(vars(value))
            self._copy_values(held)
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001  # an object that cannot be copied is shared
            return self.remember(value, value)
        return copy

    def rebuild(self, value: Any) -> Any:
        """The copy of an object by what it tells ``pickle`` of itself."""
        try:
            reduced = value.__reduce_ex__(4)
        except Exception:  # noqa: BLE001  # an object that cannot be copied is shared
            return value
        if isinstance(reduced, str):  # a global, known by its name
            return value
        try:
            return self._rebuilt(value, *reduced)
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001  # it cannot be made from what it says of itself
            self._memo.pop(id(value), None)
            return value

    def _rebuilt(
        self, value: Any, make: Any, arguments: Any, state: Any = None, items: Any = None, pairs: Any = None, *_: Any
    ) -> Any:
        given = tuple(map(self, arguments))
        made = make(*given)
        if _is_of(value, made) or (_has_own_new(type(value)) and make(*given) is made):
            return self.remember(value, value)
        copy = self.remember(value, made)
        if state is not None:
            _set_state(copy, self(state))
        for item in items or ():
            copy.append(self(item))
        for key, item in pairs or ():
            copy[self(key)] = self(item)
        return copy

    def copy_attributes(self, value: T, sharing: Collection[str] = ()) -> T:
        """A copy made without ``__init__``, attribute by attribute, whatever class the value has.

        Args:
            value: The object.
            sharing: Names of attributes that the copy shares with it.

        Raises:
            InvalidValue: An attribute cannot be copied; the text names it.
        """
        copy = self.remember(value, object.__new__(type(value)))
        for name, item in attributes(value).items():
            shared = type(item) in ATOMS or name in sharing
            object.__setattr__(copy, name, item if shared else self._copy_attribute(value, name, item))
        return copy

    def _copy_attribute(self, owner: object, name: str, item: Any) -> Any:
        try:
            return self(item)
        except AntiphonError:
            raise
        except Exception as error:
            kind = type(owner).__name__
            raise InvalidValue(
                f"{kind} cannot be forked: copying its attribute {name!r} raised {error!r}; "
                f"a model names what its forks are to share in {kind}.shared"
            ) from error

    def copy_list(self, value: list[Any]) -> list[Any]:
        """The copy of a list."""
        if self._depth >= _DEEP:
            return cast("list[Any]", self._copy_deep(value))
        copy: list[Any] = self.remember(value, [])
        self._depth += 1
        copy.extend([item if type(item) in ATOMS else self(item) for item in value])
        self._depth -= 1
        return copy

    def copy_dict(self, value: dict[Any, Any]) -> dict[Any, Any]:
        """The copy of a dict; keys are copied as well."""
        if self._depth >= _DEEP:
            return cast("dict[Any, Any]", self._copy_deep(value))
        copy: dict[Any, Any] = self.remember(value, {})
        self._depth += 1
        for key, item in value.items():
            copy[key if type(key) in ATOMS else self(key)] = item if type(item) in ATOMS else self(item)
        self._depth -= 1
        return copy

    def _copy_deep(self, value: Any) -> Any:
        """The copy of a list or a dict, and of the lists and dicts in it, in the usual order but without recursion."""
        copy = self.remember(value, type(value)())
        waiting = [(copy, _items(value))]
        while waiting:
            into, items = waiting[-1]
            inner = next((found for key, item in items if (found := self._put(into, key, item)) is not None), None)
            if inner is None:
                waiting.pop()
            else:
                waiting.append(inner)
        return copy

    def _put(self, into: Any, key: Any, item: Any) -> tuple[Any, Iterator[tuple[Any, Any]]] | None:
        """Put the copy of an item into a copy; returns that of a list or a dict, still empty, with its items."""
        is_inner = type(item) in (list, dict) and id(item) not in self._memo
        copy = self.remember(item, type(item)()) if is_inner else self(item)
        if type(into) is list:
            into.append(copy)
        else:
            into[self(key)] = copy
        return (copy, _items(item)) if is_inner else None

    def copy_tuple(self, value: tuple[Any, ...]) -> tuple[Any, ...]:
        """The copy of a tuple."""
        items = tuple(map(self, value))
        known = self._memo.get(id(value))  # where the tuple holds itself, by way of its items
        return self.remember(value, items) if known is None else cast("tuple[Any, ...]", known[1])

    def copy_set(self, value: set[Any]) -> set[Any]:
        """The copy of a set."""
        return self.remember(value, set(map(self, value)))

    def copy_proxy(self, value: types.MappingProxyType[Any, Any]) -> types.MappingProxyType[Any, Any]:
        """The copy of a read-only view: a view of a copy."""
        return self.remember(value, types.MappingProxyType(self(dict(value))))

    def copy_bytearray(self, value: bytearray) -> bytearray:
        """The copy of a bytearray."""
        return self.remember(value, bytearray(value))


_DEEP: int = 50  # levels from which on lists and dicts are copied without recursion


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    """The items of a list or a dict, with their indices or keys."""
    return iter(value.items() if type(value) is dict else enumerate(value))


def attributes(value: object) -> dict[str, Any]:
    """What an object holds, slots included."""
    state: Any = object.__getstate__(value)
    plain, slots = state if isinstance(state, tuple) else (state, None)
    return {**(plain or {}), **(slots or {})}


def _set_state(copy: Any, state: Any) -> None:
    if hasattr(copy, "__setstate__"):
        copy.__setstate__(state)
        return
    plain, slots = state if isinstance(state, tuple) else (state, None)
    if plain:
        copy.__dict__.update(plain)
    for name, item in (slots or {}).items():
        object.__setattr__(copy, name, item)


def _is_of(value: object, made: object) -> bool:
    """Whether what was made to become a copy is the original, or holds its attributes: writing there changes it."""
    held = getattr(value, "__dict__", None)
    return made is value or (held is not None and getattr(made, "__dict__", None) is held)


def _has_own_new(kind: type[Any]) -> bool:
    """Whether a class makes its objects by a method of its own, which may give the same one to whoever asks."""
    return isinstance(kind.__new__, types.FunctionType)


# Immutable: there is nothing to copy.
ATOMS: frozenset[type] = frozenset({
    *(type(None), bool, int, float, complex, str, bytes, range, slice, type, type(Ellipsis), type(NotImplemented)),
    *(types.FunctionType, types.BuiltinFunctionType, types.ModuleType, types.CodeType),
    *(decimal.Decimal, fractions.Fraction, uuid.UUID, re.Pattern, builtins.property),
    *(dt.date, dt.time, dt.datetime, dt.timedelta, dt.timezone),
})  # fmt: skip

_CONTAINERS: dict[type, Callable[[Copier, Any], Any]] = {
    list: Copier.copy_list,
    dict: Copier.copy_dict,
    tuple: Copier.copy_tuple,
    set: Copier.copy_set,
    bytearray: Copier.copy_bytearray,
    types.MappingProxyType: Copier.copy_proxy,
}

_HAS_TO_BE_CLOSED = ("close", "aclose", "shutdown", "__exit__", "__aexit__", "__del__", "__next__", "__anext__")
_CONCURRENCY = frozenset({
    *("threading", "_thread", "queue", "_queue", "asyncio", "_asyncio", "concurrent", "multiprocessing"),
    *("contextvars", "_contextvars", "weakref", "socket", "_socket", "ssl", "_ssl", "select", "anyio", "trio"),
})  # fmt: skip


@lru_cache(maxsize=1024)
def _way_to_copy(kind: type[Any]) -> Callable[[Copier, Any], Any]:
    """How objects of a class are copied, which is no container."""
    if hasattr(kind, "__isolate__"):
        return Copier.isolate
    if kind is types.MethodType:
        return Copier.copy_method
    if kind is weakref.ReferenceType:
        return Copier.copy_reference
    if is_shared(cast("Hashable", kind)):
        return Copier.share
    if issubclass(kind, BaseModel):
        return Copier.copy_pydantic
    if hasattr(kind, "__deepcopy__"):
        return _OF_LIBRARIES.get(_library_type(kind), Copier.copy_by_its_own_means)
    return Copier.copy_plain if _is_plain(kind) else Copier.rebuild


_OF_LIBRARIES: dict[tuple[str, str] | None, Callable[[Copier, Any], Any]] = {
    ("numpy", "ndarray"): Copier.copy_array,
    ("pandas", "DataFrame"): Copier.copy_table,
    ("pandas", "Series"): Copier.copy_table,
}


def _library_type(kind: type[Any]) -> tuple[str, str] | None:
    """The type of a library among those that a class inherits from whose own copies share what they hold."""
    names = ((base.__module__.partition(".")[0], base.__name__) for base in kind.__mro__)
    return next((name for name in names if name in _OF_LIBRARIES), None)


_HOW_OBJECTS_ARE_MADE = (
    *("__new__", "__getattribute__", "__reduce__", "__reduce_ex__"),
    *("__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__"),
)


def _is_plain(kind: type[Any]) -> bool:
    """Whether the objects of a class are no more than their attributes, as far as it does not say otherwise."""
    says_nothing = all(getattr(kind, name, None) is getattr(object, name, None) for name in _HOW_OBJECTS_ARE_MADE)
    return says_nothing and kind.__dictoffset__ != 0 and not any(vars(base).get("__slots__") for base in kind.__mro__)


def _has_to_be_closed(kind: type[Any]) -> bool:
    """Whether objects of a class have to be closed, as clients, and do not say how they are copied.

    Pydantic objects are data: ``close`` of an order closes the order. One that closes something when it is collected
    would do so for its copy as well.
    """
    is_data = issubclass(kind, BaseModel)
    if hasattr(kind, "__deepcopy__") and not is_data:  # which all classes of pydantic inherit
        return False
    return any(name in vars(base) for base in kind.__mro__ for name in (("__del__",) if is_data else _HAS_TO_BE_CLOSED))


@lru_cache(maxsize=1024)
def is_shared(kind: type[Any]) -> bool:
    """Whether copies share objects of this kind, because they cannot sensibly exist twice."""
    return (
        issubclass(kind, type | enum.Enum)
        or _has_to_be_closed(kind)
        or any(base.__module__.partition(".")[0] in _CONCURRENCY for base in kind.__mro__)
    )
