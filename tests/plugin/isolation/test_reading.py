"""States as a reader gives them: of sessions, templates and values, twice, and what is the same in both."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx
import pytest

from antiphon import (
    AssistantTemplate,
    Message,
    ModelSettings,
    Runner,
    Session,
    SubroutineTemplate,
    ToolCall,
    UserTemplate,
)
from pytest_templates import ScriptedModel
from pytest_templates.isolation.differences import differences, lines_of
from pytest_templates.isolation.showing import path_of
from pytest_templates.isolation.state import Attribute, Member, ObjectKey, StateReader, walk, walk_session


def changes(read, change, **options):
    """The lines about what is read twice, with a change in between; they and `same` agree."""
    reader = StateReader(**options)
    before = {"it": read(reader)}
    change()
    reader.begin()
    after = {"it": read(reader)}
    found = [line for line, _ in lines_of(differences(before, after))]
    assert reader.same(before, after) is not bool(found)
    return found


def of_value(value, change, **options):
    return changes(lambda reader: reader.value(value), lambda: change(value), **options)


def of_template(template, change, **options):
    return changes(lambda reader: reader.template(template), lambda: change(template), **options)


def nothing(*_):
    """Changes nothing."""


def closure_over(held):
    def function(*_):
        return held

    return function


def test_an_attribute_of_a_template_is_state():
    template = UserTemplate("Hi.")

    assert of_template(template, nothing) == []
    assert of_template(template, lambda one: setattr(one, "note", [1])) == ["it.note was added: [1]"]
    assert of_template(template, lambda one: one.note.append(2)) == ["it.note[1] was added: 2"]
    assert of_template(template, lambda one: setattr(one, "note", None)) == ["it.note was [1, 2] and is None"]
    assert of_template(template, lambda one: setattr(one, "note", "None")) == ["it.note was None and is 'None'"]
    assert of_template(template, lambda one: delattr(one, "note")) == ["it.note was removed; it was 'None'"]


def test_what_a_template_calls_and_runs_is_told_apart_by_identity():
    held = [1]
    template = UserTemplate("Hi.", before_transform=closure_over(held))
    template.steps, template.inner, template.runner = [closure_over(held)], UserTemplate("x"), Runner(model())
    template.helper = Index()

    assert of_template(template, lambda _: held.append(2)) == []
    assert of_template(template, lambda one: setattr(one.helper, "version", 2)) == []
    assert of_template(template, lambda one: setattr(one.runner.model.settings, "temperature", 1)) == []
    assert of_template(template, lambda one: setattr(one.inner, "note", 1)) == []
    assert of_template(template, lambda one: setattr(one.runner.model, "name", "other")) == []
    assert len(of_template(template, lambda one: one.steps.__setitem__(0, closure_over(held)))) == 1
    assert len(of_template(template, lambda one: setattr(one, "before_transform", closure_over(held)))) == 1
    assert len(of_template(template, lambda one: setattr(one, "inner", UserTemplate("x")))) == 1
    assert of_value([closure_over(held)], lambda _: held.append(3)) == ["it[0].held[2] was added: 3"]


def model():
    made = ScriptedModel()
    made.settings = ModelSettings(temperature=0)
    return made


def test_settings_of_a_model_are_state_of_who_asks_it_and_not_of_who_lends_it():
    lent, asked = model(), model()
    lender = SubroutineTemplate(AssistantTemplate(), model=lent)
    asking = AssistantTemplate(model=asked)
    lender.note = [1]

    assert of_template(lender, lambda _: setattr(lent.settings, "temperature", 1)) == []
    assert of_template(lender, lambda one: one.note.append(2)) == ["it.note[1] was added: 2"]
    assert len(of_template(lender, lambda one: setattr(one, "model", model()))) == 1
    assert of_template(asking, lambda _: setattr(asked.settings, "temperature", 1)) == [
        "it.model.settings.temperature was 0.0 and is 1.0"
    ]
    assert of_template(asking, lambda _: setattr(asked, "count", 1)) == []
    asked.settings.temperature = 0
    assert len(of_template(asking, lambda one: setattr(one, "model", model()))) == 1


def test_numbers_of_a_template_are_compared_by_value():
    template = UserTemplate("Hi.")
    template.rate = 0.5

    assert of_template(template, lambda one: setattr(one, "rate", float("0.5"))) == []
    assert of_template(template, lambda one: setattr(one, "rate", 0.7)) == ["it.rate was 0.5 and is 0.7"]


def test_functions_are_looked_into_in_values_also_when_a_template_was_read_before():
    held = [1]
    reader, function = StateReader(), closure_over(held)
    reader.template(UserTemplate("Hi.", before_transform=function))
    before = reader.value(function)
    held.append(2)
    reader.begin()

    assert not reader.same(before, reader.value(function))


def test_a_template_that_holds_nothing_that_can_change_is_read_once_by_all_readers():
    known: Any = {}
    plain, lending = UserTemplate("Hi."), SubroutineTemplate(AssistantTemplate(), model=model())
    holding = UserTemplate("Hi.")
    holding.notes = []

    first = [StateReader(templates=known).template(one) for one in (plain, lending, holding)]
    second = [StateReader(templates=known).template(one) for one in (plain, lending, holding)]

    assert [one is other for one, other in zip(first, second, strict=True)] == [True, False, False]
    assert [held[0] for held in known.values()] == [plain]
    plain.note = 1
    assert StateReader(templates=known).template(plain) is not first[0]
    assert StateReader(templates=known).template(plain)[Attribute("note")] == 1


def test_templates_of_one_reading_share_what_they_hold_and_sessions_do_not_share_it_with_them():
    reader, held = StateReader(), [1]
    one, other = UserTemplate("a"), UserTemplate("b")
    one.held = other.held = held

    states = [reader.template(template)[Attribute("held")] for template in (one, other)]
    assert states[0] is states[1]
    assert reader.value(held) is reader.value(held)
    assert reader.value(held) is not states[0]
    reader.begin()
    assert reader.template(one)[Attribute("held")] is not states[0]


class Remark(Message):
    """A message of the program's own class."""


MESSAGES = {
    "plain": Message(role="user", content="Hi"),
    "with metadata": Message(role="user", content="Hi", metadata={"a": [1]}),
    "with calls": Message(role="assistant", content="Hi", tool_calls=(ToolCall(id="1", name="look"),)),
    "of a class": Remark(role="user", content="Hi"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_the_object_with_what_it_holds(name):
    message = MESSAGES[name].model_copy(deep=True)
    session = Session(messages=[message])

    def said(change):
        return changes(lambda reader: reader.session(session)["messages"], change)

    assert said(lambda: None) == []
    assert said(lambda: vars(message).update(content="Bye")) == ["it[0].content was 'Hi' and is 'Bye'"]
    assert said(lambda: vars(message).update(content=None)) == ["it[0].content was 'Bye' and is None"]
    assert said(lambda: vars(message).update(content=False)) == ["it[0].content was None and is False"]
    assert said(lambda: vars(message).update(content=[])) == ["it[0].content was False and is []"]
    assert said(lambda: vars(message).update(content="")) == ["it[0].content was [] and is ''"]
    assert said(lambda: message.metadata.update(b=1)) == ["it[0].metadata['b'] was added: 1"]
    assert said(lambda: vars(message).update(tool_calls=(ToolCall(id="2", name="see"),))) != []
    assert len(said(lambda: session.messages.__setitem__(0, message.model_copy()))) == 1


def test_a_plain_message_is_the_object_as_well():
    message = Message(role="user", content="Hi")
    session, other = Session(messages=[message]), Session(messages=[message.model_copy()])
    reader = StateReader()

    assert reader.same(reader.session(session), reader.session(session))
    assert not reader.same(reader.session(session), reader.session(other))


def test_a_message_that_stands_twice_in_a_session_has_one_state():
    message = Message(role="user", content="Hi")
    first, second = StateReader().session(Session(messages=[message, message], metadata={"of": message}))["messages"]

    assert first is second
    assert first.is_message


class Index:
    """Knows its content by a number alone."""

    def __init__(self) -> None:
        self.version = 1


@pytest.mark.parametrize(
    ("custom", "line"),
    [
        (lambda index: {"v": index.version}, "it.index['v'] was 1 and is 2"),
        (lambda index: [0, index.version], "it.index[1] was 1 and is 2"),
        (lambda index: (0, index.version), "it.index[1] was 1 and is 2"),
        (lambda index: index.version, "it.index.state was 1 and is 2"),
        (lambda index: f"v{index.version}", "it.index.state was 'v1' and is 'v2'"),
        (lambda index: {index.version}, "it.index.state{1} was removed; it was 1"),
        (lambda index: 0, None),
        (lambda index: (), None),
        (lambda index: None, "it.index.version was 1 and is 2"),
    ],
)
def test_a_project_says_what_the_state_of_its_values_is(custom, line):
    @dataclass
    class Holder:
        index: Index = field(default_factory=Index)

    asked = []

    def ask(value):
        asked.append(type(value))
        return custom(value) if isinstance(value, Index) else None

    lines = of_value(Holder(), lambda held: setattr(held.index, "version", 2), custom=ask)

    assert lines[:1] == ([line] if line else [])
    assert set(asked) == {Holder, Index}


def test_a_project_is_not_asked_about_builtin_containers_and_what_holds_nothing():
    asked = []

    def ask(value):
        asked.append(value)

    StateReader(ask).value([{"a": (1, {2}, frozenset({3}))}, 1.0, None, True, b"x", "text", dt.date(2026, 1, 2)])
    assert asked == []


def test_what_a_project_says_is_no_state_of_the_value_that_another_reader_sees():
    index = Index()
    assert of_value(index, lambda one: setattr(one, "version", 2), custom=lambda _: "always") == []
    assert of_value(index, lambda one: setattr(one, "version", 3)) == ["it.version was 2 and is 3"]


def nested(depth, inmost="x"):
    for _ in range(depth):
        inmost = (inmost, 1)
    return inmost


@pytest.mark.parametrize(("depth", "is_content"), [(0, True), (1, True), (20, True), (21, False), (100, False)])
def test_tuples_that_are_keys_are_compared_by_content_up_to_twenty_levels(depth, is_content):
    held = {nested(depth): "a"}

    def replace(held):
        held.clear()
        held[nested(depth, "xx"[1:])] = "a"

    assert (of_value(held, replace) == []) is is_content
    assert of_value(held, nothing) == []
    members = {nested(depth)}
    assert (of_value(members, lambda held: (held.clear(), held.add(nested(depth)))) == []) is is_content


@pytest.mark.parametrize(
    "key", ["", 0, "a", 1, None, True, 1.5, (), ("",), (0, "a"), ((), 0), b"x", dt.date(2026, 1, 2)]
)
def test_keys_that_hold_nothing_are_compared_by_content_and_shown(key):
    assert of_value({}, lambda held: held.update({key: 1}))[0].startswith("it[")
    assert "<" not in of_value({}, lambda held: held.update({(key, 1): 1}))[0]
    assert of_value({(key, 10**50): 1}, lambda held: (held.clear(), held.update({(key, 10**50): 1}))) == []
    assert of_value({(key, 1): 1}, lambda held: (held.clear(), held.update({(key, 2): 1}))) != []


@pytest.mark.parametrize(("key", "other"), [(1, True), (0, False), (1, 1.0), ((1,), (True,)), ("a", b"a")])
def test_keys_of_other_types_are_other_keys(key, other):
    assert len(of_value({key: 1}, lambda held: (held.clear(), held.update({other: 1})))) == 2


def test_parts_of_paths_are_equal_where_they_mean_the_same():
    key, other = Index(), Index()

    assert Member(1) == Member(1)
    assert hash(Member(1)) == hash(Member(1))
    assert Member(1) != Member(2)
    assert Member(1) != 1
    assert ObjectKey(key) == ObjectKey(key)
    assert hash(ObjectKey(key)) == hash(ObjectKey(key))
    assert ObjectKey(key) != ObjectKey(other)
    assert ObjectKey(key) != key
    assert repr(ObjectKey(key)) == "<Index>"


class Client:
    """Opens its connection, and names itself, when it is used."""

    def __init__(self) -> None:
        self._connection: Any = None
        self.connection: Any = None
        self.name = "a name"
        self.notes: dict[str, int] = {}


def test_only_a_private_client_may_be_opened_in_between():
    def opened(client):
        client._connection = httpx.Client()
        client.name = client.name.upper().lower()

    def renamed(client):
        opened(client)
        client.name = "another"

    assert of_value(Client(), opened) == []
    assert of_value(Client(), renamed) == ["it.name was 'a name' and is 'another'"]
    assert len(of_value(Client(), lambda client: setattr(client, "connection", httpx.Client()))) == 1
    assert of_value(Client(), lambda client: setattr(client, "_connection", 0)) == ["it.connection was None and is 0"]
    assert of_value(Client(), lambda client: setattr(client, "_connection", [])) == ["it.connection was None and is []"]
    assert len(of_value(Client(), lambda client: delattr(client, "_connection"))) == 1
    assert of_value(Client(), lambda client: client.notes.update(a=1)) == ["it.notes['a'] was added: 1"]
    assert of_value(Client(), lambda client: setattr(client, "notes", {})) == []
    assert of_value(Client(), lambda client: setattr(client, "notes", [])) == ["it.notes was {} and is []"]


class Reader:
    """Computes something once, and keeps notes."""

    def __init__(self) -> None:
        self.notes: list[int] = []

    @cached_property
    def words(self) -> list[str]:
        return []


def test_what_is_computed_once_is_no_state_and_all_beside_it_is():
    reader = Reader()

    assert of_value(reader, lambda held: held.words) == []
    assert of_value(reader, lambda held: held.words.append("a")) == []
    assert of_value(reader, lambda held: held.notes.append(1)) == ["it.notes[0] was added: 1"]
    assert of_value(reader, lambda held: setattr(held, "note", "x")) == ["it.note was added: 'x'"]


def test_a_client_may_be_closed_and_not_exchanged():
    client = Client()
    client._connection = httpx.Client()

    assert of_value(client, lambda one: setattr(one, "_connection", None)) == []
    client._connection = httpx.Client()
    assert len(of_value(client, lambda one: setattr(one, "_connection", httpx.Client()))) == 1


def test_of_each_kind_that_is_not_seen_into_the_first_and_outermost_is_named():
    reader = StateReader()
    reader.value({"deep": [[httpx.Client()]], "near": httpx.Client(), "far": httpx.AsyncClient(), "seen": [1]}, "root")

    assert {one.kind.__name__: path_of(one.trail) for one in reader.unseen.values()} == {
        "Client": "root['near']",
        "AsyncClient": "root['far']",
    }


def test_the_kinds_of_objects_are_told_and_those_of_containers_are_not():
    reader = StateReader()
    reader.value([{"a": (Index(),)}, {1}, frozenset([1]), Client(), "x", 1.0])

    assert reader.kinds == {Index, Client}


def test_a_walk_comes_by_each_value_once_with_the_shortest_way_to_it():
    shared = Index()
    value = {"deep": [[shared]], "near": shared, "tag": {(1, shared): "x"}, "set": {shared}}
    value["ring"] = value
    reader = StateReader()

    ways = [path_of(trail) for _, trail in walk(reader.value(value), (None, "root", "it"))]
    assert ways == [
        "it",
        "it['deep']",
        "it['near']",
        "it['tag']",
        "it['set']",
        "it['deep'][0]",
        "it['tag']{(1, <Index>)}",
    ]


def test_a_walk_through_a_session_begins_at_its_parts():
    said = Message(role="user", content="Hi", metadata={"a": [1]})
    session = Session(messages=[said], metadata={"b": [2]}, runner=Runner(ScriptedModel()))
    ways = [path_of(trail) for _, trail in walk_session(StateReader().session(session))]

    assert ways[0] == "messages[0]"
    assert {"messages[0].metadata['a']", "metadata", "metadata['b']", "runner"} <= {*ways}


def test_lists_and_dicts_of_states_are_the_same_where_all_their_parts_are():
    reader = StateReader()
    one, other = reader.value([1]), reader.value([1])

    assert reader.same([one, "a"], [other, "a"])
    assert not reader.same([one], [other, other])
    assert not reader.same([one], [reader.value([2])])
    assert reader.same({"a": one}, {"a": other})
    assert not reader.same({"a": one}, {"b": other})
    assert not reader.same({"a": one}, {"a": other, "b": other})
    assert not reader.same({"a": one}, [one])
    assert not reader.same("1", 1)
