"""Messages, tool calls, usage and replies."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Message,
    Model,
    Reply,
    Runner,
    Session,
    ToolCall,
    Usage,
    UserTemplate,
)
from antiphon.copies import isolated

TEXT = st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXT, values, max_size=3),
    max_leaves=6,
)
METADATA = st.dictionaries(TEXT, JSON, max_size=3)
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=TEXT,
    tool_calls=st.lists(st.builds(ToolCall, id=TEXT, name=TEXT, arguments=METADATA), max_size=2).map(tuple),
    tool_call_id=st.none() | TEXT,
    metadata=METADATA,
    template_path=st.none() | TEXT,
    model=st.none() | TEXT,
    thinking=st.none() | TEXT,
    refusal=st.none() | TEXT,
    finish_reason=st.none() | TEXT,
)


@settings(max_examples=50, deadline=None)
@given(message=MESSAGES)
def test_a_message_comes_back_from_json_as_it_was(message):
    assert Message.model_validate_json(message.model_dump_json()) == message


class Spoken(str):
    """A text of a class of its own."""

    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


WAYS = {
    "equal": lambda one: one,
    "JSON": lambda one: Message.model_validate_json(one.model_dump_json()),
    "pickle": lambda one: pickle.loads(pickle.dumps(one)),
    "copy": copy.copy,
    "deep copy": copy.deepcopy,
    "changed copy": lambda one: one.model_copy(update={"thinking": None}),
    "isolated copy": isolated,
}


@settings(max_examples=50, deadline=None)
@given(
    said=st.text(max_size=20),
    answered=st.text(max_size=20).flatmap(lambda text: st.sampled_from([text, Spoken(text)])),
    way=st.sampled_from([*WAYS]),
)
def test_what_templates_say_is_what_a_program_would_make_of_it(said, answered, way):
    class Answering(Model):
        name = "answering"

        def _send(self, session):
            return answered

    tree = LinearTemplate([UserTemplate("{{ said }}"), AssistantTemplate()], template_id="talk")
    session = Runner(Answering(), template=tree).run(Session(metadata={"said": said}))

    expected = [
        Message(role="user", content=said, template_path="talk/user-1"),
        Message(role="assistant", content=str.__str__(answered), template_path="talk/assistant-2", model="answering"),
    ]
    for message, one in zip(session.messages, expected, strict=True):
        other = WAYS[way](message)
        assert (other, type(other), repr(other)) == (one, Message, repr(one))
        assert (other.model_dump(), vars(other), other.parsed) == (one.model_dump(), vars(one), None)
        assert {name for name in one.model_fields_set if getattr(one, name)} <= other.model_fields_set
        with pytest.raises(ValidationError):
            other.content = "changed"


class Silent(Model):
    def _send(self, session):
        return ""


def test_copies_of_what_templates_say_do_not_tell_each_other_what_was_given():
    session = Runner(Silent(), template=LinearTemplate([UserTemplate("Hi"), UserTemplate("Hello")])).run()
    first, second = session.messages

    changed = first.model_copy(update={"thinking": "hm"})

    assert "thinking" in changed.model_fields_set
    assert "thinking" not in first.model_fields_set | second.model_fields_set


@settings(max_examples=50, deadline=None)
@given(messages=st.lists(MESSAGES, max_size=4), metadata=METADATA)
def test_a_session_comes_back_from_json_as_it_was(messages, metadata):
    session = Session(messages=messages, metadata=metadata)

    back = Session.model_validate_json(session.model_dump_json())

    assert (back.messages, back.metadata) == (messages, metadata)


def test_the_json_of_a_message_leaves_out_what_few_have():
    told = Message(role="assistant", content="Hi", refusal="No.").model_dump()

    assert told["refusal"] == "No."
    assert not {"thinking", "finish_reason"} & set(told)


def test_a_reply_says_why_it_ended_and_what_was_thought():
    class Thinks(Model):
        def _send(self, session):
            return Reply(refusal="I cannot.", thinking="May I?", finish_reason="content_filter")

    message = Thinks().send(Session(messages=[Message(role="user", content="How?")]))

    assert (message.content, message.refusal, message.thinking) == ("I cannot.", "I cannot.", "May I?")
    assert message.finish_reason == "content_filter"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Message(role="user", content="Hi"), "content"),
        (ToolCall(id="1", name="look"), "name"),
        (Usage(), "input_tokens"),
        (Reply("Hi"), "content"),
    ],
)
def test_values_are_frozen(value, field):
    with pytest.raises(ValidationError, match="frozen"):
        setattr(value, field, 1)


@pytest.mark.parametrize("role", ["", "User", "robot", None, 1])
def test_an_unknown_role_is_refused(role):
    with pytest.raises(ValidationError, match="'system', 'user', 'assistant' or 'tool'"):
        Message(role=role, content="x")


def test_a_message_needs_only_its_role():
    message = Message(role="user")

    assert (message.content, message.tool_calls, message.tool_call_id, message.metadata) == ("", (), None, {})
    assert (message.template_path, message.model) == (None, None)


def test_two_messages_do_not_share_their_metadata():
    one, other = Message(role="user"), Message(role="user")
    one.metadata["seen"] = True

    assert other.metadata == {}


@pytest.mark.parametrize("kind", [Message, ToolCall, Usage, Reply])
def test_a_misspelt_field_is_refused(kind):
    fields = {"role": "user"} if kind is Message else {"id": "1", "name": "n"} if kind is ToolCall else {}

    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        kind(**fields, contents="x")


def test_a_cost_is_kept_to_the_last_digit():
    usage = Usage(input_tokens=3, output_tokens=4, cost=Decimal("0.000001230"))

    assert Usage.model_validate_json(usage.model_dump_json()).cost == Decimal("0.000001230")


@pytest.mark.parametrize("tokens", ["input_tokens", "output_tokens"])
def test_fewer_than_no_tokens_are_refused(tokens):
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        Usage(**{tokens: -1})


def test_the_text_of_a_reply_may_stand_first_without_its_name():
    assert Reply("Hi", served_by="x") == Reply(content="Hi", served_by="x")


def test_a_reply_has_nothing_by_default():
    assert Reply().model_dump() == {
        "content": "",
        "tool_calls": (),
        "usage": None,
        "served_by": None,
        "finish_reason": None,
    }
