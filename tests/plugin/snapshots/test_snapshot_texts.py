"""The text that a conversation is compared by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Message,
    Runner,
    Session,
    SubroutineTemplate,
    ToolCall,
    Trace,
    UserTemplate,
)
from antiphon.errors import InvalidType
from pytest_templates import ScriptedModel
from pytest_templates.snapshots.blocks import from_text, to_text
from pytest_templates.snapshots.conversation import snapshot_text
from pytest_templates.snapshots.extension import PropertyFilter

TEXTS = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="ab \t\n\r~[]>·()\u200b\u3000\x1b", max_size=20),
    st.sampled_from(
        ["[user]", "    indented", '  ~ "x"', "\n", "a\n", "\n[system]\n", "  > f {} (call 1)", '  * "x"', " "]
    ),
)
NAMES = st.one_of(st.none(), st.text(alphabet='ab/@1 ·()"\n', min_size=1, max_size=8))
TOOL_CALLS = st.builds(
    ToolCall,
    id=st.just("c"),
    name=st.text(max_size=5),
    arguments=st.dictionaries(st.text(max_size=3), TEXTS, max_size=2),
)
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=TEXTS,
    tool_calls=st.lists(TOOL_CALLS, max_size=2).map(tuple),
    template_path=NAMES,
    model=NAMES,
    thinking=st.none() | st.text(alphabet='ab "*\n', min_size=1, max_size=6),
)


@given(st.lists(MESSAGES, max_size=4), st.lists(MESSAGES, max_size=4))
def test_conversations_have_the_same_text_only_if_they_say_the_same(one: list[Message], two: list[Message]) -> None:
    assert (snapshot_text(one) == snapshot_text(two)) == (one == two)


@given(st.lists(TEXTS, min_size=1, max_size=6), st.integers(0, 5), TEXTS)
def test_one_line_that_is_another_makes_another_text(lines: list[str], number: int, other: str) -> None:
    changed = [*lines]
    changed[number % len(lines)] = other
    one, two = (Message(role="user", content="\n".join(some)) for some in (lines, changed))

    assert (snapshot_text(one) == snapshot_text(two)) == (one.content == two.content)


@given(st.lists(MESSAGES, max_size=4))
def test_a_text_is_read_back_message_by_message(messages: list[Message]) -> None:
    text = snapshot_text(messages)

    assert to_text(from_text(text)) == text
    assert len(from_text(text)) == len(messages)


@given(st.lists(MESSAGES, min_size=1, max_size=4))
def test_every_line_of_a_text_can_be_seen(messages: list[Message]) -> None:
    text = snapshot_text(messages)

    assert not {"\r", "\x1b", "\u200b"} & set(text)
    assert not any(line.endswith((" ", "\t")) for line in text.splitlines())


def test_lines_stand_as_they_are_and_as_json_where_they_could_be_misread() -> None:
    said = "\none\n\n  two\nthree \nfo\u200bur\n[five]\n"

    assert snapshot_text(Message(role="user", content=said)) == (
        '[user]\n  ~ ""\n    one\n\n      two\n  ~ "three "\n  ~ "fo\\u200bur"\n    [five]\n  ~ ""\n'
    )


def test_ids_and_times_have_the_same_name_wherever_they_stand() -> None:
    one, two = "6f1c2a34-1111-4222-8333-abcdefabcdef", "00000000-1111-4222-8333-abcdefabcdef"
    text = snapshot_text(
        [
            Message(role="user", content=f"{one} {two} {one.upper()} at 2026-11-23T10:15:00.123+01:00"),
            Message(role="user", content=f"{two}, chatcmpl-9aBcDeFgHiJkLmN, 2026-11-23 10:15"),
        ]
    )

    assert "    <uuid 1> <uuid 2> <uuid 1> at <time 1>\n" in text
    assert "    <uuid 2>, <id 1>, <time 2>\n" in text


def test_dates_words_and_numbers_are_no_times_and_no_ids() -> None:
    said = "born 1990-01-01, call_center, run-2, msg_of_the_day_everyone, 10:15, 17.5"

    assert snapshot_text([Message(role="user", content=said)]) == f"[user]\n    {said}\n"


def test_calls_of_tools_are_numbered_and_their_results_name_them() -> None:
    call = ToolCall(id="call_abc123", name="weather", arguments={"city": "Oslo", "day": 1})
    text = snapshot_text(
        [
            Message(role="assistant", tool_calls=(call,), template_path="talk/answer", model="small"),
            Message(role="tool", content="rain", tool_call_id="call_abc123", template_path="talk/answer"),
        ]
    )

    assert text == (
        "[assistant] talk/answer · small\n"
        '  > weather {"city": "Oslo", "day": 1} (call 1)\n'
        "\n"
        "[tool] talk/answer (call 1)\n"
        "    rain\n"
    )


def test_a_saved_conversation_has_the_text_that_lies_beside_it(fixtures_dir: Path) -> None:
    saved = fixtures_dir / "conversations" / "order.json"

    assert snapshot_text(Session.model_validate_json(saved.read_bytes())) == saved.with_suffix(".chat").read_text(
        "utf-8"
    )


def test_long_arguments_stand_on_several_lines() -> None:
    call = ToolCall(id="c", name="write", arguments={"text": "long " * 20, "to": ["Ada"]})

    assert snapshot_text(Message(role="assistant", tool_calls=(call,))) == (
        "[assistant]\n"
        "  > write {\n"
        f'      "text": "{"long " * 20}",\n'
        '      "to": [\n'
        '        "Ada"\n'
        "      ]\n"
        "    } (call 1)\n"
    )


def test_a_trace_says_of_each_call_what_was_asked_that_no_call_before_it_was() -> None:
    look_up = LinearTemplate([UserTemplate("Where?"), AssistantTemplate(template_id="look-up")])
    tree = LinearTemplate(
        [
            UserTemplate("Hello."),
            AssistantTemplate(template_id="greet"),
            SubroutineTemplate(look_up, "research"),
            UserTemplate("Bye."),
            AssistantTemplate(template_id="part"),
        ]
    )

    trace = Runner(ScriptedModel("Hi.", "Oslo.", "See you."), template=tree).run().trace

    assert snapshot_text(trace) == (
        "[call] linear/greet · scripted (the runner's model)\n"
        "\n[user] linear/user-1\n    Hello.\n"
        "\n[answer] linear/greet · scripted\n    Hi.\n"
        "\n[call] linear/research/linear-1/look-up · scripted (the runner's model)\n"
        "\n[user] linear/research/linear-1/user-1\n    Where?\n"
        "\n[answer] linear/research/linear-1/look-up · scripted\n    Oslo.\n"
        "\n[call] linear/part · scripted (the runner's model)\n  as in call 1, with its answer, and:\n"
        "\n[assistant] linear/research/linear-1/look-up · scripted\n    Oslo.\n"
        "\n[user] linear/user-4\n    Bye.\n"
        "\n[answer] linear/part · scripted\n    See you.\n"
    )


def test_a_call_that_begins_otherwise_is_not_taken_for_one_that_goes_on() -> None:
    model, session = ScriptedModel("Yes.", "No."), Session()
    Runner(model, template=LinearTemplate([UserTemplate("Hi."), AssistantTemplate()])).run(session)
    other = Session(messages=[Message(role="user", content="Ho."), Message(role="assistant", content="Yes.")])
    Runner(model, template=LinearTemplate([UserTemplate("And now?"), AssistantTemplate()])).run(other)

    text = snapshot_text(Trace([*session.trace.calls, *other.trace.calls]))

    assert "as in call" not in text
    assert "[user]\n    Ho.\n" in text


def test_metadata_is_left_out() -> None:
    plain = Session(messages=[Message(role="user", content="Hi")])
    rich = Session(messages=[Message(role="user", content="Hi", metadata={"at": 1})], metadata={"customer": 7})

    assert snapshot_text(plain) == snapshot_text(rich)


def test_matchers_and_filters_see_the_fields_of_messages() -> None:
    seen: list[Any] = []

    def shout(data: Any, path: Any) -> Any:
        seen.append(tuple(name for name, _ in path))
        return data.upper() if path and path[-1][0] == "content" else data

    filtered = PropertyFilter(exclude=lambda prop, path: prop == "model", matcher=shout)
    text = snapshot_text([Message(role="user", content="hi", model="small", template_path="a")], filtered)

    assert text == "[user] a\n    HI\n"
    assert (0, "content") in seen
    assert (0, "model") not in seen


@pytest.mark.parametrize("given", [None, "text", 3, {"role": "user"}, ["text"], object()])
def test_what_is_no_conversation_is_refused(given: object) -> None:
    with pytest.raises(InvalidType, match="llm_snapshot compares a Session, a Trace, a Message or a list of them, not"):
        snapshot_text(given)
