"""The lines that explain a difference between two pictures."""

from __future__ import annotations

import pytest

from pytest_templates.isolation.state import differences


def pictures(before, after):
    return {"metadata": before}, {"metadata": after}


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": 1, "b": 2}, ["metadata['b'] was added: 2"]),
        ({"a": 1, "b": None}, {"a": 1}, ["metadata['b'] was removed; it was None"]),
        ({"a": 1, "b": 2}, {"a": 1, "b": "2"}, ["metadata['b'] was 2 and is '2'"]),
        ({"a": [1, 2, 3]}, {"a": [1, 3]}, ["metadata['a'][1] was removed; it was 2"]),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 2}]}}, ["metadata['a']['b'][0]['c'] was 1 and is 2"]),
        ({1: "a", "x y": 1}, {1: "b", "x y": 1}, ["metadata[1] was 'a' and is 'b'"]),
        ({"it's": 1}, {"it's": 2}, ['metadata["it\'s"] was 1 and is 2']),
        ({"a": True, "b": 0}, {"a": 1, "b": 0}, ["metadata['a'] was True and is 1"]),
    ],
)
def test_a_change_is_one_line_with_place_old_and_new_value(before, after, lines):
    assert differences(*pictures(before, after)) == lines


def test_the_root_of_a_place_names_what_it_belongs_to():
    before = {"runner": {"_model": {"settings": {"temperature": 0}}}, "templates": {"talk/answer": {"note": 1}}}
    after = {"runner": {"_model": {"settings": {"temperature": 1}}}, "templates": {"talk/answer": {"note": 2}}}

    assert differences(before, after) == [
        "runner.model.settings.temperature was 0 and is 1",
        "templates['talk/answer'].note was 1 and is 2",
    ]


def test_long_values_are_cut():
    [line] = differences(*pictures({"a": "short", "b": 1}, {"a": "x" * 100_000, "b": 1}))

    assert "was 'short' and is 'xxx" in line
    assert len(line) < 300


def test_many_changes_are_cut_and_counted():
    lines = differences(*pictures({"all": [*range(50)]}, {"all": [n + 100 for n in range(50)]}))

    assert len(lines) == 21
    assert lines[-1] == "and 30 more changes"


def said(number, content, role="user", **more):
    return {"role": role, "content": content, "object": f"<Message {number}>", **more}


def test_messages_are_told_apart_by_identity():
    first, second, third = (said(number, f"message {number}") for number in range(3))

    assert differences({"messages": [first, second]}, {"messages": [first, third, second]}) == [
        "messages[1] was added: user: 'message 2'"
    ]
    assert differences({"messages": [first, second]}, {"messages": [second]}) == [
        "messages[0] was removed: user: 'message 0'"
    ]


def test_a_change_inside_of_a_message_is_named_within_it():
    before = {"messages": [said(1, "hello", metadata={"seen": False})]}
    after = {"messages": [said(1, "bye", metadata={"seen": True})]}

    assert differences(before, after) == [
        "messages[0].content was 'hello' and is 'bye'",
        "messages[0].metadata['seen'] was False and is True",
    ]
