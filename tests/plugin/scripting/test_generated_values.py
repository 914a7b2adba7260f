"""Values that are made up from schemas are valid, whatever pydantic can say in a schema."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NotRequired, TypeVar
from uuid import UUID

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import UUID5, AnyUrl, AwareDatetime, BaseModel, ConfigDict, Field, RootModel, TypeAdapter
from typing_extensions import TypedDict

from antiphon import AssistantTemplate, LinearTemplate, Runner, UserTemplate
from pytest_templates import ScriptedModel


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Tree(BaseModel):
    value: int
    children: list[Tree]


class Chain(BaseModel):
    link: Chain | None
    others: dict[str, Chain] = {}


class Cat(BaseModel):
    kind: Literal["cat"]
    friend: Dog | None = None


class Dog(BaseModel):
    kind: Literal["dog"]
    friend: Cat


T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    model_config = ConfigDict(extra="forbid", strict=True)

    content: T


class Aliased(BaseModel):
    first: int = Field(alias="theFirst")
    second: str = Field(validation_alias=pydantic.AliasChoices("b", "c"), serialization_alias="d")

    @pydantic.computed_field
    def twice(self) -> int:
        return 2 * self.first


class Even(BaseModel):
    number: int

    @pydantic.field_validator("number")
    @classmethod
    def is_even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("odd")
        return value


class Span(BaseModel):
    low: int
    high: int

    @pydantic.model_validator(mode="after")
    def is_wide(self) -> Span:
        if self.high < 3:
            raise ValueError("too narrow")
        return self


class Named(BaseModel):
    low: UUID


@dataclass
class Point:
    x: Annotated[int, Field(gt=5)]
    near: list[Point]


class Row(TypedDict):
    name: Annotated[str, Field(min_length=30)]
    note: NotRequired[str]


KINDS = [
    *(int, float, str, bool, bytes, Any, dict, list, tuple, set, complex | int, Decimal, Colour, Level),
    *(
        Tree,
        Chain,
        Cat,
        Annotated[Cat | Dog, Field(discriminator="kind")],
        Box[int],
        Box[dt.date],
        Aliased,
        Even,
        Point,
    ),
    *(Row, RootModel[list[Cat]], Path, UUID, UUID5, AnyUrl, dt.timedelta, dt.time, dt.date, dt.datetime),
    *(AwareDatetime, pydantic.NaiveDatetime, pydantic.PastDate, pydantic.FutureDate, pydantic.FutureDatetime),
    *(pydantic.HttpUrl, pydantic.PostgresDsn, pydantic.RedisDsn, pydantic.WebsocketUrl, pydantic.FtpUrl),
    *(ipaddress.IPv4Address, ipaddress.IPv6Network, ipaddress.IPv6Interface, pydantic.IPvAnyAddress),
    *(pydantic.SecretStr, pydantic.Json[list[int]], pydantic.Base64Str, pydantic.ByteSize, pydantic.JsonValue),
    *(
        dict[int, str],
        dict[Colour, int],
        dict[dt.date, Even],
        dict[pydantic.FutureDate, int],
        tuple[int, str],
        tuple[int, ...],
        Sequence[Row],
    ),
    Annotated[dict[str, int], Field(min_length=2)],
    dict[Annotated[str, Field(pattern="^x-[a-z]+$")], int],
    Annotated[set[Colour], Field(min_length=2)],
    Annotated[set[bool], Field(min_length=2)],
    Annotated[frozenset[tuple[int, str]], Field(min_length=4)],
    Annotated[set[Annotated[str, Field(max_length=1)]], Field(min_length=5)],
    Annotated[set[Annotated[str, Field(pattern="^[ab]+$")]], Field(min_length=4)],
    Annotated[set[Annotated[float, Field(ge=0, le=1)]], Field(min_length=4)],
    Span | Named,
    list[Even] | list[Annotated[str, Field(pattern="^x$")]],
    Annotated[list[Tree], Field(min_length=3, max_length=3)],
    Annotated[str, Field(pattern=r"^[A-Z]{2}-\d{4}$")],
    Annotated[str, Field(pattern=r"^[a-z]+$", min_length=7, max_length=9)],
    Annotated[str, Field(pattern=r"\w+@\w+\.com$")],
    Annotated[Decimal, Field(gt=1, lt=2, max_digits=3, decimal_places=2)],
    Annotated[int, Field(examples=["none", 5])],
    Literal["a", 1],
    int | None,
    str | list[int],
]


def made_up(kind: Any) -> str:
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(output_type=kind)])
    return Runner(ScriptedModel(generate=True), template=tree).run().last.content


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_is_made_up_is_valid(kind):
    TypeAdapter(kind).validate_json(made_up(kind))


def bounds(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Bounds of numbers that leave room for some between them."""

    def named(drawn: tuple[Any, Any, str, str]) -> dict[str, Any]:
        low, size, lower, upper = drawn
        return {name: bound for name, bound in ((lower, low), (upper, low + size)) if name}

    sizes = st.integers(min_value=2, max_value=1000)
    return st.tuples(numbers, sizes, st.sampled_from(["", "ge", "gt"]), st.sampled_from(["", "le", "lt"])).map(named)


lengths = st.tuples(st.integers(0, 4), st.none() | st.integers(0, 3)).map(
    lambda drawn: {"min_length": drawn[0], "max_length": None if drawn[1] is None else drawn[0] + drawn[1]}
)
near = st.integers(-10_000, 10_000)
integers = bounds(near).map(lambda given: Annotated[int, Field(**given)])
stepped = st.tuples(near, st.integers(1, 50)).map(
    lambda given: Annotated[int, Field(ge=given[0], multiple_of=given[1])]
)
floats = bounds(near | st.floats(-100, 100)).map(lambda given: Annotated[float, Field(**given)])
texts = lengths.map(lambda given: Annotated[str, Field(**given)])
patterns = st.sampled_from([r"^\d{3}$", "^[a-f]+$", "x.*y", r"^(one|two)-\w{2,}$", "[^a-z]{3}"]).map(
    lambda pattern: Annotated[str, Field(pattern=pattern)]
)
plain = st.sampled_from([bool, dt.date, dt.datetime, UUID, Colour, Level, Literal["a", 2], Tree, Chain, Even])
leaves = integers | stepped | floats | texts | patterns | plain


def models(fields: dict[str, Any]) -> Any:
    return pydantic.create_model("Made", **{name: (kind, ...) for name, kind in fields.items()})


def composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["name", "size", "parts", "note"])
    return (
        st.tuples(inner, lengths).map(lambda drawn: Annotated[list[drawn[0]], Field(**drawn[1])])
        | st.tuples(inner, lengths).map(lambda drawn: Annotated[dict[str, drawn[0]], Field(**drawn[1])])
        | st.tuples(integers | texts, st.integers(0, 2)).map(
            lambda drawn: Annotated[list[drawn[0]], Field(min_length=drawn[1])]
        )
        | st.tuples(inner, inner).map(lambda drawn: drawn[0] | drawn[1] if drawn[0] != drawn[1] else drawn[0])
        | st.tuples(inner, inner).map(lambda drawn: tuple[drawn])
        | inner.map(lambda kind: kind | None)
        | st.dictionaries(names, inner, min_size=1, max_size=4).map(models)
    )


@given(st.recursive(leaves, composed, max_leaves=8))
def test_whatever_a_type_is_made_of_its_objects_are_valid(kind):
    said = made_up(kind)

    TypeAdapter(kind).validate_json(said)
    assert made_up(kind) == said


class Everything(BaseModel):
    city: str
    days: int = Field(ge=1, le=14)
    share: float = Field(gt=0, lt=1)
    units: Literal["metric", "imperial"]
    since: dt.date
    stops: list[str] = Field(min_length=2)
    note: None | str = None  # noqa: RUF036  # where nothing comes first, too, something is made up
    next: Everything | None = None


def test_what_is_made_up_can_be_read():
    assert json.loads(made_up(Everything)) == {
        "city": "city",
        "days": 1,
        "share": 0.1,
        "units": "metric",
        "since": "2001-01-01",
        "stops": ["stops", "stops 2"],
        "note": "note",
        "next": None,
    }
