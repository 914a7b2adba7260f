"""The differences of two states, as values and as lines of text."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import FrozenInstanceError, dataclass, field, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon import Message, ModelSettings, Runner, Session, UserTemplate
from pytest_templates import ScriptedModel
from pytest_templates.isolation.differences import Difference, MessageKey, differences, lines_of
from pytest_templates.isolation.packing import packed
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


def replayed(before, found):
    """A list after the changes that were found in it: what was removed stands at its old index, all else at its new."""
    of = {kind: {one.path[-1]: one for one in found if one.kind == kind} for kind in ("removed", "added", "changed")}
    assert all(before[index] == one.old for index, one in of["removed"].items())
    left = iter([item for index, item in enumerate(before) if index not in of["removed"]])
    after = []
    for index in range(len(before) - len(of["removed"]) + len(of["added"])):
        change = of["added"].get(index) or of["changed"].get(index)
        was = change.old if change and change.kind == "added" else next(left)
        assert change is None or was == change.old
        after.append(change.new if change else was)
    return after


numbers = st.lists(st.integers(0, 3), max_size=12)


@given(before=numbers, after=numbers, start=numbers, end=numbers)
def test_the_changes_of_a_list_lead_from_what_it_was_to_what_it_is(before, after, start, end):
    before, after = [*start, *before, *end], [*start, *after, *end]

    assert replayed(before, differences(*states(before, after))) == after


def edited(length):
    """A list of so many items, and the same without one in the middle and with another first and last one."""
    before = [*range(length)]
    return before, ["first", *before[1:30], *before[31:-1], "last"]


@pytest.mark.parametrize(("length", "is_matched"), [(59, True), (60, True), (61, False), (200, False)])
def test_in_longer_lists_it_is_not_found_out_what_moved(length, is_matched):
    before, after = edited(length)
    found = differences(*states(before, after))

    assert replayed(before, found) == after
    assert len(found) == (3 if is_matched else length - 29)


def test_what_is_put_before_or_behind_a_list_of_any_length_is_one_change():
    long = [*range(500)]

    for after, index in ([["x", *long], 0], [[*long, "x"], 500], [[*long[:250], "x", *long[250:]], 250]):
        assert differences(*states(long, after)) == [Difference(("metadata", index), "added", new="x")]


@pytest.mark.parametrize("depth", [62, 63, 64, 70, 500])
def test_a_path_of_more_than_64_parts_is_cut_in_the_middle(depth):
    before, after = 1, 2
    for level in reversed(range(depth)):
        before, after = {level: before}, {level: after}
    [one] = differences(*states(before, after))
    whole = ("metadata", *range(depth))

    assert one.path == (whole if len(whole) <= 64 else (*whole[:32], *whole[-32:]))


@pytest.mark.parametrize("count", [19, 20, 21])
def test_the_first_twenty_changes_have_a_line_each(count):
    lines = texts(*states({"all": [0] * count}, {"all": [1] * count}))

    assert len(lines) == min(count, 21)
    assert [line for line in lines if "more change" in line] == ["and 1 more change"] * (count == 21)


class Point:
    """Has no state but its identity."""


def test_values_that_look_the_same_are_told_apart_by_their_address():
    one, other = Point(), Point()
    name = f"{__name__}.Point"

    assert texts(*states({"a": one}, {"a": other})) == [
        f"metadata['a'] was <{name} at {id(one):#x}> and is <{name} at {id(other):#x}>"
    ]


def test_another_order_is_a_change_where_order_counts():
    first, last = OrderedDict.fromkeys(range(20)), OrderedDict.fromkeys([*range(18), 19, 18])
    [line] = texts(*states(first, last))

    assert line.startswith(f"metadata was <collections.OrderedDict at {id(first):#x}> and is <")
    assert differences(*states({"a": 1, "b": 2}, {"b": 2, "a": 1})) == []


def test_an_order_that_is_changed_in_place_is_named_as_such():
    held, reader = OrderedDict.fromkeys(range(20)), StateReader()
    before = {"metadata": reader.value(held)}
    held.move_to_end(18)
    reader.begin()

    [line] = texts(before, {"metadata": reader.value(held)})
    assert line.startswith("metadata is not as it was, or in another order: OrderedDict(")


def test_a_value_that_is_changed_where_order_counts_is_named_by_its_key():
    assert texts(*states(OrderedDict(a=1, b=2), OrderedDict(a=1, b=3))) == ["metadata['b'] was 2 and is 3"]
    assert texts(*states(OrderedDict(a=1), OrderedDict(a=1, b=3))) == ["metadata['b'] was added: 3"]


@dataclass(frozen=True)
class Tag:
    """A key that holds something."""

    names: list[str] = field(default_factory=list, hash=False, compare=False)


def changed(value, change):
    """The lines about one value that is changed."""
    reader = StateReader()
    before = {"metadata": reader.value(value)}
    change(value)
    reader.begin()
    return texts(before, {"metadata": reader.value(value)})


def test_objects_that_are_keys_or_members_are_added_removed_and_changed():
    one, tag = Tag(["a"]), "Tag(names=['a'])"

    assert changed({one: 1}, lambda held: held.clear()) == ["metadata[<Tag>] was removed; it was 1"]
    assert changed({}, lambda held: held.update({one: 1})) == ["metadata[<Tag>] was added: 1"]
    assert changed({one: 1}, lambda held: held.update({one: 2})) == ["metadata[<Tag>] was 1 and is 2"]
    assert changed({one}, lambda held: held.clear()) == [f"metadata{{<Tag>}} was removed; it was {tag}"]
    assert changed(set(), lambda held: held.add(one)) == [f"metadata{{<Tag>}} was added: {tag}"]
    for held in ({one: 1}, {one}):
        one.names[:] = ["a"]
        [line] = changed(held, lambda _: one.names.append("c"))
        assert line == "metadata{<Tag>}.names[1] was added: 'c'"


def test_a_change_in_what_stands_in_several_places_is_named_once():
    shared = [1]
    ring = [shared, {"again": shared}]
    ring.append(ring)

    assert changed(ring, lambda _: shared.append(2)) == ["metadata[0][1] was added: 2"]
    assert changed(ring, lambda _: None) == []


def test_what_is_kept_as_bytes_is_shown_like_all_else():
    before, same, after = (packed([*range(40), [last]]) for last in ("x", "x", "y"))

    assert differences({"a": before}, {"a": same}) == []
    assert texts({"a": before}, {"a": after}) == ["a[40][0] was 'x' and is 'y'"]


def test_content_that_is_written_in_several_ways_as_bytes_is_the_same():
    text = "something"
    twice, apart = [text, text, *range(40)], [text, text.upper().lower(), *range(40)]

    assert packed(twice).data != packed(apart).data
    assert differences({"a": packed(twice)}, {"a": packed(apart)}) == []


def test_what_is_there_now_and_was_as_bytes_before_is_a_change():
    assert len(differences({"a": packed([*range(40)])}, {"a": StateReader().value([1])})) == 1


def test_one_message_that_stands_in_many_places_is_the_same_in_each():
    message, other = said("hello"), said("bye")

    assert texts(*of_messages([message] * 250, [other, *[message] * 250])) == ["messages[0] was added: user: 'bye'"]


@pytest.mark.parametrize("value", [Difference(("a",), "added"), MessageKey(1, 2)])
def test_a_difference_cannot_be_changed(value):
    with pytest.raises(FrozenInstanceError):
        setattr(value, fields(value)[0].name, "b")


@pytest.mark.parametrize(
    ("before", "is_hidden"),
    [
        ({"metadata": {"password": "hunter2"}}, True),
        ({"metadata": {"a": {"api_key": ["hunter2"]}}}, True),
        ({"desk.API_KEY": "hunter2"}, True),
        ({"API_KEY": "hunter2"}, True),
        ({"API_KEY.desk": "hunter2"}, False),
        ({"metadata": {"a": "hunter2"}}, False),
    ],
)
def test_what_has_the_name_of_a_secret_is_hidden_by_the_last_name_of_what_holds_it(before, is_hidden):
    [line] = texts(before, eval(repr(before).replace("hunter2", "hunter3")))

    assert ("hunter" in line) is not is_hidden
    assert line.count("<hidden, ") == (2 if is_hidden else 0)


def test_a_difference_of_the_whole_is_one_of_its_state():
    assert Difference((), "changed", 1, 2).text == "its state was 1 and is 2"
