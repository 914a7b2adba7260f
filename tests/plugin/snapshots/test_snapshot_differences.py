"""What is said about a snapshot that changed."""

from __future__ import annotations

from antiphon import AssistantTemplate, LinearTemplate, Message, Role, Runner, UserTemplate
from pytest_templates import ScriptedModel
from pytest_templates.snapshots.conversation import snapshot_text
from pytest_templates.snapshots.difference import conversation_difference


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


def test_of_a_trace_the_call_is_named_whose_answer_changed() -> None:
    def trace(*answers: str) -> object:
        program = LinearTemplate(
            [UserTemplate("Hi"), AssistantTemplate(template_id="a"), AssistantTemplate(template_id="b")]
        )
        return Runner(ScriptedModel(*answers), template=program).run().trace

    lines = difference(trace("one", "two"), trace("one", "three"))

    assert lines[0].startswith("the model answered differently in linear/b; all that this snapshot shows")
    assert lines[1:] == ["message 5: [answer] linear/b · scripted", "  - [two]", "  + [three]"]


def test_long_differences_end_somewhere() -> None:
    old = [message("system", f"word {n}", "talk/rules") for n in range(500)]
    new = [message("system", f"term {n}", "talk/rules") for n in range(500)]

    assert len(difference(old, new)) < 50
