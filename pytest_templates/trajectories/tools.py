"""``assert_tools``: which tools models called, and with what, compared with what is expected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias, get_args

from antiphon import Session, Trace
from antiphon.errors import InvalidType, InvalidValue, shown
from antiphon.trace import ToolRun
from pytest_templates.support.targets import did_you_mean
from pytest_templates.support.text import cut, visible
from pytest_templates.tool_calls import CallTool
from pytest_templates.trajectories.alignment import DIFFERENT, FITS, SIMILAR, Pair, aligned, matched, shown_pairs
from pytest_templates.trajectories.arguments import check_matchers, differences, written

Order: TypeAlias = Literal["strict", "any", "subset", "superset"]

_MEANING: Final[dict[Order, str]] = {
    "strict": "exactly these, in this order",
    "any": "exactly these, in any order",
    "subset": "none but these, each once at the most, in any order",
    "superset": "each of these, and perhaps others, in any order",
}


def assert_tools(used: Trace | Session, expected: Sequence[str | CallTool], *, order: Order = "strict") -> None:
    """Make sure that models called the tools they were meant to call.

    What counts is each run of a tool that a model asked for, in ``trace.tools``, also one that failed or whose tool
    does not exist; runs in subroutines are among them.

    Args:
        used: A trace, or the session that has one.
        expected: What is expected, each for one call: the name of a tool, for a call with whatever arguments; or a
            ``CallTool`` with all the arguments of the call. An argument is expected by its value, compared by ``==``,
            or by a matcher: ``...`` for anything, a type or a union of some (``True`` is no ``int``), a compiled
            regular expression that is to be found in a text, or a function that says whether the value will do. Lists
            and dicts may hold matchers.
        order: ``"strict"`` for exactly these calls in this order, ``"any"`` for exactly these in any order,
            ``"subset"`` for calls that are all among these, ``"superset"`` for calls among which all of these are. One
            that is expected stands for one call: a tool that is called twice is written twice.

    Raises:
        AssertionError: Other calls were made; the text is a table of what was expected and used, and the arguments that
            differ.
        InvalidType: That is no trace, or something expected is neither a name nor a ``CallTool``.
        InvalidValue: There is no such order.

    Example:
        ``assert_tools(llm_trace, ["look_up", CallTool("refund", order=re.compile("^A-"), cents=int)])``
    """
    __tracebackhide__ = True
    if not isinstance(used, Session | Trace):
        raise InvalidType(f"assert_tools takes a Trace or a Session, not {shown(used)}")
    if order not in get_args(Order):
        raise InvalidValue(f"order is one of {', '.join(map(repr, get_args(Order)))}, not {order!r}")
    trace = used.trace if isinstance(used, Session) else used
    comparison = _Comparison(_checked(expected), trace, order)
    if not comparison.holds:
        raise AssertionError(f"tools are not as expected: {_MEANING[order]}\n{comparison}")


def _checked(expected: object) -> list[str | CallTool]:
    if not isinstance(expected, list | tuple):
        raise InvalidType(f"assert_tools takes a list of names of tools and CallTool values, not {shown(expected)}")
    for number, one in enumerate(expected, 1):
        if not isinstance(one, str | CallTool):
            raise InvalidType(f"call {number} is expected by the name of its tool or a CallTool, not by {shown(one)}")
        if isinstance(one, CallTool):
            check_matchers(one)
    return list(expected)


def _name(one: str | CallTool) -> str:
    return one if isinstance(one, str) else one.name


class _Comparison:
    """What was expected, compared with the tools that were run.

    Args:
        expected: What is expected.
        trace: The trace with the runs.
        order: What has to hold.
    """

    def __init__(self, expected: Sequence[str | CallTool], trace: Trace, order: Order) -> None:
        self._expected = expected
        self._trace = trace
        self._runs = trace.tools
        self._order = order
        self._costs = [[self._cost(one, run) for run in trace.tools] for one in expected]

    @staticmethod
    def _cost(one: str | CallTool, run: ToolRun) -> int:
        if _name(one) != run.tool:
            return DIFFERENT
        return FITS if isinstance(one, str) or not any(True for _ in differences(one, run.arguments)) else SIMILAR

    @property
    def holds(self) -> bool:
        if self._order == "strict":
            is_long_enough = len(self._runs) == len(self._expected)
            return is_long_enough and all(costs[place] == FITS for place, costs in enumerate(self._costs))
        count = len(self._matched)
        return (self._order == "superset" or count == len(self._runs)) and (
            self._order == "subset" or count == len(self._expected)
        )

    @property
    def _matched(self) -> dict[int, int]:
        return matched([[run for run, cost in enumerate(costs) if cost == FITS] for costs in self._costs])

    def __str__(self) -> str:
        strict = self._order == "strict"
        pairs = aligned(self._costs, len(self._runs)) if strict else list(self._paired())
        rows = [self._row(one, run) for one, run in pairs]
        if self._order == "superset" and (others := self._others(pairs)):
            rows.append(("", "(others)", others, ""))
        return "\n".join([shown_pairs(("expected", "used", "difference"), rows), *map(visible, self._hints())])

    def _paired(self) -> Iterator[Pair]:
        """What is expected, each beside its run, or beside one of the same tool; then the runs that are left over."""
        found = self._matched
        left = [run for run in range(len(self._runs)) if run not in found.values()]
        for one in range(len(self._expected)):
            run = found.get(one)
            if run is None and (similar := [run for run in left if self._costs[one][run] == SIMILAR]):
                run = min(similar, key=lambda run: len(self._differences(one, run)))
                left.remove(run)
            yield one, run
        if self._order != "superset":
            yield from ((None, run) for run in left)

    def _others(self, pairs: Sequence[Pair]) -> str:
        beside = {run for _, run in pairs}
        others = Counter(run.tool for place, run in enumerate(self._runs) if place not in beside)
        return ", ".join(name if count == 1 else f"{name} (x{count})" for name, count in others.items())

    def _row(self, one: int | None, run: int | None) -> tuple[str, str, str, str]:
        here = " here" if self._order == "strict" else ""
        if one is None or run is None:
            is_wrong = one is None or self._order != "subset"
            expected = f"(not expected{here})" if one is None else self._wanted(one)
            return "✗" if is_wrong else "", expected, f"(not called{here})" if run is None else self._used(run), ""
        fits = self._costs[one][run] == FITS
        difference = "" if fits else cut("; ".join(self._differences(one, run)), 200)
        return "" if fits else "✗", self._wanted(one), self._used(run), difference

    def _differences(self, one: int, run: int) -> list[str]:
        expected, found = self._expected[one], self._runs[run]
        if isinstance(expected, str) or expected.name != found.tool:
            return []
        return list(differences(expected, found.arguments))

    def _wanted(self, one: int) -> str:
        expected = self._expected[one]
        return expected if isinstance(expected, str) else written(expected.name, expected.arguments)

    def _used(self, run: int) -> str:
        found = self._runs[run]
        failed = "" if found.error is None else f" failed: {type(found.error).__name__}"
        return written(found.tool, found.arguments) + failed

    def _hints(self) -> Iterator[str]:
        if not self._runs:
            asked = dict.fromkeys(call.name for one in self._trace.calls if one.reply for call in one.reply.tool_calls)
            if asked:
                yield f"models asked for {', '.join(asked)}, and no ToolingTemplate ran that: only runs count"
            return
        names = {run.tool for run in self._runs}
        for name in dict.fromkeys(_name(one) for one in self._expected):
            if name not in names and (meant := did_you_mean(name, names)):
                yield f"{name!r}: no such tool was called{meant}"
        if self._order == "strict" and len(self._matched) == len(self._runs) == len(self._expected):
            yield 'these calls were made, in another order: order="any" allows that'
