"""Sessions as JSON: what comes back, what is refused, and files of other versions."""

from __future__ import annotations

import datetime as dt
import json
import pickle
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from antiphon import (
    AssistantTemplate,
    Document,
    Image,
    LinearTemplate,
    Message,
    Reply,
    Runner,
    Session,
    ToolCall,
    Usage,
    UserTemplate,
)
from antiphon.errors import AntiphonError, InvalidValue, SavedByNewerVersion


class Order(BaseModel):
    number: int
    due: dt.date | None = None


@dataclass
class Place:
    name: str


class Point(NamedTuple):
    x: int
    y: int


class Size(StrEnum):
    SMALL = "small"


class Length(float):
    pass


atoms = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(), st.uuids()),
    *(st.dates(), st.times(), st.timedeltas(), st.datetimes(timezones=st.none() | st.timezones())),
    st.decimals(allow_nan=False),
    st.sampled_from(
        [
            *(Path("a/b"), Image.from_bytes(b"x", "image/png"), Document.from_url("https://a.example/b.pdf")),
            Message(role="user", content="Hi", metadata={"when": dt.date(2024, 2, 29)}),
            *(ToolCall(id="1", name="look", arguments={"at": (1, 2)}), Usage(cost=Decimal("0.1"))),
            *(Reply("Hi", usage=Usage(input_tokens=3)), {"$antiphon": "tuple", "value": [1]}),
        ]
    ),
)
hashable = st.none() | st.booleans() | st.integers() | st.text() | st.tuples(st.integers(), st.text())
values = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(hashable, inner, max_size=3),
        st.sets(hashable, max_size=3),
        st.frozensets(hashable, max_size=3),
    ),
    max_leaves=6,
)
metadata = st.dictionaries(st.text(max_size=9), values, max_size=3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_a_program_that_serves_sessions_can_describe_them(mode: Literal["validation", "serialization"]) -> None:
    described = Session.model_json_schema(mode=mode)

    assert described["properties"]["metadata"]["type"] == "object"
    assert described["$defs"]["Message"]["properties"]["metadata"]["type"] == "object"
    assert {"type": "object", "additionalProperties": True} in described["properties"]["progress"]["anyOf"]


@settings(max_examples=100)
@given(metadata=metadata, of_message=metadata, arguments=metadata)
def test_a_session_comes_back_equal_or_is_refused(
    metadata: dict[str, Any], of_message: dict[str, Any], arguments: dict[str, Any]
) -> None:
    call = ToolCall(id="1", name="look", arguments=arguments)
    message = Message(role="assistant", content="I look.", tool_calls=[call], metadata=of_message)
    session = Session(messages=[message], metadata=metadata)
    try:
        saved = session.model_dump_json()
    except InvalidValue:  # such as a time that its time zone has twice
        return

    back = Session.model_validate_json(saved)

    assert back == session
    assert type(back.metadata) is dict
    assert back.model_dump_json() == saved
    assert Session.model_validate(json.loads(saved)) == session
    assert Session.model_validate(session.model_dump(mode="json")) == session


def test_what_comes_back_is_of_the_kind_that_was_saved() -> None:
    kept = {"tuple": (1, [2]), "set": {1}, "bytes": b"\xff", "date": dt.date(2024, 2, 29), "decimal": Decimal("1.10")}
    session = Session(metadata={**kept, "id": UUID(int=7), "photo": Image.from_bytes(b"x", "image/png")})

    back = Session.model_validate_json(session.model_dump_json())

    assert {name: type(value) for name, value in back.metadata.items()} == {
        name: type(value) for name, value in session.metadata.items()
    }
    assert str(back.metadata["decimal"]) == "1.10"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Order(number=1), "Order has no JSON form"),
        (Place("Oslo"), "Place has no JSON form"),
        (object(), "object has no JSON form"),
        (print, "builtin_function_or_method has no JSON form"),
        (float("nan"), "nan does not come back equal"),
        (Decimal("NaN"), "does not come back equal"),
        ("\ud800", "half a character"),
        (Counter("aab"), "Counter has no JSON form"),
        (defaultdict(list), "defaultdict has no JSON form"),
        (Point(1, 2), "Point has no JSON form"),
        (Size.SMALL, "Size has no JSON form"),
        (HTTPStatus.OK, "HTTPStatus has no JSON form"),
        (Length(1.5), "Length has no JSON form"),
    ],
    ids=[
        *("pydantic", "dataclass", "object", "function", "NaN", "decimal NaN", "half a character", "kind of dict"),
        *("dict with defaults", "named tuple", "text enum", "number enum", "kind of float"),
    ],
)
def test_what_would_not_come_back_is_refused_by_its_key(value: object, reason: str) -> None:
    in_metadata = Session(metadata={"fine": 1, "wrong": [{"at": value}]})
    in_message = Session(messages=[Message(role="user", content="Hi", metadata={"wrong": value})])

    with pytest.raises(InvalidValue, match=rf"session\.metadata\['wrong'\]\[0\]\['at'\] cannot be saved: .*{reason}"):
        in_metadata.model_dump_json()
    with pytest.raises(InvalidValue, match=rf"session\.messages\[0\]\.metadata\['wrong'\] cannot be saved: .*{reason}"):
        in_message.model_dump_json()


def test_what_a_message_says_that_cannot_be_written_is_refused_by_its_place() -> None:
    half = Session(messages=[Message(role="user", content="Hi"), Message(role="user", content="\ud800")])
    call = ToolCall(id="1", name="weigh", arguments={"kilos": float("nan")})
    odd = Session(messages=[Message(role="assistant", tool_calls=(call,))])

    with pytest.raises(InvalidValue, match=r"session\.messages\[1\]\.content cannot be saved: .*half a character"):
        half.model_dump_json()
    with pytest.raises(InvalidValue, match=r"\.messages\[0\], the arguments of weigh\['kilos'\] cannot be saved: nan"):
        odd.model_dump_json()


def test_a_key_that_would_come_back_as_a_text_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"session\.metadata\['sizes'\]\[<Size\.SMALL: 'small'>\].*Size has no JSON"):
        Session(metadata={"sizes": {Size.SMALL: 1}}).model_dump_json()


def test_what_would_come_back_as_something_else_is_refused_in_the_first_turn(scripted_model) -> None:
    runner = Runner(scripted_model(), template=LinearTemplate([AssistantTemplate("Hi"), UserTemplate()]))

    with pytest.raises(InvalidValue, match=r"\['seen'\] cannot be saved: an object of the class Counter"):
        runner.advance(Session(metadata={"seen": Counter("aab")}))


def test_a_conversation_that_waits_comes_back_in_every_way(scripted_model) -> None:
    model = scripted_model("How long?", "Two nights, then.")
    tree = LinearTemplate([UserTemplate(), AssistantTemplate(), UserTemplate(), AssistantTemplate()])
    runner = Runner(model, template=tree)
    waiting = runner.advance(runner.advance(Session(metadata={"due": dt.date(2024, 2, 29)})), "A room.")
    saved = waiting.model_dump_json()

    backs = [
        Session.model_validate_json(saved),
        Session.model_validate(json.loads(saved)),
        Session.model_validate(waiting.model_dump(mode="json")),
        Session.model_validate(waiting.model_dump()),
    ]

    assert backs == [waiting] * 4
    assert [back.model_dump_json() for back in backs] == [saved] * 4
    assert Runner(model, template=tree).advance(backs[-1], "Two.").last.content == "Two nights, then."


def test_what_a_program_gives_in_python_is_taken_as_it_is() -> None:
    marked = {"$antiphon": "tuple", "value": [1]}

    assert Session(metadata={"a": marked}).metadata == {"a": marked}
    assert Session.model_validate({"metadata": {"a": marked, "due": dt.date(2024, 2, 29)}}).metadata["a"] == marked
    assert Session.model_validate(Session(metadata={"a": marked}).model_dump(mode="json")).metadata == {"a": marked}


def test_what_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert Session.model_validate({"metadata": {"loop": loop}}).metadata["loop"][0] is loop

    with pytest.raises(InvalidValue, match=r"session\.metadata\['loop'\]\[0\].* nested too deep"):
        Session(metadata={"loop": loop}).model_dump_json()


def test_a_fallback_says_what_becomes_of_the_others() -> None:
    session = Session(metadata={"order": Order(number=1), "due": dt.date(2024, 2, 29)})

    back = Session.model_validate_json(session.model_dump_json(fallback=repr))

    assert back.metadata == {"order": "Order(number=1, due=None)", "due": dt.date(2024, 2, 29)}


def test_within_a_program_s_own_model_the_error_is_pydantic_s() -> None:
    class Stored(BaseModel):
        session: Session

    stored = Stored(session=Session(metadata={"due": (1, dt.date(2024, 2, 29))}))
    assert Stored.model_validate_json(stored.model_dump_json()) == stored
    with pytest.raises(PydanticSerializationError):
        Stored(session=Session(metadata={"order": Order(number=1)})).model_dump_json()


def test_in_python_a_session_is_dumped_with_its_values_as_they_are() -> None:
    session = Session(metadata={"order": Order(number=1)})

    assert Session.model_validate(session.model_dump()) == Session(metadata={"order": {"number": 1, "due": None}})


@pytest.mark.parametrize(
    "saved",
    ['{"metadata":{"a":{"$antiphon":"martian","value":1}}}', '{"metadata":{"a":{"$antiphon":"date","value":[]}}}'],
)
def test_a_value_of_an_unknown_kind_is_refused(saved: str) -> None:
    with pytest.raises(ValidationError, match="metadata"):
        Session.model_validate_json(saved)


def test_a_file_says_its_version_and_one_without_is_loaded() -> None:
    session = Session(messages=[Message(role="user", content="Hi")], metadata={"a": 1})
    plain = json.loads(session.model_dump_json())

    assert plain.pop("version") == "1.0"
    assert Session.model_validate_json(json.dumps(plain)) == session


@pytest.mark.parametrize("indent", [None, 2])
def test_what_a_newer_minor_version_has_saved_is_kept_and_saved_again(indent: int | None) -> None:
    saved = {
        "version": "1.7",
        "messages": [{"role": "user", "content": "Hi", "mood": "fine"}, {"role": "assistant", "content": "Hello"}],
        "metadata": {},
        "weather": {"now": ["rain"]},
    }
    session = Session.model_validate_json(json.dumps(saved))
    session.append(Message(role="user", content="Well."))

    again = json.loads(session.model_dump_json(indent=indent, exclude_defaults=True))

    assert again == {
        "version": "1.7",
        "messages": [*saved["messages"], {"role": "user", "content": "Well."}],
        "weather": {"now": ["rain"]},
    }


def test_what_a_newer_minor_version_has_saved_outlives_turns_and_copies(scripted_model) -> None:
    saved = {
        "version": "1.7",
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "user", "content": "Hi", "mood": "fine"},
            {"role": "user", "content": "Hi", "mood": "bad"},
        ],
        "weather": "rain",
    }
    session = Session.model_validate_json(json.dumps(saved))
    runner = Runner(
        scripted_model(), template=LinearTemplate([UserTemplate(), AssistantTemplate("Well."), UserTemplate()])
    )
    waiting = runner.advance(runner.advance(session), "And?")

    for one in (waiting, waiting.model_copy(), waiting.model_copy(deep=True), pickle.loads(pickle.dumps(waiting))):
        again = json.loads(one.model_dump_json())
        assert again["weather"] == "rain"
        assert [message.get("mood") for message in again["messages"]] == [None, "fine", "bad", None, None]


def test_the_same_fields_are_refused_where_no_newer_version_has_saved_them() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Session.model_validate_json('{"version":"1.0","weather":1}')
    with pytest.raises(ValidationError, match="Extra inputs"):
        Session.model_validate_json('{"messages":[{"role":"user","mood":"fine"}]}')


def test_a_newer_major_version_is_refused() -> None:
    with pytest.raises(
        SavedByNewerVersion, match=r"in the form 2\.0, and this version of antiphon knows 1\.0"
    ) as caught:
        Session.model_validate_json('{"version":"2.0","anything":1}')

    assert isinstance(caught.value, AntiphonError)
    assert caught.value.version == "2.0"


@pytest.mark.parametrize("version", ['"new"', "1", '"1"', "null"])
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(ValidationError, match="version"):
        Session.model_validate_json(f'{{"version":{version}}}')


def test_the_metadata_can_be_read_as_a_type_and_written_back() -> None:
    session = Session(metadata={"number": "7", "due": "2024-02-29", "other": 1})

    order = session.metadata_as(Order)
    order.number += 1
    session.metadata.update(order)

    assert (order.number, order.due) == (8, dt.date(2024, 2, 29))
    assert session.metadata == {"number": 8, "due": dt.date(2024, 2, 29), "other": 1}
    assert Session.model_validate_json(session.model_dump_json()).metadata_as(Order) == order
    assert Session(metadata={"name": "Oslo"}).metadata_as(Place) == Place("Oslo")


def test_metadata_that_do_not_fit_a_type_are_refused_by_their_keys() -> None:
    with pytest.raises(InvalidValue, match=r"the session's metadata is no Order: number: Input should be a valid int"):
        Session(metadata={"number": "seven"}).metadata_as(Order)
