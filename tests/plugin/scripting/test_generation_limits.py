"""Whatever a type asks for, an answer that fits is made up, or an error says why not, in little time and memory."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, create_model

from antiphon import AssistantTemplate, LinearTemplate, Runner, UserTemplate
from pytest_templates import ScriptedModel
from pytest_templates.errors import GenerationError

BILLION = 10**9
TOO_LARGE = "it is too large, or takes too many tries"


def text(pattern: str, **limits: int) -> Any:
    return Annotated[str, Field(pattern=pattern, **limits)]


def python_text(pattern: str) -> Any:
    """Checked by Python's own expressions, which know more than pydantic's and may take for ever."""
    return create_model("Checked", __config__=ConfigDict(regex_engine="python-re"), text=(text(pattern), ...))


def at_least(number: int, kind: Any) -> Any:
    return Annotated[kind, Field(min_length=number)]


def doubled(times: int) -> Any:
    """A tree whose branches fork so many times."""
    kind: Any = int
    for number in range(times):
        kind = create_model(f"Fork{number}", left=(kind, ...), right=(kind, ...))
    return kind


def refused(value: Any) -> Any:
    raise ValueError("never")


LARGE = {
    "hash of 256 bits": text(r"^[0-9a-f]{64}$"),
    "hash of 512 bits": text(r"^[0-9a-f]{128}$"),
    "many hashes": at_least(200, list[text(r"^[0-9a-f]{64}$")]),
    "signature": text(r"^0x[0-9a-f]{130}$"),
    "between": text(r"^[A-Z]{150,200}$"),
    "at least": text(r"^[a-z]{120,}$"),
    "longer than its pattern": text(r"^[a-z]{120,}$", min_length=300),
    "of one length": text(r"^[a-z]+$", min_length=150, max_length=150),
    "groups": text(r"^([a-z]{2}-){110}[a-z]{2}$"),
    "repeated repetition": text(r"^(a{100}){100}$"),
    "long text": at_least(100_000, str),
    "many numbers": at_least(5_000, set[int]),
    "long list or nothing": at_least(BILLION, list[int]) | None,
}

ENDLESS = {
    "items": at_least(BILLION, list[int]),
    "items for nothing": at_least(BILLION, list[None]),
    "items of items": at_least(1_000, list[at_least(1_000, list[at_least(1_000, list[int])])]),
    "keys": at_least(BILLION, dict[str, int]),
    "text": at_least(10 * BILLION, str),
    "forks": doubled(30),
    "repetition": python_text(r"^a{1000000000}$"),
    "repetition of nothing": python_text(r"^(?:){1000000000}$"),
    "repeated repetition": python_text(r"^(((a{1000}){1000}){1000}){1000}$"),
    "repetition of a long text": python_text(f"^({'a' * 10_000}){{20000}}$"),
    "references": python_text(r"(a{100})(\1{100})(\2{100})(\3{100})(\4{100})"),
    "references to references": python_text("(a)" + "".join(rf"(\{number}\{number})" for number in range(1, 31))),
    "letters": text("^[\x00-\U0010ffff]{64}$"),
}

CATASTROPHIC = [
    r"^(a+)+$",
    r"^((a+)+)+b$",
    r"^(a|aa)+$",
    r"^(a|aa)+(?<!a)$",
    r"^(a|a)*b(?!$)$",
    r"^(\w+\s?)+\B!$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(x+x+)+y",
    r"^(.*a){20}$",
    r"^(?=(a+)+$)b",
]


def made_up(kind: Any) -> str:
    """An answer of a type, made up in two seconds of this process's time at most."""
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(output_type=kind)])
    start = time.process_time()
    try:
        return Runner(ScriptedModel(generate=True, complain=list[Exception]().append), template=tree).run().last.content
    finally:
        assert time.process_time() - start < 2


@pytest.mark.parametrize("name", LARGE)
def test_what_is_large_is_made_up(name):
    TypeAdapter(LARGE[name]).validate_json(made_up(LARGE[name]))


@pytest.mark.parametrize("name", ENDLESS)
def test_what_has_no_end_is_an_error(name):
    with pytest.raises(GenerationError, match=TOO_LARGE):
        made_up(ENDLESS[name])


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (Annotated[float, Field(json_schema_extra={"minimum": float("inf")})], "its numbers cannot be made up"),
        (Annotated[float, Field(multiple_of=0.3, json_schema_extra={"minimum": 10**400})], "its numbers are too large"),
    ],
    ids=["infinite", "beyond floats"],
)
def test_a_number_that_cannot_be_made_up_is_an_error(number, why):
    with pytest.raises(GenerationError, match=why):
        made_up(create_model("Numbered", number=(number, ...)))


@pytest.mark.filterwarnings("error")
def test_a_pattern_of_another_dialect_is_an_error_where_warnings_are_errors():
    with pytest.raises(GenerationError, match="String should match pattern"):
        made_up(text("^[[:alpha:]]{3}$"))


@pytest.mark.parametrize("pattern", CATASTROPHIC)
def test_a_pattern_that_is_slow_to_match_is_met_by_a_short_text_or_given_up(pattern):
    kind = python_text(pattern)
    try:
        said = made_up(kind)
    except GenerationError as error:
        assert "String should match pattern" in str(error)  # noqa: PT017  # whether it comes depends on the pattern
    else:
        TypeAdapter(kind).validate_json(said)


def test_an_error_in_each_of_many_items_is_found_soon():
    with pytest.raises(GenerationError, match=re.escape("the last of 1 tries was")):
        made_up(at_least(10_000, list[Annotated[int, AfterValidator(refused)]]))
