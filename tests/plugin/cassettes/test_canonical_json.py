"""JSON in the style in which it was sent."""

from __future__ import annotations

import json

import pytest

from pytest_templates.cassettes.format.canonical_json import (
    STYLES,
    JsonError,
    canonical,
    dumps,
    may_be_json,
    parse,
    style_of,
)

VALUE = {"name": "Zoë", "tags": [1, "a"]}
WRITTEN = {
    "compact": '{"name":"Zoë","tags":[1,"a"]}',
    "compact-ascii": r'{"name":"Zo\u00eb","tags":[1,"a"]}',
    "spaced": '{"name": "Zoë", "tags": [1, "a"]}',
    "spaced-ascii": r'{"name": "Zo\u00eb", "tags": [1, "a"]}',
    "indented": '{\n  "name": "Zoë",\n  "tags": [\n    1,\n    "a"\n  ]\n}',
}


@pytest.mark.parametrize("style", STYLES)
def test_a_style_writes_as_clients_do_and_is_known_by_what_it_wrote(style: str) -> None:
    assert dumps(VALUE, style) == WRITTEN[style]
    assert style_of(WRITTEN[style], VALUE) == style
    assert json.loads(WRITTEN[style]) == VALUE


def test_what_is_written_otherwise_has_no_style() -> None:
    assert style_of(json.dumps(VALUE, indent=3), VALUE) is None
    assert style_of(f"{WRITTEN['compact']} ", VALUE) is None


def test_compact_is_the_style_of_what_has_none() -> None:
    assert dumps(VALUE) == WRITTEN["compact"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_json_cannot_say_is_not_written(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps([number])


@pytest.mark.parametrize("text", ["[1]", '{"a": 1}', " \t\r\n\v\f[1]", "[", "{"])
@pytest.mark.parametrize("encode", [str, str.encode])
def test_what_begins_like_a_list_or_an_object_may_be_json(text: str, encode: type[str]) -> None:
    assert may_be_json((), encode(text))


@pytest.mark.parametrize("text", ["", "1", '"a"', "a [1]", "\x00[1]", "\xa0[1]"])
@pytest.mark.parametrize("encode", [str, str.encode])
def test_what_begins_otherwise_is_json_where_its_headers_say_so(text: str, encode: type[str]) -> None:
    assert not may_be_json((("content-type", "text/plain"),), encode(text))
    assert may_be_json((("content-type", "application/problem+JSON"),), encode(text))


def test_numbers_are_read_as_they_are_and_for_comparison_as_one_kind() -> None:
    assert [type(value) for value in (parse("1"), parse("1.0"), canonical("1"), canonical("1.0"))] == [
        *(int, float, int, int),
    ]
    assert (parse('{"a": [1.5]}'), canonical(b"1.5")) == ({"a": [1.5]}, 1.5)


@pytest.mark.parametrize("text", ["NaN", "1e400", '{"a": 1, "a": 2}', "", b"\xff"])
def test_what_would_not_survive_is_refused(text: str | bytes) -> None:
    for read in (parse, canonical):
        with pytest.raises(JsonError):
            read(text)
