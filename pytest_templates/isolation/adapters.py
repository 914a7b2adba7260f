"""What of the values of some libraries is their state: arrays, tables, tensors, queues, documents, mails, paths.

A library is never imported for it: its types are those that it has in ``sys.modules``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final, TypeAlias

from pytest_templates.isolation.static import Layout, name_of
from pytest_templates.isolation.view import IDENTITY, UNLOADED, View

_Look: TypeAlias = Callable[[Any], View]
_SMALL: Final = 1_000  # items of an array or cells of a table up to which they are read one by one


UNCHANGING: Final[set[_Look]] = set()  # what looks at values that copies may share, since nobody changes them


def adapter_of(kind: type[Any]) -> _Look | None:
    """What looks at the values of a type and of those that inherit from it; ``None`` for types of no library here."""
    for module, look in _BY_NAME.get(name_of(kind), ()):
        loaded = sys.modules.get(module)
        if loaded is not None and vars(loaded).get(name_of(kind)) is kind:
            return look
    return None


def _digest(*parts: Any) -> str:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return f"<content {digest.hexdigest()}>"


def _array(value: Any) -> View:
    numpy: Any = sys.modules["numpy"]
    plain = value if type(value) is numpy.ndarray else numpy.ndarray.view(value, numpy.ndarray)
    held = {} if type(value) is numpy.ndarray else _own(value)
    held |= {"dtype": str(plain.dtype), "shape": plain.shape, "writeable": plain.flags.writeable}
    if plain.dtype.hasobject or plain.dtype.char == "T" or plain.size <= _SMALL:
        items = plain.tolist()
        return View("sequence", attributes=held, items=items if plain.ndim else [items])
    return View("object", attributes={**held, "values": _digest_of_array(plain)})


def _own(value: Any) -> dict[str, Any]:
    """The attributes of an array of another class; of a masked one, its mask and what stands for what is masked."""
    held = Layout(type(value)).attributes(value)
    if "_sharedmask" not in held:
        return held
    numpy: Any = sys.modules["numpy"]
    fill = held["_fill_value"]  # None until it is first asked for
    if fill is None:
        fill = numpy.ma.default_fill_value(value.dtype)
    return {"mask": held["_mask"], "fill_value": numpy.asarray(fill).tolist()}


def _digest_of_array(plain: Any) -> str:
    numpy: Any = sys.modules["numpy"]
    return _digest(numpy.ascontiguousarray(plain).reshape(-1).view(numpy.uint8).data)


def _scalar(value: Any) -> View:
    return View("object", content=(str(value.dtype), value.tobytes()))


def _frame(value: Any) -> View:
    columns = [value.iloc[:, number] for number in range(value.shape[1])]
    return View(
        "sequence",
        attributes={"columns": value.columns, "dtypes": [_dtype(column.dtype) for column in columns], **_labels(value)},
        items=[_values(column, few=value.size <= _SMALL) for column in columns],
    )


def _series(value: Any) -> View:
    values = _values(value, few=value.size <= _SMALL)
    about = {"name": value.name, "dtype": _dtype(value.dtype), **_labels(value)}
    if isinstance(values, list):
        return View("sequence", attributes=about, items=values)
    return View("object", attributes={**about, "values": values})


def _labels(value: Any) -> dict[str, Any]:
    """What a table or series of pandas has beside its values."""
    flags = value.flags.allows_duplicate_labels
    named = {"index": value.index, "attrs": dict(value.attrs), "allows_duplicate_labels": flags}
    return {**named, **_kept_beside(value)}


def _kept_beside(value: Any) -> dict[str, Any]:
    """What a class that inherits from pandas' own keeps beside the values, and says so."""
    pandas: Any = sys.modules["pandas"]
    names = {*type(value)._metadata}.difference(pandas.DataFrame._metadata, pandas.Series._metadata)
    return (
        {name: item for name, item in Layout(type(value)).attributes(value).items() if name in names} if names else {}
    )


def _index(value: Any) -> View:
    about = {"names": [*value.names]}
    if hasattr(value, "step"):  # a range
        return View("object", content=(value.start, value.stop, value.step), attributes=about)
    about["dtype"] = _dtype(value.dtype)
    if _has_levels(value):
        about["levels"] = [_dtype(level.dtype) for level in value.levels]
    values = _values(value, few=value.size <= _SMALL)
    if isinstance(values, list):
        return View("sequence", attributes=about, items=values)
    return View("object", attributes={**about, "values": values})


def _pandas_array(value: Any) -> View:
    return _series(sys.modules["pandas"].Series(value, copy=False))


def _dtype(dtype: Any) -> Any:
    """What there is to know of the type of a column: of categories, which there are."""
    categories = getattr(dtype, "categories", None)
    return str(dtype) if categories is None else [str(dtype), bool(dtype.ordered), categories]


def _values(column: Any, *, few: bool) -> Any:
    """The values of a series or an index of pandas; of many a digest, but where they are objects of Python."""
    numpy: Any = sys.modules["numpy"]
    pandas: Any = sys.modules["pandas"]
    if few or (column.dtype == object and not _has_levels(column)):
        return column.tolist()
    if isinstance(column.dtype, numpy.dtype) and not _has_levels(column):
        return _digest_of_array(column.to_numpy())
    return _digest(memoryview(pandas.util.hash_pandas_object(column, index=False).to_numpy()).cast("B"))


def _has_levels(column: Any) -> bool:
    return getattr(column, "nlevels", 1) > 1


def _polars_frame(value: Any) -> View:
    if value.height * value.width <= _SMALL:
        return View("sequence", content=str(value.schema), items=value.rows())
    return View("object", content=str(value.schema), attributes={"values": _hashed_rows(value)})


def _polars_series(value: Any) -> View:
    about = {"name": value.name, "dtype": str(value.dtype)}
    if len(value) <= _SMALL:
        return View("sequence", attributes=about, items=value.to_list())
    return View("object", attributes={**about, "values": _hashed_rows(value.to_frame())})


def _hashed_rows(frame: Any) -> Any:
    """A digest of a large table; objects of Python are looked at themselves: polars would hash them, and panics."""
    if sys.modules["polars"].Object in frame.dtypes:
        return frame.rows()
    return _digest(memoryview(frame.hash_rows().to_numpy()).cast("B"))


def _tensor(value: Any) -> View:
    about = {"version": value._version, "shape": tuple(value.shape), "dtype": str(value.dtype)}
    return View("object", attributes=about, has_identity=True)


def _random(value: Any) -> View:
    base: Any = sys.modules["random"]
    return View("object", content=_digest(repr(base.Random.getstate(value)).encode()))


def _numpy_random(value: Any) -> View:
    state = value.bit_generator.state if hasattr(value, "bit_generator") else value.get_state(legacy=False)
    return View("object", content=_digest(repr(state).encode()))


def _memory_file(value: Any) -> View:
    if value.closed:
        return View("object", content="closed")
    return View("object", content=value.getvalue(), attributes={"position": value.tell()})


def _queue(value: Any) -> View:
    return View("sequence", items=[*value.queue])


def _queue_of_tasks(value: Any) -> View:
    return View("sequence", items=[*value._queue])


def _django_row(value: Any) -> View:
    """An object of a model of Django: what is loaded of it, and of those that it refers to."""
    held = Layout(type(value)).attributes(value)
    state = vars(held.pop("_state"))
    loaded = {**state.get("fields_cache", {}), **held}
    fields = value._meta.concrete_fields
    names = {field.attname for field in fields} | {field.name for field in fields if field.is_relation}
    unloaded = dict.fromkeys(names - loaded.keys(), UNLOADED)
    return View("object", attributes={**loaded, **unloaded, "is_new": state["adding"]}, has_identity=True)


def _peewee_row(value: Any) -> View:
    """An object of a model of peewee: its columns, and what is loaded of those that it refers to."""
    held = Layout(type(value)).attributes(value)
    columns, loaded = held.pop("__data__"), held.pop("__rel__")
    ids = {field.name: field.object_id_name for field in value._meta.refs}
    unloaded = dict.fromkeys(ids.keys() - loaded.keys(), UNLOADED)
    data = {ids.get(name, name): item for name, item in columns.items()}
    return View("object", attributes={**held, **data, **loaded, **unloaded}, has_identity=True)


def _element(value: Any) -> View:
    """An element of XML: what it says, and the elements within."""
    about = {"tag": value.tag, "text": value.text, "tail": value.tail, "attrib": dict(value.attrib)}
    return View("sequence", attributes=about, items=[*value])


def _document(value: Any) -> View:
    return View("object", attributes={"root": value.getroot()})


def _mail(value: Any) -> View:
    headers = [f"{name}: {text}" for name, text in value.raw_items()]
    around = {"preamble": value.preamble, "epilogue": value.epilogue}
    return View("object", attributes={"headers": headers, "payload": value.get_payload(), **around})


def _config(value: Any) -> View:
    sections = {name: dict(value.items(name, raw=True)) for name in value.sections()}
    return View("mapping", items=sections, attributes={"defaults": dict(value.defaults())})


def _protobuf(value: Any) -> View:
    return View("object", content=value.SerializePartialToString(deterministic=True))


def _c_data(value: Any) -> View:
    """A value of C: its bytes; where it points to others, these are not seen."""
    return View("object", content=bytes(value), is_partial=value._objects is not None)


def _sequence(value: Any) -> View:
    return View("sequence", items=[*value])


def _set(value: Any) -> View:
    return View("set", items=[*value])


def _mapping(value: Any) -> View:
    return View("mapping", items=dict(value.items()))


def _headers(value: Any) -> View:
    return View("sequence", items=[*value.raw])


def _whole(value: Any) -> View:
    return View("object", attributes=Layout(type(value)).attributes(value), has_identity=True)


def _attributes(value: Any) -> View:
    return View("object", attributes=Layout(type(value)).attributes(value))


def _identity(_: Any) -> View:
    return IDENTITY


def _text(module: str, name: str) -> _Look:
    """What looks at values that are told apart by what their own library writes of them."""

    def look(value: Any) -> View:
        base: Any = vars(sys.modules[module])[name]
        return View("object", content=base.__str__(value))

    UNCHANGING.add(look)
    return look


UNCHANGING.update([_scalar, _index])
COMPLETE: Final = frozenset([_array, _django_row, _peewee_row, _whole, _attributes])  # what looks at all attributes
OWN: Final[Mapping[_Look, frozenset[str]]] = {_queue: frozenset({"queue", "unfinished_tasks"})}
"""Public attributes of libraries' classes that are no more state than what is looked at, or no state at all."""
_KNOWN: Final[Mapping[tuple[str, str], _Look]] = {
    ("numpy", "ndarray"): _array,
    ("numpy", "generic"): _scalar,
    ("numpy.random", "Generator"): _numpy_random,
    ("numpy.random", "RandomState"): _numpy_random,
    ("pandas", "DataFrame"): _frame,
    ("pandas", "Series"): _series,
    ("pandas", "Index"): _index,
    **{("pandas", name): _text("pandas", name) for name in ("Interval", "Period", "Timedelta", "Timestamp")},
    ("pandas.tseries.offsets", "BaseOffset"): _text("pandas.tseries.offsets", "BaseOffset"),
    **{("pandas.api.typing", name): _identity for name in ("NAType", "NaTType")},  # in pandas 3
    ("pandas._libs.missing", "NAType"): _identity,
    ("pandas._libs.tslibs.nattype", "NaTType"): _identity,
    ("pandas.api.extensions", "ExtensionArray"): _pandas_array,
    ("polars", "DataFrame"): _polars_frame,
    ("polars", "Series"): _polars_series,
    **{("polars", name): _identity for name in ("Expr", "LazyFrame")},
    ("torch", "Tensor"): _tensor,
    ("django.db.models", "Model"): _django_row,
    ("peewee", "Model"): _peewee_row,
    ("msgspec", "Struct"): _whole,
    ("xml.etree.ElementTree", "Element"): _element,
    ("xml.etree.ElementTree", "ElementTree"): _document,
    ("lxml.etree", "_Element"): _element,
    ("lxml.etree", "_ElementTree"): _document,
    ("email.message", "Message"): _mail,
    ("configparser", "RawConfigParser"): _config,
    ("google.protobuf.message", "Message"): _protobuf,
    **{("_ctypes", name): _c_data for name in ("Array", "Structure", "Union", "_SimpleCData")},
    ("ast", "AST"): _whole,
    ("sortedcontainers", "SortedList"): _sequence,
    ("sortedcontainers", "SortedSet"): _set,
    ("sortedcontainers", "SortedDict"): _mapping,
    ("requests.structures", "CaseInsensitiveDict"): _mapping,
    ("httpx", "Headers"): _headers,
    ("random", "SystemRandom"): _identity,
    ("random", "Random"): _random,
    ("io", "StringIO"): _memory_file,
    ("io", "BytesIO"): _memory_file,
    ("queue", "Queue"): _queue,
    ("asyncio", "Queue"): _queue_of_tasks,
    **{("collections", name): _attributes for name in ("ChainMap", "UserDict", "UserList", "UserString")},
    ("argparse", "Namespace"): _attributes,
    ("pathlib", "PurePath"): _text("pathlib", "PurePath"),
    ("zoneinfo", "ZoneInfo"): _text("zoneinfo", "ZoneInfo"),
    ("decimal", "Context"): lambda value: View("object", content=repr(value)),
    **{("ipaddress", name): _text("ipaddress", name) for name in ("IPv4Address", "IPv6Address")},
    **{("ipaddress", name): _text("ipaddress", name) for name in ("IPv4Network", "IPv6Network")},
    ("yarl", "URL"): _text("yarl", "URL"),
    ("pydantic_core", "Url"): _text("pydantic_core", "Url"),
    # what counts and caches by itself, and what exists once
    ("unittest.mock", "NonCallableMock"): _identity,
    ("unittest.mock", "_SentinelObject"): _identity,
    ("unittest.mock", "_Call"): _identity,
    ("logging", "Logger"): _identity,
    ("logging", "LoggerAdapter"): _identity,
    ("jinja2", "Environment"): _identity,
    ("jinja2", "Template"): _identity,
    ("functools", "_lru_cache_wrapper"): _identity,
}
_BY_NAME: Final[dict[str, list[tuple[str, _Look]]]] = {}
for (_module, _name), _look in _KNOWN.items():
    _BY_NAME.setdefault(_name, []).append((_module, _look))
