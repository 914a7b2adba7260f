"""What a model is told of a function's arguments, and functions whose arguments no model can give."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from antiphon import Tool, tool
from antiphon.errors import InvalidType, InvalidValue


def price(title: str, copies: int = 1) -> int:
    """Tells a price.

    Args:
        title: What is bought,
            by its whole title.

            A second paragraph.
        copies (int): How many.

    Returns:
        The price: in cents.
    """
    return len(title) * copies


def described(made: Tool[..., object]) -> dict[str, str | None]:
    return {name: schema.get("description") for name, schema in made.parameters["properties"].items()}


def test_an_entry_of_the_docstring_may_have_several_lines_and_a_type():
    assert described(Tool(price)) == {
        "title": "What is bought, by its whole title. A second paragraph.",
        "copies": "How many.",
    }


@pytest.mark.parametrize("indent", ["  ", "    ", "\t"])
def test_docstrings_may_be_indented_by_any_width(indent):
    def order(title: str) -> str:
        return title

    order.__doc__ = f"Orders.\n\n{indent}Args:\n{indent * 2}title: What\n{indent * 3}is ordered.\n{indent}"

    assert described(Tool(order)) == {"title": "What is ordered."}


def test_what_a_partial_is_made_of_describes_it():
    emma = Tool(partial(price, "Emma"), name="emma")

    assert emma.description == "Tells a price."
    assert described(emma) == {"copies": "How many."}
    assert emma.checked({"copies": 2}) == {"copies": 2}


def test_what_is_behind_a_cache_describes_it():
    cached = Tool(lru_cache(price))

    assert cached.description == "Tells a price."
    assert cached.parameters == Tool(price).parameters


def test_an_object_may_be_described_where_it_is_called():
    class Shop:
        def __call__(self, title: str) -> str:
            """Orders.

            Args:
                title: What is ordered.
            """
            return title

    assert Tool(Shop(), name="shop").description == "Orders."
    assert described(Tool(Shop(), name="shop")) == {"title": "What is ordered."}


def test_what_an_object_is_made_with_is_no_argument_of_its_call():
    class Shop:
        """Orders.

        Args:
            address: Where it is.
        """

        def __init__(self, address: str) -> None:
            self.address = address

        def __call__(self, title: str) -> str:
            return title

    assert described(Tool(Shop("High Street"), name="shop")) == {"title": None}


def test_the_hints_of_a_class_are_those_of_its_making():
    class Order:
        """Orders."""

        def __init__(self, title: str) -> None:
            self.title = title

    assert Tool(Order).parameters["properties"]["title"]["type"] == "string"


def test_a_parameter_without_a_hint_takes_anything():
    anything = Tool(lambda what: what, name="anything", description="Takes it.")

    assert anything.parameters["properties"] == {"what": {"title": "What"}}


@given(st.from_regex(r"(json|copy|schema|model_config|dict|_*[a-z]+)", fullmatch=True))
def test_a_parameter_may_have_any_name(name):
    namespace: dict[str, Callable[..., object]] = {}
    exec(f"def f(a_{name}: int, {name}_: str = 'x', *, {name}: list[int]): 'Doc.'", namespace)
    made = Tool(namespace["f"])

    assert made.checked({f"a_{name}": 1, name: [2]}) == {f"a_{name}": 1, f"{name}_": "x", name: [2]}
    assert list(made.parameters["properties"]) == [f"a_{name}", f"{name}_", name]


def test_a_change_of_the_schema_changes_no_tool():
    made = Tool(price)
    made.parameters["properties"].clear()

    assert made.parameters["properties"]


def misspelt(title: str) -> str:
    """Orders.

    Args:
        titel: What is ordered.
    """
    return title


def calling_back(when: Callable[[], int]) -> int:
    """Calls."""
    return when()


def unknown(what: Nothing) -> str:  # type: ignore[name-defined]  # noqa: F821
    """Takes what there is not."""
    return str(what)


REFUSED = [
    (
        lambda: Tool(misspelt),
        InvalidValue,
        "'misspelt' describes 'titel', and there is no such parameter; there is tit",
    ),
    (lambda: Tool(calling_back), InvalidType, r"takes \(when: .*Callable.* cannot give as JSON: Cannot generate"),
    (lambda: Tool(unknown), InvalidType, "a type hint of the tool 'unknown' means nothing: name 'Nothing' is not def"),
    (lambda: Tool(max), InvalidType, "the tool 'max': no signature .*; make it of a function of your own"),
    (lambda: Tool(lambda: 3, description="x"), InvalidValue, "a tool made of .*<lambda>.* needs a name"),
    (lambda: Tool(price, name="a price"), InvalidValue, "a tool cannot be called 'a price': providers take ASCII let"),
    (lambda: Tool.from_template("préis", "x", None), InvalidValue, "a tool cannot be called 'préis'"),
]


@pytest.mark.parametrize(("make", "kind", "text"), REFUSED)
def test_what_no_model_could_ask_for_is_refused_when_the_tool_is_made(make, kind, text):
    with pytest.raises(kind, match=text):
        make()


def google(title: str, copies: int = 1) -> str:
    """Orders a book.

    It comes by post.

    Args:
        title (str): What is ordered,
            by its whole title.
        copies: How many: 1 or more.

    Returns:
        str: A number.

    Raises:
        LookupError: It is not there.

    Note:
        Not on Sundays.
    """
    return title * copies


def numpy(title: str, copies: int = 1) -> str:
    """Orders a book.

    It comes by post.

    Parameters
    ----------
    title : str
        What is ordered,
        by its whole title.
    copies : int, optional
        How many: 1 or more.

    Returns
    -------
    str
        A number.

    Notes
    -----
    Not on Sundays.
    """
    return title * copies


def sphinx(title: str, copies: int = 1) -> str:
    """Orders a book.

    It comes by post.

    :param str title: What is ordered,
        by its whole title.
    :param copies: How many: 1 or more.
    :type copies: int
    :returns: A number.
    :raises LookupError: It is not there.
    """
    return title * copies


@pytest.mark.parametrize("function", [google, numpy, sphinx])
def test_docstrings_are_read_in_every_style(function):
    made = Tool(function)

    assert made.description == "Orders a book.\n\nIt comes by post."
    assert described(made) == {
        "title": "What is ordered, by its whole title.",
        "copies": "How many: 1 or more.",
    }


def numpy_misspelt(title: str) -> str:
    """Orders.

    Parameters
    ----------
    titel : str
        What is ordered.
    """
    return title


def sphinx_misspelt(title: str) -> str:
    """Orders.

    :param titel: What is ordered.
    """
    return title


def badly_indented(title: str) -> str:
    """Orders.

    Args:
        title: What is ordered,
        by its whole title.
    """
    return title


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (numpy_misspelt, "describes 'titel', and there is no such parameter"),
        (sphinx_misspelt, "describes 'titel', and there is no such parameter"),
        (badly_indented, "says of its parameters is unclear: Expected a colon in 'by its whole title.'"),
    ],
)
def test_docstrings_that_cannot_be_right_are_refused(function, text):
    with pytest.raises(InvalidValue, match=text):
        Tool(function)


def test_a_docstring_may_say_that_there_are_no_parameters():
    def look() -> str:
        """Looks.

        Args:
            None
        """
        return ""

    assert Tool(look).description == "Looks."


@given(st.text())
def test_any_docstring_can_be_read(text):
    def look() -> str:
        return ""

    look.__doc__ = text

    with suppress(InvalidValue):  # it may describe a parameter that is not there
        assert Tool(look, description="Looks.").parameters["properties"] == {}


def test_types_of_the_function_around_are_known():
    class Size(BaseModel):
        width: int

    def order(size: Size, sizes: "list[Size]") -> str:  # noqa: UP037
        """Orders."""
        return f"{size.width} {len(sizes)}"

    class Shop:
        class Colour(BaseModel):
            name: str

        @staticmethod
        @tool
        def paint(colour: Colour) -> str:
            """Paints."""
            return colour.name

    def inner() -> Tool[..., object]:
        @tool
        def measure(size: Size) -> str:
            """Measures."""
            return str(size.width)

        return measure

    assert Tool(order).checked({"size": {"width": 1}, "sizes": []}) == {"size": Size(width=1), "sizes": []}
    assert Shop.paint.checked({"colour": {"name": "red"}})["colour"] == Shop.Colour(name="red")
    assert inner().checked({"size": {"width": 1}}) == {"size": Size(width=1)}
