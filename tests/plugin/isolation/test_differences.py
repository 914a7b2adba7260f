"""The differences of two states, as values and as lines of text."""

from __future__ import annotations

import pytest

from antiphon import Message, ModelSettings, Runner, Session, UserTemplate
from pytest_templates import ScriptedModel
from pytest_templates.isolation.differences import Difference, MessageKey, differences, lines_of
from pytest_templates.isolation.state import StateReader


def states(before, after):
    reader = StateReader()
    return {"metadata": reader.value(before)}, {"metadata": reader.value(after)}


def texts(before, after):
    return [text for text, _ in lines_of(differences(before, after))]


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
        ({"a": (1,)}, {"a": [1]}, ["metadata['a'] was (1,) and is [1]"]),
        ({"a": {1}}, {"a": {1, (2, "x")}}, ["metadata['a']{(2, 'x')} was added: (2, 'x')"]),
        ({"a": [10**5000]}, {"a": [1]}, ["metadata['a'][0] was <a number of 16610 bits> and is 1"]),
        ({"it's": 1}, {"it's": 2}, ['metadata["it\'s"] was 1 and is 2']),
        ({"a": True, "b": 0}, {"a": 1, "b": 0}, ["metadata['a'] was True and is 1"]),
    ],
)
def test_a_change_is_one_line_with_place_old_and_new_value(before, after, lines):
    assert texts(*states(before, after)) == lines


def test_the_root_of_a_place_names_what_it_belongs_to():
    reader = StateReader()
    model = ScriptedModel()
    model.settings = ModelSettings(temperature=0)
    runner, template = Runner(model), UserTemplate("Hi.")
    template.note = 1
    before = {"runner": reader.value(runner), "templates": {"talk/answer": reader.template(template)}}
    model.settings.temperature = 1
    template.note = 2
    reader.begin()
    after = {"runner": reader.value(runner), "templates": {"talk/answer": reader.template(template)}}

    assert texts(before, after) == [
        "runner.model.settings.temperature was 0.0 and is 1.0",
        "templates['talk/answer'].note was 1 and is 2",
    ]


def test_long_values_are_cut():
    [line] = texts(*states({"a": "short", "b": 1}, {"a": "x" * 100_000, "b": 1}))

    assert "was 'short' and is 'xxx" in line
    assert len(line) < 300


def test_many_changes_are_cut_and_counted():
    lines = texts(*states({"all": [*range(50)]}, {"all": [n + 100 for n in range(50)]}))

    assert len(lines) == 21
    assert lines[-1] == "and 30 more changes"


def said(content, **more):
    return Message(role="user", content=content, **more)


def of_messages(before, after):
    """The states of two conversations."""
    reader = StateReader()
    states = [reader.session(Session(messages=before))]
    reader.begin()
    return (*states, reader.session(Session(messages=after)))


def test_messages_are_told_apart_by_identity():
    first, second, third = (said(f"message {number}") for number in range(3))

    assert texts(*of_messages([first, second], [first, third, second])) == ["messages[1] was added: user: 'message 2'"]
    assert texts(*of_messages([first, second], [second])) == ["messages[0] was removed: user: 'message 0'"]


def test_a_change_inside_of_a_message_is_named_within_it():
    message = said("hello", metadata={"seen": False})
    reader, session = StateReader(), Session(messages=[message])
    before = reader.session(session)
    vars(message)["content"] = "bye"
    message.metadata["seen"] = True
    reader.begin()

    assert texts(before, reader.session(session)) == [
        "messages[0].content was 'hello' and is 'bye'",
        "messages[0].metadata['seen'] was False and is True",
    ]


@pytest.mark.parametrize(
    "key", ["it was high", "who is asked", "put down by hand", "a and 3 more changes", "['a'] was", 7]
)
def test_a_difference_has_a_path_and_two_values_whatever_keys_are_called(key):
    assert differences(*states({key: [0]}, {key: [0, 1]})) == [Difference(("metadata", key, 1), "added", new=1)]
    assert differences(*states({key: {"b": 1}}, {key: {}})) == [Difference(("metadata", key, "b"), "removed", old=1)]
    assert differences(*states({key: 1, "": 0}, {key: 2, "": 0})) == [Difference(("metadata", key), "changed", 1, 2)]


def test_a_message_has_the_same_path_wherever_it_stands():
    first, second = said("hello"), said("bye")

    [early] = differences(*of_messages([], [first]))
    [late] = differences(*of_messages([second], [second, first]))

    assert early.path == late.path == ("messages", MessageKey(id(first), 5))
    assert [early.text, late.text] == ["messages[0] was added: user: 'hello'", "messages[1] was added: user: 'hello'"]


def test_the_line_that_counts_is_about_all_differences_that_have_no_line():
    found = differences(*states({"all": [*range(50)]}, {"all": [n + 100 for n in range(50)]}))

    assert [about for _, about in lines_of(found)] == [*((one,) for one in found[:20]), found[20:]]


def test_metadata_of_a_message_that_were_empty_are_compared_too():
    message, reader = said("hello"), StateReader()
    before = reader.session(Session(messages=[message]))
    message.metadata["notes"] = ["x"]
    reader.begin()
    after = reader.session(Session(messages=[message]))

    assert not reader.same(before, after)
    assert texts(before, after) == ["messages[0].metadata['notes'] was added: ['x']"]
