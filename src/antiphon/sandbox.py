"""The sandbox of texts: jinja2's own, with less to reach, and with a budget for what is made (see `making`).

A text reads what the program gives it. It reaches nothing that acts (runners, models, templates, the run itself), and
changes nothing. Jinja2 compiles texts to Python: `_Compiler` lets loops, slices, joined and unpacked values pass by the
sandbox, which jinja2 itself does not ask about them.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, MutableSet
from dataclasses import is_dataclass
from decimal import Decimal
from functools import lru_cache, partial, update_wrapper, wraps
from inspect import getattr_static
from pathlib import PurePath
from types import BuiltinMethodType, MethodType
from typing import Any, Final, TypeAlias
from uuid import UUID

from jinja2 import Template, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.filters import make_attrgetter
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedFormatter
from jinja2.utils import generate_lorem_ipsum
from markupsafe import EscapeFormatter, Markup
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from antiphon.making import (
    CALL,
    CONTAINERS,
    FILTER_COSTS,
    METHOD_COSTS,
    MOST,
    STEP,
    budget,
    compare,
    compared,
    concatenated,
    finite,
    made,
    pay_format,
    pay_join,
    percent,
    plus,
    power,
    spend,
    text_length,
    times,
    turns,
    weighed,
)


def rendered(template: Template, variables: dict[str, Any]) -> str:
    """A text filled in, with a budget for what it makes."""
    with budget():
        return filled_in(template, variables)


def filled_in(template: Template, variables: dict[str, Any]) -> str:
    """A text filled in, one that `only_fills_in`.

    It is what ``Template.render`` does, at half the cost: that would copy the global names one by one.
    """
    try:
        return concatenated(template.root_render_func(template.new_context(variables, shared=True)))
    except Exception:  # noqa: BLE001
        template.environment.handle_exception()  # gives the traceback the lines of the text, and raises


def only_fills_in(tree: nodes.Template) -> bool:
    """Whether a text just says values by their names, as most do: it makes nothing of them."""
    return all(type(node) in _FILLING_IN for node in tree.find_all(nodes.Node))


_FILLING_IN: Final = frozenset({nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.If})

RESERVED: Final = frozenset({"session", "self", "super", "loop", "caller", "varargs", "kwargs"})  # no names of metadata


Pieces: TypeAlias = list[str | list[str]]


def pieces_of(tree: nodes.Template) -> Pieces | None:
    """What a text is made of that just says values of the metadata: texts, and the names in between.

    A name is a list: of two in ``order.number``.
    """
    pieces: Pieces = []
    for output in tree.body:
        for node in output.nodes if isinstance(output, nodes.Output) else (output,):
            if isinstance(node, nodes.TemplateData):
                pieces.append(node.data)
                continue
            dotted = _dotted(node)
            if not dotted or dotted[0] in RESERVED:
                return None
            pieces.append(dotted)
    return pieces


def _dotted(node: nodes.Node) -> list[str]:
    """The parts of a dotted name; none of anything else."""
    parts: list[str] = []
    while isinstance(node, nodes.Getattr):
        parts.insert(0, node.attr)
        node = node.node
    return [node.name, *parts] if isinstance(node, nodes.Name) else []


def pieced_together(pieces: Pieces, metadata: Mapping[str, Any]) -> str | None:
    """What jinja2 would make of the pieces, at a quarter of the cost; ``None`` where one of the values needs jinja2."""
    filled: list[str] = []
    for piece in pieces:
        value: Any = piece
        if type(piece) is list:
            value = metadata.get(piece[0])
            for part in piece[1:]:
                if type(value) is not dict or part in _OF_DICTS:
                    return None
                value = value.get(part)
            if type(value) is int and abs(value) < _LONG_NUMBER:
                value = str(value)
            elif type(value) is not str:
                return None
        filled.append(value)
    whole = "".join(filled)
    return whole if len(whole) <= MOST else None


_LONG_NUMBER: Final = 10**1000  # of more digits than these Python may refuse to make a text


# What may be reached

_READABLE: Final[Mapping[str, frozenset[str]]] = {  # of this package's classes that act, and of those derived from them
    "Session": frozenset({"messages", "metadata", "last", "get_last_message", "template_path"}),
    "Tool": frozenset({"name", "description", "parameters", "__call__"}),
    "Model": frozenset({"name"}),
    "Template": frozenset({"template_id"}),
    "Trace": frozenset({"calls", "tools", "models"}),
}
_PYDANTIC: Final = frozenset(name for name in dir(BaseModel) if not name.startswith("_"))
_PYDANTIC_READS: Final = frozenset(  # the others make models of what they are given: parse_raw() unpickles it
    {"model_dump", "model_dump_json", "model_extra", "model_fields_set", "model_json_schema", "dict", "json", "schema"}
)
_CHANGES: Final = frozenset(  # methods that change a set, a deque, or another container, and that jinja2 lets pass
    {"intersection_update", "appendleft", "extendleft", "popleft", "rotate", "move_to_end", "subtract", "setdefault"}
    | {"byteswap", "frombytes", "fromlist", "fromfile", "fromunicode", "tofile"}
)


@lru_cache(maxsize=4096)
def _may_read(kind: type, name: str) -> bool:
    """Whether a text may read an attribute of the objects of a class, as far as the class says it."""
    readable = _readable(kind)
    if readable is not None:
        return name in readable
    if issubclass(kind, BaseModel) and name in _PYDANTIC - _PYDANTIC_READS:
        return name in kind.model_fields or getattr_static(kind, name) is not getattr_static(BaseModel, name)
    return not (name in _CHANGES and issubclass(kind, MutableMapping | MutableSequence | MutableSet))


@lru_cache(maxsize=1024)
def _readable(kind: type) -> frozenset[str] | None:
    """What may be read of the objects of a class of this package that acts; ``None`` for any other class."""
    own = [one.__name__ for one in kind.__mro__ if one.__module__.partition(".")[0] == __package__]
    named = [_READABLE[name] for name in own if name in _READABLE]
    if named or not own:
        return named[0] if named else None
    is_data = issubclass(kind, BaseModel | list | Exception) or is_dataclass(kind)
    return None if is_data else frozenset()


def _readable_of(value: object) -> frozenset[str] | None:
    return _readable(value if isinstance(value, type) else type(value))


def _may_call(called: object) -> bool:
    while isinstance(called, partial):
        called = called.func
    is_method = isinstance(called, MethodType)
    readable = _readable_of(called.__self__ if is_method else called)  # type: ignore[attr-defined]
    return readable is None or (called.__name__ if is_method else "__call__") in readable  # type: ignore[attr-defined]


def _said(value: Any) -> Any:
    """What is about to become text; nothing that acts is meant to."""
    kind = type(value)
    if kind is str or kind is int:
        return value
    if kind in CONTAINERS:
        spend(text_length(value, {}))
    elif _readable_of(value.__self__ if kind is MethodType else value) is not None and not isinstance(value, BaseModel):
        raise SecurityError(f"an object of the class {kind.__name__!r} has no text: name what of it is meant")
    return value


# What filters pay

_GO_THROUGH: Final = frozenset(  # the filters that go through what they are given
    {"list", "sort", "unique", "groupby", "sum", "min", "max", "last", "reverse", "batch", "slice", "map", "select"}
    | {"reject", "selectattr", "rejectattr", "first", "dictsort", "urlencode"}
)
_COMPARE: Final = frozenset({"sort", "unique", "groupby", "min", "max", "dictsort"})  # those that compare the items
_MAKE_TEXT: Final = frozenset(  # the filters that make text of whatever they are given
    {"capitalize", "center", "e", "escape", "forceescape", "indent", "lower", "pprint", "replace", "safe", "string"}
    | {"striptags", "title", "trim", "truncate", "upper", "urlencode", "urlize", "wordcount", "wordwrap", "xmlattr"}
)


def _paying(name: str, given: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that pays for what it makes."""
    cost = FILTER_COSTS.get(name)
    makes_text, goes_through, compares = name in _MAKE_TEXT, name in _GO_THROUGH, name in _COMPARE
    at = int(hasattr(given, "jinja_pass_arg"))  # what jinja2 passes to a filter stands before the value

    @wraps(given)
    def paying(*arguments: Any, **options: Any) -> Any:
        head, (value, *rest) = arguments[:at], arguments[at:]
        spend(STEP)
        if makes_text:
            _said(value)
        if goes_through:
            value = finite(value)
        if compares:
            weighed(value)
        if cost is not None:
            cost(value, *rest, **options)
        return made(given(*head, value, *rest, **options))

    return paying


def _joining(given: Callable[..., Any]) -> Callable[..., Any]:
    """The filter ``join``, which has to know the items before it can pay for them."""

    @wraps(given)
    def join(context: Any, value: Any, d: Any = "", attribute: Any = None) -> Any:
        items = list(finite(value))
        if attribute is not None:
            items = list(map(make_attrgetter(context.environment, attribute), items))
        pay_join(d, [_said(item) for item in items])
        return given(context, items, d)

    return join


def _formatting(value: Any, *arguments: Any, **options: Any) -> Any:
    """The filter ``format``."""
    if arguments and options:
        raise TypeError("the filter 'format' takes arguments by position or by name, not both")
    return _percent(str(_said(value)), options or arguments)


def tojson(value: Any, indent: int | str | None = None) -> str:
    """The filter of that name: for models to read, without the escapes of jinja2's own, which writes it into HTML."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False, indent=indent, default=_plain)


def _plain(value: Any) -> Any:
    """What is no value of JSON, as results of tools tell it; objects would tell more than texts may read."""
    if type(value) in _SCALARS:
        return to_jsonable_python(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(
        f"tojson writes texts, numbers, lists, dicts, sets, dates and the like, and no object of the class "
        f"{type(value).__name__!r}: of one of pydantic put its model_dump() into the metadata"
    )


_SCALARS: Final = frozenset({dt.date, dt.datetime, dt.time, dt.timedelta, Decimal, UUID})


def _percent(left: Any, right: Any) -> Any:
    if isinstance(left, str):
        for one in right if isinstance(right, tuple) else (right,):
            _said(one)
    return percent(left, right)


def _lorem_ipsum(n: int = 5, html: bool = True, min: int = 20, max: int = 100) -> str:  # noqa: A002 - as jinja2 has it
    spend(n * max * STEP)
    return generate_lorem_ipsum(n, html, min, max)


def _asked_anew(given: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or a test of a program, which is asked whenever a text is rendered.

    What has nothing but constants to work on jinja2 would ask when it compiles the text, and never again.
    """
    passed: Any = getattr(given, "jinja_pass_arg", None)

    @wraps(given)
    def asked(context: Context, *arguments: Any, **options: Any) -> Any:
        if passed is None:
            return given(*arguments, **options)
        held = {"context": context, "eval_context": context.eval_ctx, "environment": context.environment}
        return given(held[passed.name], *arguments, **options)

    return pass_context(asked)


# What tests pay

_COMPARISONS: Final[Mapping[str, tuple[str, ...]]] = {  # by their names in jinja2's syntax tree
    "eq": ("eq", "==", "equalto"),
    "ne": ("ne", "!="),
    "lt": ("lt", "<", "lessthan"),
    "lteq": ("le", "<="),
    "gt": ("gt", ">", "greaterthan"),
    "gteq": ("ge", ">="),
    "in": ("in",),
}


def _tests() -> dict[str, Callable[..., bool]]:
    """The tests that compare, search, divide (which formats texts), or make text of whatever they are given."""
    return {
        **{one: partial(compare, operator) for operator, names in _COMPARISONS.items() for one in names},
        "odd": lambda value: bool(_percent(value, 2) == 1),
        "even": lambda value: bool(_percent(value, 2) == 0),
        "divisibleby": lambda value, num: bool(_percent(value, num) == 0),
        "lower": lambda value: str(_said(value)).islower(),
        "upper": lambda value: str(_said(value)).isupper(),
    }


class _Formatter(SandboxedFormatter):
    """``str.format``, which pays for its widths."""

    def format_field(self, value: Any, format_spec: str) -> Any:
        pay_format(value, format_spec)
        return made(super().format_field(_said(value), format_spec))

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return super().convert_field(_said(value), conversion)


class _EscapeFormatter(_Formatter, EscapeFormatter):
    """The same of a text that is marked as HTML."""


class _Compiler(CodeGenerator):
    """Makes Python of a text; the names of its methods are jinja2's."""

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802
        pieces = sum(len(output.nodes) for output in node.find_all(nodes.Output))
        node.iter = _asking("turns", node.iter, nodes.Const(max(STEP, 8 * pieces)))
        super().visit_For(node, frame)

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:  # noqa: N802
        if not isinstance(node.node, nodes.EnvironmentAttribute):
            if node.dyn_args is not None:
                node.dyn_args = _asking("finite", node.dyn_args)
            super().visit_Call(node, frame, forward_caller=forward_caller)
            return
        self.write(f"environment.{node.node.name}(")
        for argument in node.args:
            self.visit(argument, frame)
            self.write(", ")
        self.write(")")

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802
        is_slice = isinstance(node.arg, nodes.Slice)
        self.write("environment.made(" * is_slice)
        super().visit_Getitem(node, frame)
        self.write(")" * is_slice)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("(markup_join if context.eval_ctx.autoescape else str_join)(environment.parts((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write(")))")

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802
        self.write("environment.compared(")
        self.visit(node.expr, frame)
        for operand in node.ops:
            self.write(f", {operand.op!r}, lambda: ")
            self.visit(operand.expr, frame)
        self.write(")")

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802
        for pair in node.items:
            if not isinstance(pair.key, nodes.Const):
                pair.key = _asking("weighed", pair.key)
        super().visit_Dict(node, frame)


def _asking(name: str, given: nodes.Node, *more: nodes.Expr) -> nodes.Call:
    """A call of the sandbox itself."""
    return nodes.Call(nodes.EnvironmentAttribute(name), [given, *more], [], None, None, lineno=given.lineno)


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment in which texts are compiled and rendered.

    Args:
        filters: Filters of the program's own, by name, beside the built-in ones.
        tests: Tests, likewise.
        variables: What every text may name, likewise.
        **options: Those of jinja2.
    """

    code_generator_class = _Compiler
    intercepted_binops = frozenset({"+", "*", "**", "%"})
    concat = staticmethod(concatenated)
    turns = staticmethod(turns)  # this and all that follow are called by what `_Compiler` writes
    finite = staticmethod(finite)
    made = staticmethod(made)
    compared = staticmethod(compared)
    weighed = staticmethod(weighed)

    @staticmethod
    def parts(values: tuple[Any, ...]) -> tuple[Any, ...]:
        """What is about to be joined by ``~``."""
        spend(sum(len(one) for one in values if isinstance(_said(one), str)))
        return values

    def __init__(
        self,
        filters: Mapping[str, Callable[..., Any]],
        tests: Mapping[str, Callable[..., Any]],
        variables: Mapping[str, Any],
        **options: Any,
    ) -> None:
        super().__init__(finalize=_said, **options)
        own_filters = {name: _asked_anew(given) for name, given in filters.items()}
        known = {**self.filters, "tojson": tojson, **own_filters}
        self.filters = {name: _paying(name, given) for name, given in known.items()}
        self.filters["join"] = _joining(self.filters["join"])
        self.filters["format"] = _formatting
        self.tests = {**self.tests, **_tests(), **{name: _asked_anew(given) for name, given in tests.items()}}
        self.globals.update({"lipsum": _lorem_ipsum, **variables})
        self.binop_table.update({"+": plus, "*": times, "**": power, "%": _percent})

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Read an attribute, or the item of that name."""
        if (
            type(obj) is dict and attribute in obj and attribute not in _OF_DICTS
        ):  # the most common case, at half the cost
            return obj[attribute]
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Read an item, or the attribute of that name."""
        return super().getitem(obj, argument if type(argument) is str else weighed(argument))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a text may read an attribute."""
        kind = obj if isinstance(obj, type) else type(obj)
        return _may_read(kind, attr) and super().is_safe_attribute(obj, attr, value)

    def is_safe_callable(self, obj: Any) -> bool:
        """Whether a text may call something: a tool it may, and what the program gave it."""
        return _may_call(obj) and super().is_safe_callable(obj)

    def call(self, context: Context, obj: Any, /, *arguments: Any, **options: Any) -> Any:
        """Call something."""
        spend(CALL)
        if isinstance(obj, LoopContext):
            arguments = tuple(turns(items, STEP) for items in arguments)
        elif isinstance(obj, MethodType) and isinstance(obj.__self__, LoopContext):
            arguments = tuple(map(weighed, arguments))  # loop.changed() compares them
        elif isinstance(obj, BuiltinMethodType | type):
            arguments = tuple(weighed(finite(one)) for one in arguments)
            owner = getattr(obj, "__self__", None)
            if isinstance(owner, str | bytes | int):
                arguments = _paid_arguments(owner, obj.__name__, arguments, options)
        return made(super().call(context, obj, *arguments, **options))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """``str.format`` and ``str.format_map`` in the sandbox; ``None`` for all else."""
        is_method = isinstance(value, BuiltinMethodType | MethodType) and value.__name__ in {"format", "format_map"}
        text = value.__self__ if is_method else None
        if not isinstance(text, str):
            return None
        formatter = _EscapeFormatter(self, escape=text.escape) if isinstance(text, Markup) else _Formatter(self)

        def formatted(*arguments: Any, **options: Any) -> str:
            if value.__name__ == "format":
                return type(text)(formatter.vformat(text, arguments, options))
            if len(arguments) != 1 or options:
                raise TypeError("format_map() takes one argument, a mapping")
            return type(text)(formatter.vformat(text, (), arguments[0]))

        return update_wrapper(formatted, value)

    def get_template(self, name: Any, parent: str | None = None, globals: Any = None) -> Template:  # noqa: A002 - as jinja2 has it
        """A file that a text includes, imports or extends."""
        spend(CALL)
        return super().get_template(name, parent, globals)


def _paid_arguments(owner: Any, name: str, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> tuple[Any, ...]:
    """The arguments of a method of a text or a number, after it has paid for what it makes of them."""
    if name == "join" and len(arguments) == 1:
        items = list(arguments[0])
        pay_join(owner, items)
        return (items,)
    if name in METHOD_COSTS:
        METHOD_COSTS[name](owner, *arguments, **options)
    return arguments


_OF_DICTS: Final = frozenset(dir(dict))
