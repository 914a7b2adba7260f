"""What is said about a snapshot that changed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from antiphon import AssistantTemplate, LinearTemplate, Message, Role, Runner, Session, ToolCall, Trace, UserTemplate
from pytest_templates import ScriptedModel
from pytest_templates.snapshots.conversation import snapshot_text
from pytest_templates.snapshots.diff import conversation_difference


def message(role: Role, content: str, path: str, model: str | None = None) -> Message:
    return Message(role=role, content=content, template_path=path, model=model)


def turns(count: int) -> list[Message]:
    rules = message("system", "Be kind.", "talk/rules")
    return [rules, *(message("assistant", f"Answer {n}.", f"talk/turns@{n}/answer", "small") for n in range(1, count))]


def difference(old: object, new: object) -> list[str]:
    return conversation_difference(snapshot_text(old), snapshot_text(new))


def test_the_same_conversation_has_no_difference() -> None:
    assert difference(turns(5), turns(5)) == []


def test_one_message_inserted_among_fifty_is_shown_alone() -> None:
    old, new = turns(50), turns(50)
    new.insert(25, message("user", "And the fee?", "talk/extra"))

    assert difference(old, new) == [
        "talk/extra says a message that it did not say:",
        "message 26 is new: [user] talk/extra",
        "  + And the fee?",
    ]


def test_one_turn_more_in_a_loop_moves_the_others_without_a_word_for_each() -> None:
    old = turns(50)
    new = [*old[:25], message("assistant", "Another.", "talk/turns@25/answer", "small")]
    new += [message("assistant", old[n].content, f"talk/turns@{n + 1}/answer", "small") for n in range(25, 50)]

    lines = difference(old, new)

    assert lines[1:] == [
        "message 26 is new: [assistant] talk/turns@25/answer · small",
        "  + Another.",
        "25 more say the same in another iteration of their loop",
    ]


def test_one_message_that_is_gone_is_shown_alone() -> None:
    old = turns(50)
    lines = difference(old, [*old[:25], *old[26:]])

    assert lines == [
        "talk/turns@25/answer does not say its message:",
        "message 26 is gone: [assistant] talk/turns@25/answer · small",
        "  - Answer 25.",
    ]


def test_messages_that_are_gone_after_one_that_changed_are_numbered_where_they_stood() -> None:
    old = [message("user", text, "talk/ask") for text in ("one", "two", "three", "four")]
    new = [old[0], message("user", "2", "talk/ask"), old[3]]

    lines = difference(old, new)

    assert [line for line in lines if line.startswith("message")] == [
        "message 2: [user] talk/ask",
        "message 3 is gone: [user] talk/ask",
    ]


def test_a_changed_prompt_is_named_as_the_cause_of_what_follows() -> None:
    old, new = turns(3), turns(3)
    new[0] = message("system", "Be brief.", "talk/rules")
    new[2] = message("assistant", "No.", "talk/turns@2/answer", "small")

    lines = difference(old, new)

    assert lines[0] == "first of all, our prompt changed, in talk/rules:"
    assert lines[1:4] == ["message 1: [system] talk/rules", "  - Be [kind].", "  + Be [brief]."]
    assert "message 3: [assistant] talk/turns@2/answer · small" in lines


def test_another_answer_to_the_same_prompt_is_the_models_doing() -> None:
    old, new = turns(3), turns(3)
    new[1] = message("assistant", "Answer one.", "talk/turns@1/answer", "small")

    assert difference(old, new)[0] == (
        "the model answered differently in talk/turns@1/answer; all that this snapshot shows before it is the same:"
    )


def test_the_same_answer_of_another_model_is_told() -> None:
    old, new = turns(3), turns(3)
    new[1] = message("assistant", "Answer 1.", "talk/turns@1/answer", "large")

    assert difference(old, new)[:1] == ["another model answered in talk/turns@1/answer: large instead of small:"]


def test_a_tools_and_a_users_words_are_told_from_a_models() -> None:
    tool, user = message("tool", "rain", "talk/weather"), message("user", "Hello", "talk/ask")

    changed_tool = difference([tool], [message("tool", "snow", "talk/weather")])
    changed_user = difference([user], [message("user", "Hi", "talk/ask")])

    assert changed_tool[0] == "a tool answered differently in talk/weather:"
    assert changed_user[0] == "our prompt, or what the user answered, changed in talk/ask:"


def test_a_template_that_moved_is_told() -> None:
    lines = difference(
        [message("system", "Be kind.", "talk/rules")], [message("system", "Be kind.", "talk/first/rules")]
    )

    assert lines[0] == "another template says the same: talk/first/rules instead of talk/rules:"


def test_another_version_of_a_model_is_no_other_iteration() -> None:
    old = message("assistant", "Hi.", "talk/answer", "sonnet@20250514")
    new = message("assistant", "Hi.", "talk/answer", "sonnet@20250601")

    lines = difference(old, new)

    assert lines[0] == "another model answered in talk/answer: sonnet@20250601 instead of sonnet@20250514:"
    assert "another iteration" not in "".join(lines)


def test_a_model_with_an_odd_name_is_the_same_model() -> None:
    old = message("assistant", "Yes.", "talk/answer", 'a "b" · (c)')
    new = message("assistant", "No.", "talk/answer", 'a "b" · (c)')

    assert difference(old, new)[0].startswith("the model answered differently in talk/answer; ")


def test_the_same_words_in_another_role_are_told() -> None:
    old, new = message("system", "Be kind.", "talk/rules"), message("user", "Be kind.", "talk/rules")

    assert difference([old], [new]) == [
        "talk/rules speaks as user instead of system:",
        "message 1: [user] talk/rules",
        "  instead of [system] talk/rules",
    ]


def test_other_words_in_another_role_of_another_template_are_no_models_doing() -> None:
    old, new = message("assistant", "Yes.", "talk/answer", "small"), message("tool", "rain", "talk/weather")

    assert difference(old, new)[0] == "another template speaks: talk/weather instead of talk/answer:"


def test_the_same_result_for_another_call_is_told() -> None:
    asked = Message(role="assistant", tool_calls=(ToolCall(id="a", name="f"), ToolCall(id="b", name="f")))
    old, new = (Message(role="tool", content="x", template_path="talk/t", tool_call_id=one) for one in "ab")

    assert difference([asked, old], [asked, new])[0] == "a tool answered another call in talk/t:"


def trace(*answers: str | Exception, own: bool = False) -> Trace:
    """A trace in which two templates ask, the second one perhaps with a model of its own."""
    model, session = ScriptedModel(*answers), Session()
    first, second = AssistantTemplate(template_id="a"), AssistantTemplate(template_id="b", model=model if own else None)
    with suppress(RuntimeError):
        Runner(model, template=LinearTemplate([UserTemplate("Hi"), first, second])).run(session)
    return session.trace


def test_of_a_trace_the_call_is_named_whose_answer_changed() -> None:
    lines = difference(trace("one", "two"), trace("one", "three"))

    assert lines[0].startswith("the model answered differently in linear/b; all that this snapshot shows")
    assert lines[1:] == ["message 5: [answer] linear/b · scripted", "  - [two]", "  + [three]"]


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("two", RuntimeError("x"), "a call failed in linear/b, and was answered before:"),
        (RuntimeError("x"), "two", "a call was answered in linear/b, and failed before:"),
        (RuntimeError("x"), RuntimeError("y"), "another error came in linear/b:"),
    ],
)
def test_of_a_trace_errors_are_told_from_answers(old: str | Exception, new: str | Exception, cause: str) -> None:
    assert difference(trace("one", old), trace("one", new))[0] == cause


def test_of_a_trace_it_is_told_that_a_model_was_chosen_in_another_way() -> None:
    lines = difference(trace("one", "two"), trace("one", "two", own=True))

    assert lines[0] == "the model was chosen in another way in linear/b:"


@pytest.mark.parametrize(
    ("prompts", "answer", "cause"),
    [
        (["Hi", "More"], "two", "the model answered differently in code outside of templates; all that"),
        (["Hi", "Less"], "one", "our prompt changed, in code outside of templates:"),
    ],
)
def test_of_a_trace_a_direct_call_has_its_cause_too(prompts: list[str], answer: str, cause: str) -> None:
    def direct(prompts: list[str], answer: str) -> Trace:
        session = Session(messages=[Message(role="system", content=prompt) for prompt in prompts])
        ScriptedModel(answer).send(session)
        return session.trace

    assert difference(direct(["Hi", "More"], "one"), direct(prompts, answer))[0].startswith(cause)


def test_of_a_trace_a_call_that_no_longer_goes_on_from_another_is_our_doing() -> None:
    def continued(*, goes_on: bool) -> Trace:
        model, whole = ScriptedModel("one", "two"), Trace()
        asked = message("user", "Hi", "talk/a")
        for messages in ([asked], [*([asked, message("assistant", "one", "talk/a")] * goes_on), asked]):
            session = Session(messages=messages)
            model.send(session)
            whole.calls.extend(replace(call, template_path="talk/answer") for call in session.trace.calls)
        return whole

    assert difference(continued(goes_on=True), continued(goes_on=False))[0] == "our prompt changed, in talk/answer:"


def test_long_differences_end_somewhere() -> None:
    old = [message("system", f"word {n}", "talk/rules") for n in range(500)]
    new = [message("system", f"term {n}", "talk/rules") for n in range(500)]

    assert len(difference(old, new)) < 50
