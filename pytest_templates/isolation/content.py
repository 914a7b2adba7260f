"""What of a value is its state: its content, its attributes, its items, and whether its identity counts.

This is the one notion of state, for the guard in both of its modes and for ``assert_isolated``. Looking at a value
changes nothing in it, runs no code of the program (no property, no ``__eq__``, ``__iter__``, ``__len__`` or
``__repr__``, no metaclass), loads nothing that is loaded lazily, takes no lock, and never raises.
"""

from __future__ import annotations

import datetime as dt
import gc
import itertools
import re
import sys
from array import array
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, MutableSequence, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import lru_cache, partial
from operator import length_hint
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CellType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

from pydantic import BaseModel, RootModel

from antiphon import Model
from antiphon.copies import Shared, is_shared
from antiphon.history import History
from pytest_templates.isolation.adapters import COMPLETE, OWN, UNCHANGING, adapter_of
from pytest_templates.isolation.static import (
    Layout,
    bases_of,
    has,
    inherited,
    is_a,
    is_hashable,
    is_made_in_python,
    members_of,
    module_of,
    name_of,
)
from pytest_templates.isolation.view import IDENTITY, UNLOADED, UNSEEN, View
from pytest_templates.support.environment import is_users_module

_Look: TypeAlias = Callable[[Any], View]
_Read: TypeAlias = Callable[[Any], Any]
_T = TypeVar("_T")


class Plan(NamedTuple):
    """How the values of a type are looked at.

    Attributes:
        kind: The type; kept here, so that no other type takes its ``id``.
        exact: Returns what tells values apart that cannot change and hold nothing, ``None`` for all other types.
        look: Returns what of a value is its state.
        lazy: The names of the attributes that are computed when they are first read.
        is_model: Whether its values are models.
        is_data: Whether a template that holds one is told apart by what is in it.
        is_users: Whether the program defines the type.
        is_mutable: Whether its values can be changed in place, as far as is known.
        is_copied: Whether copies of what holds a value have a copy of it.
        is_hashable: Whether the type can be put into sets without running code of the program.
    """

    kind: type[Any]
    exact: _Read | None
    look: _Look
    lazy: frozenset[str]
    is_model: bool
    is_data: bool
    is_users: bool
    is_mutable: bool
    is_copied: bool
    is_hashable: bool


_PLANS: Final[dict[int, Plan]] = {}  # by the id of the type: a metaclass may say how its types are hashed
_MOST_PLANS: Final = 4096


def plan_of(kind: type[Any]) -> Plan:
    """How the values of a type are looked at."""
    known = _PLANS.get(id(kind))
    if known is not None:
        return known
    try:
        plan = _plan(kind)
    except Exception:  # noqa: BLE001 - whatever classes of the program and their libraries raise
        plan = _blind(kind)
    if len(_PLANS) > _MOST_PLANS:
        _PLANS.clear()
    _PLANS[id(kind)] = plan
    return plan


def _plan(kind: type[Any]) -> Plan:
    is_copied = not (is_a(kind, Shared) or id(kind) in _NOT_COPIED or is_shared.__wrapped__(kind))
    look = _look_of(kind, is_copied=is_copied)
    return Plan(
        kind,
        _EXACT.get(id(kind)),
        look,
        frozenset(name for base in bases_of(kind) for name, found in members_of(base).items() if _is_lazy(found)),
        is_a(kind, Model),
        any(is_a(kind, base) for base in _DATA),
        _is_users(kind),
        is_copied and look not in {_unseen, _only_itself, *UNCHANGING} and _is_mutable(kind),
        is_copied,
        is_hashable(kind),
    )


def _blind(kind: type[Any]) -> Plan:
    """How values of a type are looked at that cannot even be asked what it is."""
    return Plan(kind, None, _unseen, frozenset(), False, False, False, False, False, is_hashable(kind))


def _look_of(kind: type[Any], *, is_copied: bool) -> _Look:
    if is_a(kind, type):
        return _only_itself
    if is_a(kind, Enum):
        return partial(_enum, Layout(kind))
    if has(kind, "_sa_class_manager") and "sqlalchemy" in sys.modules:
        return partial(_row, Layout(kind))  # first: a class of SQLModel is one of pydantic as well
    known = next((look for base in bases_of(kind) if (look := _known(kind, base)) is not None), None)
    if known is not None:
        return known
    if is_a(kind, Shared) or kind is object:
        return _only_itself
    if not is_copied:
        return _unseen
    if _is_users(kind) or has(kind, "__dataclass_params__") or has(kind, "__attrs_attrs__"):
        return partial(_object, Layout(kind), is_whole=is_made_in_python(kind))
    return _unseen if is_made_in_python(kind) else _container_of_an_extension(kind)


def _known(kind: type[Any], base: type[Any]) -> _Look | None:
    """What looks at the values of a type for what it inherits from a base; ``None`` where that is not known."""
    if base is RootModel:  # which has no room for extra fields
        return lambda value: View("object", attributes=dict(_FIELDS(value)))
    if base is BaseModel:
        return _pydantic
    if base is BaseException:
        return partial(_exception, Layout(kind), [*_members_of_exceptions(kind)])
    known = _BASES.get(id(base))
    adapter = adapter_of(base) if known is None else None
    if adapter is not None:
        is_whole = kind is base or adapter in COMPLETE or not _is_users(kind)
        return adapter if is_whole else partial(_with_public_attributes, adapter, Layout(kind))
    if known is None or kind is base:
        return known
    has_fields = _is_users(kind) or has(kind, "__dataclass_params__") or has(kind, "__attrs_attrs__")
    return partial(_with_attributes if has_fields else _without_attributes, known, Layout(kind))


@lru_cache(maxsize=1024)
def _is_of_the_program(module: str) -> bool:
    """Whether a module is the user's, or ours; one that was never loaded has no file, and is nobody else's."""
    ours = module.partition(".")[0] in {"antiphon", "pytest_templates"}
    return ours or module == "__main__" or module not in sys.modules or is_users_module(module)


def _is_users(kind: type[Any]) -> bool:
    return _is_of_the_program(module_of(kind))


def _is_mutable(kind: type[Any]) -> bool:
    if any(is_a(kind, base) for base in _IMMUTABLE) or is_a(kind, Enum):
        return False
    if is_a(kind, BaseModel):
        return not inherited(kind, "model_config").get("frozen", False)
    if not is_made_in_python(kind) and not _is_users(kind) and issubclass(kind, Sequence):
        return issubclass(kind, MutableSequence)
    dataclass = inherited(kind, "__dataclass_params__")
    return dataclass is None or not dataclass.frozen


def _is_lazy(found: Any) -> bool:
    """Whether what stands in a class computes an attribute when it is first read, and then keeps it in the object."""
    return any((module_of(base).partition(".")[0], name_of(base)) in _LAZY for base in bases_of(type(found)))


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
ASSOCIATION_PROXIES: Final = "_AssociationProxy_"  # begins the names under which SQLAlchemy keeps what it made of them
_OF_SQLALCHEMY: Final = "_sa_"  # begins the names of what it keeps in the lists of its rows
_CACHE: Final = re.compile(rf"_(?:.*_)?(?:cached?|caches|memo|memos|memoized)(?:_.*)?|{ASSOCIATION_PROXIES}.*")


@lru_cache(maxsize=4096)
def is_cache(name: str) -> bool:
    """Whether an attribute is private and named as a cache: filling one is no change."""
    return _CACHE.fullmatch(name) is not None


def _unseen(_: Any) -> View:
    return UNSEEN


def _only_itself(_: Any) -> View:
    return IDENTITY


def _with_attributes(look: _Look, layout: Layout, value: Any) -> View:
    """A value of a class of the program's that inherits from a builtin one, and may have attributes as well."""
    view, held = look(value), layout.attributes(value)
    return view._replace(attributes={**view.attributes, **held}) if held else view


def _without_attributes(look: _Look, layout: Layout, value: Any) -> View:
    """A value of a library's class that inherits from a builtin one: its attributes may be state, or caches."""
    held = [name for name in layout.attributes(value) if not name.startswith(_OF_SQLALCHEMY)]
    return look(value)._replace(is_partial=True) if held else look(value)


def _with_public_attributes(look: _Look, layout: Layout, value: Any) -> View:
    """A value of a class of the program's that inherits from a library's, which may have private attributes."""
    view = look(value)
    if view.form == "identity":
        return view
    seen = OWN.get(look, frozenset()) | view.attributes.keys()
    held = {
        name: item
        for name, item in layout.attributes(value).items()
        if name[:1] != "_" and name not in seen and plan_of(type(item)).is_copied
    }
    return view._replace(attributes={**view.attributes, **held}) if held else view


def _object(layout: Layout, value: Any, *, is_whole: bool) -> View:
    return View("object" if is_whole else "unseen", attributes=layout.attributes(value), has_identity=True)


def _container_of_an_extension(kind: type[Any]) -> _Look:
    """What looks at a container that is not made in Python, and so runs no code of the program when it is asked."""
    if issubclass(kind, Mapping):
        return lambda value: View("mapping", items=dict(value))
    if issubclass(kind, AbstractSet):
        return lambda value: View("set", items=[*value])
    return (lambda value: View("sequence", items=[*value])) if issubclass(kind, Sequence) else _unseen


def _enum(layout: Layout, value: Any) -> View:
    held = layout.attributes(value)
    kept = {name: item for name, item in held.items() if not (name.startswith("_") and name.endswith("_"))}
    return View("object", content=held.get("_name_"), attributes={**kept, "value": held.get("_value_")})


def _pydantic(value: Any) -> View:
    """An object of pydantic: its fields; what is private is its own business."""
    held = dict(_FIELDS(value))
    extra = _EXTRA(value)
    return View("object", attributes={**held, **extra} if extra else held)


def _row(layout: Layout, value: Any) -> View:
    """An object that SQLAlchemy maps: what is loaded of it, less what SQLModel keeps beside that."""
    held = {name: item for name, item in layout.attributes(value).items() if not name.startswith("__pydantic_")}
    state = held.pop("_sa_instance_state", None)
    if state is not None:
        held.update(dict.fromkeys(state.unloaded - held.keys(), UNLOADED))
    return View("object", attributes=held, has_identity=True)


def _exception(layout: Layout, members: list[tuple[str, _Read]], value: Any) -> View:
    """An exception without its traceback and context, which come and go as it is raised and caught."""
    parts = {"args": _ARGS(value), "cause": _CAUSE(value), **{name: get(value) for name, get in members}}
    return View("object", attributes={**layout.attributes(value), **parts}, has_identity=True)


def _members_of_exceptions(kind: type[Any]) -> Iterator[tuple[str, _Read]]:
    """What builtin exceptions hold beside their arguments, such as the ``code`` of a ``SystemExit``."""
    for base in bases_of(kind):
        if module_of(base) == "builtins":
            for name, found in members_of(base).items():
                if type(found) is MemberDescriptorType and name[:1] != "_":
                    yield name, found.__get__


def _ordered(value: Any) -> View:
    return View("ordered", items={key: dict.__getitem__(value, key) for key in OrderedDict.__iter__(value)})


def _defaultdict(value: Any) -> View:
    made = {"default_factory": _DEFAULT_FACTORY(value)}
    return View("mapping", items=dict(dict.items(value)), attributes=made)


def _deque(value: Any) -> View:
    return View("sequence", items=[*deque.__iter__(value)], attributes={"maxlen": _MAXLEN(value)})


def _method(value: Any) -> View:
    return View("object", attributes={"function": value.__func__, "self": value.__self__})


def _partial(value: Any) -> View:
    held = {"func": _FUNC(value), "args": [*_PARTIAL_ARGS(value)], "keywords": dict(_KEYWORDS(value))}
    return View("object", attributes={**_PARTIAL.attributes(value), **held}, has_identity=True)


def _function(value: Any) -> View:
    """A function: of the program's, also its attributes, its defaults and the variables of its closure."""
    module = value.__module__
    if type(module) is not str or not _is_of_the_program(module):
        return IDENTITY
    names = value.__code__.co_freevars
    closure = {name: _content_of(cell) for name, cell in zip(names, value.__closure__ or (), strict=True)}
    return View("object", attributes={**value.__dict__, **closure, **defaults_of(value)}, has_identity=True)


def defaults_of(function: FunctionType) -> dict[str, Any]:
    """The defaults of a function by the names of its parameters.

    It may have more than it has parameters, as decorators leave them that keep a signature: Python uses the last ones.
    """
    parameters = function.__code__.co_varnames[: function.__code__.co_argcount]
    by_position = zip(reversed(parameters), reversed(function.__defaults__ or ()), strict=False)
    return {**(function.__kwdefaults__ or {}), **dict(by_position)}


def _content_of(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # the variable has no value yet
        return UNLOADED


def _generator(name: str) -> _Look:
    """What looks at generators: where they stand, and all that their frames hold, iterators that loops go over too."""

    def look(value: Any) -> View:
        frame = getattr(value, name)
        if frame is None:
            return View("object", content="ended", has_identity=True)
        held = [one for one in gc.get_referents(value) if type(one) not in (CodeType, FrameType)]
        return View("sequence", content=frame.f_lasti, items=held, has_identity=True)

    return look


def _iterator(value: Any) -> View:
    """An iterator over a builtin container: how much is left, and what it goes over."""
    return View("sequence", content=length_hint(value), items=gc.get_referents(value), has_identity=True)


def _around_iterators(value: Any) -> View:
    """An iterator over iterators: they know where it stands."""
    return View("sequence", items=gc.get_referents(value), has_identity=True)


def _cycle(value: Any) -> View:
    """Where it stands in what it repeats, nobody is told."""
    return View("unseen", attributes={"over": gc.get_referents(value)}, has_identity=True)


def _enumerate(value: Any) -> View:
    _, (_, number) = value.__reduce__()
    return View("sequence", content=number, items=gc.get_referents(value), has_identity=True)


def _reversed(value: Any) -> View:
    _, _, *left = value.__reduce__()
    return View("sequence", content=tuple(left), items=gc.get_referents(value), has_identity=True)


def _count(value: Any) -> View:
    held = [one for one in gc.get_referents(value) if one is not itertools.count]  # 3.12 counts its class among them
    if any(type(one) not in (int, float) for one in held):
        return UNSEEN
    return View("object", content=repr(value), has_identity=True)


def _read_by(read: _Read) -> _Look:
    """What looks at values that are told apart by plain data alone."""
    return lambda value: View("object", content=read(value))


def _fields_of(base: Any, *names: str) -> _Read:
    """Returns the numbers that a date or the like is made of, whatever a class of the program's makes of them."""
    getters = [inherited(base, name).__get__ for name in names]
    return lambda value: tuple([get(value) for get in getters])


_DAY: Final = ("year", "month", "day")
_HOUR: Final = ("hour", "minute", "second", "microsecond", "fold")
_DATE: Final = _fields_of(dt.date, *_DAY)
_TIME: Final = _fields_of(dt.time, *_HOUR)
_DATETIME: Final = _fields_of(dt.datetime, *_DAY, *_HOUR)
_TIMEDELTA: Final = _fields_of(dt.timedelta, "days", "seconds", "microseconds")
_FRACTION: Final = _fields_of(Fraction, "_numerator", "_denominator")
_UUID: Final = _fields_of(UUID, "int")


def _zoned(read: _Read, base: Any) -> _Look:
    zone = inherited(base, "tzinfo").__get__
    return lambda value: View("object", content=read(value), attributes={"tzinfo": zone(value)})


def _by_id(known: Mapping[type[Any], _T]) -> dict[int, _T]:
    """By the ids of builtin types, which are never freed: to hash a type could run a metaclass of the program's."""
    return {id(kind): one for kind, one in known.items()}


_FIELDS: Final = inherited(BaseModel, "__dict__").__get__
_EXTRA: Final = inherited(BaseModel, "__pydantic_extra__").__get__
_DEFAULT_FACTORY: Final = inherited(defaultdict, "default_factory").__get__
_MAXLEN: Final = inherited(deque, "maxlen").__get__
_FUNC: Final = inherited(partial, "func").__get__
_PARTIAL_ARGS: Final = inherited(partial, "args").__get__
_KEYWORDS: Final = inherited(partial, "keywords").__get__
_ARGS: Final = inherited(BaseException, "args").__get__
_CAUSE: Final = inherited(BaseException, "__cause__").__get__
_PARTIAL: Final = Layout(partial)
_NAMESPACE: Final = Layout(SimpleNamespace)

# The types whose values hold nothing that can change, with what tells their values apart. Texts and whole numbers
# stand for themselves.
_EXACT: Final[Mapping[int, _Read]] = _by_id(
    {
        bool: bool,
        float: lambda value: value if value == value else "nan",  # NaN differs from itself
        complex: repr,
        bytes: bytes,
        Decimal: str,
        Fraction: _FRACTION,
        UUID: _UUID,
        range: lambda value: (value.start, value.stop, value.step),
        dt.date: _DATE,
        dt.timedelta: _TIMEDELTA,
        type(Ellipsis): repr,
        type(NotImplemented): repr,
    }
)
_ITERATORS: Final[tuple[Any, ...]] = (
    *(iter([]), reversed([]), iter(()), iter(range(0)), iter(range(2**70)), iter(set()), iter(""), iter("\u0100")),
    *(iter(b""), iter(bytearray()), iter({}), iter({}.values()), iter({}.items()), iter(deque()), reversed(deque())),
    *(reversed({}), reversed({}.values()), reversed({}.items())),
)
_AROUND_ITERATORS: Final[tuple[Any, ...]] = (
    *(itertools.accumulate, itertools.chain, itertools.compress, itertools.dropwhile, itertools.filterfalse),
    *(itertools.islice, itertools.pairwise, itertools.starmap, itertools.takewhile, itertools.zip_longest),
)
_BASES: Final[Mapping[int, _Look]] = _by_id(
    {
        dict: lambda value: View("mapping", items=dict(dict.items(value))),
        list: lambda value: View("sequence", items=[*list.__iter__(value)]),
        History: lambda value: View("sequence", items=[*list.__iter__(value)]),  # less what is kept to read it by
        tuple: lambda value: View("sequence", items=[*tuple.__iter__(value)]),
        set: lambda value: View("set", items=[*set.__iter__(value)]),
        frozenset: lambda value: View("set", items=[*frozenset.__iter__(value)]),
        OrderedDict: _ordered,
        defaultdict: _defaultdict,
        deque: _deque,
        bytearray: _read_by(bytes),
        array: lambda value: View("sequence", content=value.typecode, items=array.tolist(value)),
        MappingProxyType: lambda value: View("mapping", items=dict(value)),
        memoryview: lambda value: View("object", content=value.tobytes()),
        slice: lambda value: View("object", attributes={"start": value.start, "stop": value.stop, "step": value.step}),
        # numbers and texts of the program's own classes
        str: _read_by(str.__str__),
        int: _read_by(int.__int__),
        float: _read_by(float.__float__),
        complex: _read_by(complex.__repr__),
        bytes: _read_by(bytes.__bytes__),
        Decimal: _read_by(Decimal.__str__),
        Fraction: _read_by(_FRACTION),
        UUID: _read_by(_UUID),
        dt.datetime: _zoned(_DATETIME, dt.datetime),
        dt.date: _read_by(_DATE),
        dt.time: _zoned(_TIME, dt.time),
        dt.timedelta: _read_by(_TIMEDELTA),
        dt.timezone: _read_by(dt.timezone.__repr__),
        re.Pattern: lambda value: View("object", content=(value.pattern, value.flags)),
        re.Match: lambda value: View("object", content=(value.re.pattern, value.regs)),
        SimpleNamespace: lambda value: View("object", attributes=_NAMESPACE.attributes(value), has_identity=True),
        # what is called, and what is gone through
        MethodType: _method,
        partial: _partial,
        FunctionType: _function,
        GeneratorType: _generator("gi_frame"),
        CoroutineType: _generator("cr_frame"),
        AsyncGeneratorType: _generator("ag_frame"),
        enumerate: _enumerate,
        reversed: _reversed,
        itertools.count: _count,
        itertools.repeat: _iterator,
        itertools.cycle: _cycle,
        **dict.fromkeys((zip, map, filter, *_AROUND_ITERATORS), _around_iterators),
        **{type(one): _iterator for one in _ITERATORS},
        # what exists once
        **dict.fromkeys((BuiltinFunctionType, ModuleType, CodeType, property), _only_itself),
    }
)
_NOT_COPIED: Final = frozenset(map(id, (FunctionType, BuiltinFunctionType, ModuleType, CodeType, property, slice)))
_DATA: Final = (list, dict, set, bytearray, Model, BaseModel, str, int, float, bytes, MethodType)
_IMMUTABLE: Final = (
    *(tuple, frozenset, str, int, float, complex, bytes, Decimal, Fraction, UUID, range, slice, memoryview),
    *(dt.date, dt.time, dt.timedelta, dt.timezone, re.Pattern, re.Match, MappingProxyType, MethodType),
)
