"""Reading types and objects as they are: no metaclass, descriptor or ``__getattribute__`` of the program runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final

_MRO: Final[Callable[[type], tuple[type, ...]]] = vars(type)["__mro__"].__get__
_VARS: Final[Callable[[type], Any]] = vars(type)["__dict__"].__get__
_NAME: Final[Callable[[type], str]] = vars(type)["__qualname__"].__get__
_MODULE: Final[Callable[[type], Any]] = vars(type)["__module__"].__get__
_FLAGS: Final[Callable[[type], int]] = vars(type)["__flags__"].__get__
_HEAP_TYPE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def bases_of(kind: type[Any]) -> tuple[type[Any], ...]:
    """A type and everything that it inherits from, the nearest first."""
    return _MRO(kind)


def is_a(kind: type[Any], base: type[Any]) -> bool:
    """Whether a type inherits from another, which is no abstract one."""
    return any(one is base for one in _MRO(kind))


def members_of(kind: type[Any]) -> dict[str, Any]:
    """What the body of a class statement made, without what is inherited."""
    return dict(_VARS(kind))


def name_of(kind: type[Any]) -> str:
    """The qualified name of a type."""
    return str.__str__(_NAME(kind))


def short_name_of(kind: type[Any]) -> str:
    """The name of a type, without the names of what it is defined in."""
    return name_of(kind).rpartition(".")[2]


def module_of(kind: type[Any]) -> str:
    """The name of the module that a type says it is from; ``""`` where it says nothing."""
    name = _MODULE(kind)
    return str.__str__(name) if type(name) is str else ""


def inherited(kind: type[Any], name: str) -> Any:
    """What a type has under a name, as it stands in a class; ``None`` for nothing."""
    return next((found[name] for base in _MRO(kind) if name in (found := _VARS(base))), None)


def has(kind: type[Any], name: str) -> bool:
    """Whether a type or one that it inherits from has anything under a name."""
    return any(name in _VARS(base) for base in _MRO(kind))


def is_hashable(kind: type[Any]) -> bool:
    """Whether a type can be hashed and compared without a metaclass that says how."""
    metaclasses = [one for one in _MRO(type(kind)) if one not in (type, object)]
    return not any(name in _VARS(one) for one in metaclasses for name in ("__hash__", "__eq__"))


def is_made_in_python(kind: type[Any]) -> bool:
    """Whether class statements made a type and all of its bases: it holds nothing but its attributes."""
    return all(
        bool(_FLAGS(base) & _HEAP_TYPE)
        and any(name in _VARS(above) for above in _MRO(base) for name in ("__dict__", "__slots__"))
        for base in _MRO(kind)[:-1]
    )


class Layout:
    """Where the objects of a type hold their attributes.

    Args:
        kind: The type.
    """

    __slots__ = ("_dict_of", "_slots")

    def __init__(self, kind: type[Any]) -> None:
        self._dict_of = next(_dicts(kind), None)
        self._slots = [*_slots(kind)]

    def attributes(self, value: Any) -> dict[str, Any]:
        """What an object holds, slots included."""
        held: dict[str, Any] = {} if self._dict_of is None else dict(self._dict_of(value))
        for name, get in self._slots:
            try:
                held[name] = get(value)
            except AttributeError:  # it was never set
                continue
        return held


def _dicts(kind: type[Any]) -> Iterator[Callable[[Any], dict[str, Any]]]:
    for base in _MRO(kind):
        found = _VARS(base).get("__dict__")
        if type(found) in (GetSetDescriptorType, MemberDescriptorType):
            yield found.__get__


def _slots(kind: type[Any]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    for base in reversed(_MRO(kind)):
        members = members_of(base)
        if "__slots__" in members:
            for name, found in members.items():
                if type(found) is MemberDescriptorType and name != "__dict__":
                    yield name, found.__get__
