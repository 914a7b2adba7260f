from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_templates.support import yaml_text

characters = st.characters(exclude_categories=["Cs"])
nasty = st.text(st.sampled_from("ab \n\t\r:#-'\"\\|>%@`!&*[]{},?~é\u2028\x85\ufeff\x00😀01e.=<"), max_size=14)
words = st.sampled_from(
    [
        "yes",
        "Null",
        "1e3",
        "~",
        "0x1f",
        "1:30",
        "2024-01-01",
        "<<",
        "=",
        "---",
        "...",
        "- a",
        "a: b",
        "a #b",
        ".inf",
        "a:",
    ]
)
strings = st.text(characters, max_size=30) | nasty | words
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
keys = st.text(characters, max_size=20) | nasty | words
nodes = st.recursive(
    st.none() | st.booleans() | numbers | strings,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=15,
)


def typed(node: Any) -> Any:
    """A node in which ``1``, ``1.0`` and ``True`` are different."""
    if isinstance(node, dict):
        return {key: typed(value) for key, value in node.items()}
    return [typed(value) for value in node] if isinstance(node, list) else (type(node), node)


@given(st.dictionaries(keys, nodes, min_size=1, max_size=4))
def test_what_is_written_is_read_back_value_for_value(node: dict[str, Any]) -> None:
    assert typed(yaml_text.load(yaml_text.dump(node))) == typed(node)


def outcome(read: Callable[[str], Any], text: str) -> Any:
    try:
        return typed(read(text))
    except yaml_text.YamlError:
        return "refused"


@given(st.dictionaries(keys, nodes, min_size=1, max_size=4), st.booleans())
def test_what_is_written_is_read_line_by_line(node: dict[str, Any], is_item: bool) -> None:
    text = "".join(yaml_text.item_parts(node)) if is_item else yaml_text.dump(node)
    with mock.patch.object(yaml_text, "load", side_effect=AssertionError):
        read = yaml_text.load_written(text)
    assert typed(read) == typed([node] if is_item else node)


added = st.sampled_from(
    [
        *"#\n\t:|>'\"\\a1é_-+~%@{\r\x85\u2028\ufeff=y",
        *("", " ", "  ", "\n  ", "\n\n", "- ", ": ", " # a", "|2-", "[]", "&a ", "*a", "!!str ", "? ", "---\n", "..."),
        *("\\u00e9", "\\/", "null", "e+1", "<<: ", "0.5", "0x1", "1:30"),
    ]
)
edits = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), added), min_size=1, max_size=3)


@given(st.dictionaries(keys, nodes, min_size=1, max_size=3), edits)
def test_a_text_that_was_edited_is_read_as_any_yaml_is(
    node: dict[str, Any], edited: list[tuple[int, int, str]]
) -> None:
    text = yaml_text.dump(node)
    for place, removed, new in edited:
        text = text[: place % len(text)] + new + text[place % len(text) + removed :] or "a"
    assert outcome(yaml_text.load_written, text) == outcome(yaml_text.load, text)


@pytest.mark.parametrize(
    "text",
    [
        *("a: 1\nb: 2\na: 3\n", "a: b: c\n", 'a: "\x85"\n', 'a: "\\ud83d\\ude00"\n', "yes: 1\n", "a: yes\n"),
        *("a: |\n    b\n  c\n", "a: |-\n  b\n  c\n\n", "a: |2\n  b\n  c\n", "a: b\n  c\n", "a:\n  - b\n", "a:\n"),
        *("a: 1\n---\nb: 2\n", "a: &b c\nd: *b\n", "a: b # c\n", "? a\n: b\n", "- a: 1\n b: 2\n", "- \n"),
        *("a: 012\n", "a: 1", "...\n", ""),
    ],
)
def test_what_is_not_as_it_is_written_is_read_as_any_yaml_is(text: str) -> None:
    assert outcome(yaml_text.load_written, text) == outcome(yaml_text.load, text)


@given(st.dictionaries(keys, nodes, min_size=1, max_size=4))
def test_any_yaml_reader_reads_the_same_strings(node: dict[str, Any]) -> None:
    assert yaml.load(yaml_text.dump(node), Loader=yaml.SafeLoader) == node


@given(st.dictionaries(keys, nodes, min_size=1, max_size=4))
def test_nothing_is_written_that_an_editor_would_strip(node: dict[str, Any]) -> None:
    text = yaml_text.dump(node)
    assert text.endswith("\n")
    assert "\r" not in text
    assert all(line == line.rstrip(" \t") for line in text.split("\n"))


@pytest.mark.parametrize("text", ["You help 😀.\n\nBe short.", "\tindented\n\tcode\n", "  two\nspaces", "end\n\n\n"])
def test_text_of_several_lines_is_shown_as_a_block(text: str) -> None:
    written = yaml_text.dump({"content": text, "next": 1})
    assert "content: |" in written
    assert "😀" in written or "😀" not in text
    assert yaml_text.load(written) == {"content": text, "next": 1}


@pytest.mark.parametrize("text", ["a \nb", "a\r\nb", "a\x85\nb", "a\u2028\nb", "a\x07\nb"])
def test_text_that_a_block_could_lose_is_quoted(text: str) -> None:
    assert yaml_text.dump({"content": text}).startswith('content: "')


def test_a_key_that_stands_twice_is_refused_with_its_line() -> None:
    with pytest.raises(yaml_text.YamlError) as caught:
        yaml_text.load("a: 1\nb:\n  c: 1\n  d: 1\n  c: 2\n")
    assert caught.value.line == 5


def test_the_line_of_a_place_is_found() -> None:
    assert yaml_text.line_of("a: 1\nb:\n- c: 1\n- d:\n    e: 2\n", ("b", 1, "d", "e")) == 5
    assert yaml_text.line_of("a: 1\nb:\n- c: 1\n", ("b", 0, "missing")) == 3


def test_a_line_and_what_is_written_in_it_lead_to_each_other() -> None:
    text = yaml_text.dump({"a": [{"b": "one\ntwo\n", "c": 1}, [2]], "d": {"e": None}})
    places = [("a",), ("a", 0, "b"), ("a", 0, "b"), ("a", 0, "b"), ("a", 0, "c"), ("a", 1, 0), ("d",), ("d", "e")]
    assert yaml_text.places_of(text, range(1, 9)) == places
    assert [yaml_text.line_of(text, place) for place in places[4:6]] == [5, 6]


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "blocks": ("".join(" " * depth + "a:\n" for depth in range(1500)), "maximum nesting depth|nested too deeply"),
    "lists": ("[" * 100_000, "maximum nesting depth|nested too deeply"),
    "objects": ('{"a": ' * 100_000, "maximum nesting depth|nested too deeply"),
    "dashes": ("- " * 100_000, "maximum nesting depth|nested too deeply"),
    "laughs": (LAUGHS, "its aliases stand for themselves, or for millions of values"),
    "itself": ("a: &a [*a]", "its aliases stand for themselves"),
    "a tag of Python": ("a: !!python/object/apply:os.system [x]", "could not determine a constructor"),
    "a set": ("a: !!set {b, c}", "could not determine a constructor"),
    "a tag of its own": ("a: !mine b", "could not determine a constructor"),
    "a number of 5,000 digits": (f"a: {'9' * 5000}", "a value cannot be read"),
    "no number": ("a: !!int b", "a value cannot be read"),
    "a null": ("a: 1\nb: \0", "special characters are not allowed|control characters are not allowed"),
    "a key that is a list": ("? [a]\n: b", "unhashable key"),
}


@pytest.mark.parametrize(("text", "problem"), HOSTILE.values(), ids=HOSTILE)
def test_what_others_have_broken_readers_with_is_refused(text: str, problem: str) -> None:
    with pytest.raises(yaml_text.YamlError, match=problem) as caught:
        yaml_text.load(text)

    assert caught.value.line >= 1
    assert len(str(caught.value)) < 300
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


def test_aliases_of_a_script_are_read() -> None:
    assert yaml_text.load("a: &a {reply: Hi}\nb: [*a, *a]\n") == {"a": {"reply": "Hi"}, "b": [{"reply": "Hi"}] * 2}
