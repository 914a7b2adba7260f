"""assert_tools: which tools models called, and with what, told as a table."""

from __future__ import annotations

import re
from typing import Any

import pytest

from antiphon import (
    LinearTemplate,
    Message,
    Runner,
    Session,
    SubroutineTemplate,
    ToolingTemplate,
    Trace,
    UserTemplate,
    tool,
)
from antiphon.errors import InvalidType, InvalidValue
from antiphon.trace import ToolRun
from pytest_templates import CallTool, ScriptedModel, assert_tools

VOSS = "city: 'Voss' expected, 'Bergen' given"
ORDERS = ("strict", "any", "subset", "superset")


def runs(*calls: CallTool) -> Trace:
    """The trace of a conversation in which these tools were run."""
    return Trace(tools=[ToolRun("agent", "desk/agent", call.name, call.arguments, "", None, 0.0) for call in calls])


def complaint(used: Trace | Session, expected: list[Any], order: Any = "strict") -> list[list[str]]:
    """The cells of each line of the table that the failure shows."""
    with pytest.raises(AssertionError) as caught:
        assert_tools(used, expected, order=order)
    first, *lines = str(caught.value).splitlines()
    assert first.startswith("tools are not as expected: ")
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


@tool
def search(city: str, limit: int = 5) -> str:
    """Look for hotels."""
    return f"{limit} in {city}"


@tool
def book(city: str) -> str:
    """Book a hotel."""
    raise LookupError(city)


@pytest.fixture
def session() -> Session:
    """A search, a booking that fails, and a second search in a subroutine."""
    model = ScriptedModel(
        CallTool("search", city="Oslo"),
        CallTool("book", city="Oslo"),
        "Done.",
        CallTool("search", city="Bergen", limit=2),
        "Found.",
    )
    tools = [search, book]
    tree = LinearTemplate(
        [
            UserTemplate("Oslo!"),
            ToolingTemplate(tools, template_id="agent"),
            SubroutineTemplate(LinearTemplate([UserTemplate("?"), ToolingTemplate(tools)]), "again"),
        ],
        template_id="desk",
    )
    return Runner(model, template=tree).run()


def test_names_stand_for_calls_with_whatever_arguments(session):
    assert_tools(session, ["search", "book", "search"])
    assert_tools(session.trace, ("search", "book", "search"))


def test_the_arguments_of_a_call_are_all_expected(session):
    assert_tools(session, [CallTool("search", city="Oslo"), "book", CallTool("search", city="Bergen", limit=2)])

    with pytest.raises(AssertionError, match="limit: 2 given, not expected"):
        assert_tools(session, ["search", "book", CallTool("search", city="Bergen")])


@pytest.mark.parametrize(
    ("order", "held"),
    [
        ("strict", [["a", "b", "a"]]),
        ("any", [["a", "b", "a"], ["b", "a", "a"]]),
        ("subset", [["a", "b", "a"], ["b", "a", "a"], ["c", "a", "a", "b"]]),
        ("superset", [["a", "b", "a"], ["b", "a", "a"], ["b"], ["a", "a"], []]),
    ],
)
def test_an_order_holds_what_its_name_says_and_nothing_else(order, held):
    used = runs(CallTool("a"), CallTool("b"), CallTool("a"))
    cases = [["a", "b", "a"], ["b", "a", "a"], ["c", "a", "a", "b"], ["b"], ["a", "a"], [], ["a", "a", "a", "b", "b"]]

    found = []
    for expected in cases:
        try:
            assert_tools(used, expected, order=order)
        except AssertionError:
            continue
        found.append(expected)

    assert found == [*held, *([["a", "a", "a", "b", "b"]] if order == "subset" else [])]


@pytest.mark.parametrize("order", ORDERS)
def test_no_tool_is_expected_where_none_was_called(order):
    assert_tools(Trace(), [], order=order)


def test_a_call_that_fits_several_is_matched_with_the_one_that_needs_it():
    used = runs(CallTool("a", n=1), CallTool("a", n=2))

    for order in ("any", "subset", "superset"):
        assert_tools(used, ["a", CallTool("a", n=1)], order=order)
        assert_tools(used, [CallTool("a", n=int), CallTool("a", n=1)], order=order)


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        (..., None),
        (Any, "x"),
        (1, 1),
        (pytest.approx(0.3), 0.1 + 0.2),
        (int, 3),
        (bool, True),
        (object, True),
        (int | None, None),
        (bool | None, True),
        (re.compile("^A-\\d"), "A-17 and more"),
        (lambda value: value > 3, 4),
        (["x", int], ["x", 3]),
        ({"to": re.compile("@"), "more": [...]}, {"to": "a@b", "more": [None]}),
    ],
)
def test_an_argument_is_expected_by_its_value_or_a_matcher(expected, given):
    assert_tools(runs(CallTool("a", n=given)), [CallTool("a", n=expected)])


@pytest.mark.parametrize(
    ("expected", "given", "said"),
    [
        (1, 2, "n: 1 expected, 2 given"),
        (int, "3", "n: int expected, '3' given"),
        (int, True, "n: int expected, True given"),
        (int | None, True, "n: int | None expected, True given"),
        (re.compile("^A"), "BA", "n: re.compile('^A') expected, 'BA' given"),
        (re.compile("1"), 1, "n: re.compile('1') expected, 1 given"),
        (lambda value: value > 3, 3, "n: <lambda> expected, 3 given"),
        (["x", int], ["x"], "n: ['x', int] expected, ['x'] given"),
        (["x", int], ["x", "y"], "n[1]: int expected, 'y' given"),
        ({"to": ...}, {"cc": 1}, "n.to: ... expected, not given; n.cc: 1 given, not expected"),
        ({"to": str}, 1, "n: {'to': str} expected, 1 given"),
    ],
)
def test_the_failure_says_which_arguments_differ(expected, given, said):
    _, row = complaint(runs(CallTool("a", n=given)), [CallTool("a", n=expected)])

    assert row[-1] == said


def test_an_argument_that_is_expected_as_whatever_has_to_be_there():
    [_, row] = complaint(runs(CallTool("a")), [CallTool("a", n=...)])

    assert row[-1] == "n: ... expected, not given"


def test_the_error_of_a_function_says_for_which_argument_it_was():
    with pytest.raises(AttributeError) as caught:
        assert_tools(runs(CallTool("a", n=1)), [CallTool("a", n=lambda value: value.lower())])

    assert caught.value.__notes__ == ["in the function for n of 'a', given 1"]


def test_the_failure_aligns_what_was_expected_and_used(session):
    assert complaint(session, [CallTool("search", city=str), "pay", CallTool("search", city="Voss", limit=...)]) == [
        ["expected", "used", "difference"],
        ["search(city=str)", "search(city='Oslo')"],
        ["✗", "pay", "book(city='Oslo') failed: LookupError"],
        ["✗", "search(city='Voss', limit=...)", "search(city='Bergen', limit=2)", VOSS],
    ]


def test_a_call_that_is_missing_moves_no_other_from_its_place(session):
    assert complaint(session, ["pay", "search", "book", "search"]) == [
        ["expected", "used", "difference"],
        ["✗", "pay", "(not called here)"],
        ["search", "search(city='Oslo')"],
        ["book", "book(city='Oslo') failed: LookupError"],
        ["search", "search(city='Bergen', limit=2)"],
    ]


def test_another_order_is_told_as_that(session):
    lines = complaint(session, ["book", "search", "search"])

    assert lines[-1] == ['these calls were made, in another order: order="any" allows that']


def test_in_any_order_what_differs_stands_beside_the_nearest_call_of_its_tool(session):
    assert complaint(session, [CallTool("search", city="Voss", limit=2), "book"], "any") == [
        ["expected", "used", "difference"],
        ["✗", "search(city='Voss', limit=2)", "search(city='Bergen', limit=2)", VOSS],
        ["book", "book(city='Oslo') failed: LookupError"],
        ["✗", "(not expected)", "search(city='Oslo')"],
    ]


def test_what_an_order_allows_is_not_marked(session):
    assert complaint(session, ["search", "pay"], "superset")[1:] == [
        ["search", "search(city='Oslo')"],
        ["✗", "pay", "(not called)"],
        ["(others)", "book, search"],
    ]
    assert complaint(session, ["search", "pay"], "subset")[1:] == [
        ["search", "search(city='Oslo')"],
        ["pay", "(not called)"],
        ["✗", "(not expected)", "book(city='Oslo') failed: LookupError"],
        ["✗", "(not expected)", "search(city='Bergen', limit=2)"],
    ]


def test_a_name_that_is_misspelt_is_told(session):
    assert ["'serch': no such tool was called; did you mean 'search'?"] in complaint(session, ["serch"], "superset")


def test_calls_that_nothing_has_run_do_not_count():
    session = Session(messages=[Message(role="user", content="Hi.")])
    ScriptedModel(CallTool("search", city="Oslo")).send(session)

    lines = complaint(session, ["search"])

    assert lines[-1] == ["models asked for search, and no ToolingTemplate ran that: only runs count"]


def test_a_long_table_shows_what_is_wrong_and_counts_the_rest():
    used = runs(*[CallTool("a", n=n) for n in range(50)], CallTool("b"))

    assert complaint(used, ["a"] * 50) == [
        ["expected", "used", "difference"],
        ["a", "a(n=0)"],
        ["(48 as expected)"],
        ["a", "a(n=49)"],
        ["✗", "(not expected here)", "b()"],
    ]
    assert len(complaint(used, [])) == 41
    assert complaint(used, [])[-1] == ["… and more"]


def test_a_failure_hides_nothing_of_what_a_model_said():
    used = runs(CallTool("\x1b[31mred", city="\u202e"))

    with pytest.raises(AssertionError) as caught:
        assert_tools(used, ["\x1b[31mred", "\x1b[31mredd"])

    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)


@pytest.mark.parametrize(
    ("used", "expected", "text"),
    [
        ([], [], "takes a Trace or a Session, not list"),
        (Trace(), "search", "takes a list of names"),
        (Trace(), [search], "call 1 is expected by the name of its tool or a CallTool"),
        (Trace(), [CallTool("a", n=re.compile(b"x"))], "regular expression for bytes"),
        (Trace(), [CallTool("a", n={"x": list[int]})], "a type that isinstance does not know"),
        (Trace(), [CallTool("a", n=list[int] | None)], "a type that isinstance does not know"),
    ],
)
def test_what_can_expect_nothing_is_refused(used, expected, text):
    with pytest.raises(InvalidType, match=text):
        assert_tools(used, expected)


def test_an_unknown_order_is_refused():
    with pytest.raises(InvalidValue, match="order is one of 'strict', 'any', 'subset', 'superset', not 'unordered'"):
        assert_tools(Trace(), [], order="unordered")  # type: ignore[arg-type]
