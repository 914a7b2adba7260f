"""Script files: how often the replies of an entry are played, in which order, and whether they may be left."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon import AssistantTemplate, LinearTemplate, Model, Runner, UserTemplate
from pytest_templates import ScriptedModel
from pytest_templates.errors import ScriptError, UnscriptedCall, UnusedSteps
from pytest_templates.scripting.files import load_script


def said(model: Model, template_id: str, *questions: str) -> list[str]:
    trees = [
        LinearTemplate([UserTemplate(question), AssistantTemplate(template_id=template_id)]) for question in questions
    ]
    return [Runner(model, template=tree).run().last.content for tree in trees]


@pytest.mark.llm_script("scripts/playing.yaml")
def test_replies_are_played_as_the_entry_says(scripted_model):
    model = scripted_model()

    assert said(model, "sort", *"abcd") == ["billing", "delivery"] * 2
    assert said(model, "answer", "My money?", "What?", "My parcel?") == [
        *("It is paid.", "I do not know.", "It is on its way.")
    ]
    assert said(model, "summary", *"abc") == ["In short."] * 3


@pytest.mark.llm_script("scripts/playing.yaml", allow_unused=True)
def test_what_is_over_is_over(scripted_model):
    model = scripted_model()
    said(model, "sort", *"abcd")
    said(model, "answer", "My money?")

    with pytest.raises(UnscriptedCall, match="has nothing for that: it played 5 steps") as caught:
        said(model, "sort", "e")
    assert "on(template='answer', prompt='parcel'): 'It is on its way.'" in str(caught.value)
    assert "Sorry." not in str(caught.value)


def played(tmp_path: Path, text: str) -> ScriptedModel:
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return ScriptedModel(script=load_script(path), complain=list[Exception]().append)


def test_what_is_left_is_told_with_its_line_and_with_the_template_that_is_probably_meant(tmp_path):
    text = """\
answer: Hi.
anwser:
- On its way.
- reply: Here
  call_tool: find
other: {times: 2, replies: Bye.}
sub/answer:
  any_order: true
  replies:
  - {reply: x, prompt: y}
"""
    model = played(tmp_path, text)
    said(model, "answer", "a")

    with pytest.raises(UnusedSteps) as caught:
        model.assert_complete()

    *told, remedy = str(caught.value).splitlines()[1:]
    assert told == [
        "    line 3: on(template='anwser'): 'On its way.'",
        "    line 4: on(template='anwser'): 'Here' with calls of find",
        "    line 6: on(template='other'): 'Bye.'",
        "    line 6: on(template='other'): 'Bye.'",
        "    line 10: on(template='sub/answer', prompt='y'): 'x'",
        "  no call came from 'anwser'; did you mean 'answer'?",
        "  no call came from 'other'",
        "  no call came from 'sub/answer'; did you mean 'answer'?",
    ]
    assert remedy.endswith(
        "or allow it by allow_unused: true beside its replies, or by llm_script(..., allow_unused=True)"
    )


def test_an_entry_that_names_the_path_comes_before_one_that_names_the_id_and_both_before_globs(tmp_path):
    model = played(tmp_path, "'**': all\n'*/answer': any\nanswer: [by id, by id again]\nlinear/answer: by path\n")
    model.on(template="linear/answer").reply("rule")

    assert said(model, "answer", *"abcdef") == ["rule", "by path", "by id", "by id again", "all", "any"]


def test_in_any_order_a_reply_with_a_prompt_comes_before_one_without(tmp_path):
    text = """\
answer:
  any_order: true
  replies:
  - Who knows?
  - {prompt: parcel, reply: On its way.}
  - Nobody.
  - {prompt: my, reply: Yours.}
"""
    questions = ["my parcel", "my parcel", "my parcel", "What?"]

    assert said(played(tmp_path, text), "answer", *questions) == ["On its way.", "Yours.", "Who knows?", "Nobody."]


def test_where_nothing_was_asked_no_template_is_told_to_be_misspelt(tmp_path):
    assert "no call came" not in played(tmp_path, "answer: Hi.\n").unused


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("yes: billing\n", "1: the entry 'yes': YAML reads yes as true, which is no text: put the name in quotes"),
        ("a: x\noff: billing\n", "2: the entry 'off': YAML reads off as false"),
        ("a: x\n5: billing\n", "2: the entry '5': YAML reads 5 as 5"),
        ("a: yes\n", "1: the entry 'a': a reply is a text.*, not true; put it in quotes; YAML reads yes as true$"),
        ("a: true\n", "1: the entry 'a': a reply is a text.*, not true; put it in quotes$"),
        ("a:\n- x\n- {reply: On}\n", "3: the entry 'a': reply: .* not true; put it in quotes; YAML reads On as true"),
        ("a:\n  replies: x\n  times: 0\n", "3: the entry 'a': beside replies stand times"),
        ("a:\n  replies: x\n  times: always\n", "3: the entry 'a': beside replies stand times"),
        ("a:\n  replies: x\n  anyorder: true\n", "3: the entry .* not anyorder; did you mean 'any_order'"),
        ("a:\n  replies: x\n  allow_unused: 1\n", "3: the entry .* allow_unused .true or false., not allow_unused"),
        ("a: {reply: x, times: 2}\n", r"1: .*: times is said of an entry, beside replies: {replies: \[...\], times: "),
        ("a:\n- {fail: empty, allow_unused: true}\n", "2: .*: allow_unused is said of .*, not of a step with fail: em"),
        ("a: x\nallow_unused: true\n", r"2: .* is said of an entry, .*: true}; for .* llm_script\(..., allow_unused=T"),
        ("a: x\ntimes: 2\n", r"2: the entry 'times': is said of an entry, .* times: 2}$"),
        ("a: {replys: [x]}\n", "1: .*; did you mean 'replies'"),
        ("a: {replay: x}\n", "1: .*; did you mean 'reply'"),
        ("a:\n- replies: x\n", "2: .*: replies stands directly below the name of the template, not in a list"),
        (
            "a: {reply: x, finish_reason: lenght}\n",
            "1: .*'tool_call', 'content_filter' .*\"lenght\"; did you mean 'length'",
        ),
        (
            "a: {reply: x, attachments: [{picture: y}]}\n",
            "1: .*: attachments.0: picture is not known among image, audio, document, media_type",
        ),
        ("a: {call_tool: [b, c]}\n", r"1: .*; several tools of one answer stand in call_tools: \[{call_tool: NAME"),
        ("a:\n  call_tools:\n  - b\n", '3: .*: call_tools.0: a call is {call_tool: NAME, .*, not "b"'),
        (
            "a: {call_tools: [{call_tool: b, argument: {}}]}\n",
            "1: .*: argument is not known .* did you mean 'arguments'",
        ),
        ("a: {call_tools: []}\n", "1: the entry 'a': call_tools: at least one stands there"),
        ("a: {stream: [b], call_tool: c}\n", "1: .*: call_tool is not known: a step with stream takes nothing beside"),
        ("a: {call_tool: b, arguments: {c: .inf}}\n", "1: the entry 'a': arguments.*finite number, not Infinity"),
        ("a:\n  replies: []\n", "2: the entry 'a': .*at least one reply"),
        ("a:\n  replies:\n  - x\n  - {say: y}\n", "4: the entry 'a': a reply is a text"),
        ("a:\n- x\n- {reply: y, prompt: z}\n", "3: the entry 'a': prompt stands in .* any_order: true"),
        ("a:\n  replies:\n  - {reply: y, prompt: z}\n", "3: the entry 'a': prompt stands in .* any_order: true"),
        ("a: {reply: y, prompt: z}\n", "1: the entry 'a': prompt stands in .* any_order: true"),
    ],
)
def test_an_entry_that_says_it_wrongly_is_refused_with_its_line(tmp_path, text, complaint):
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ScriptError, match=rf"x\.yaml:{complaint}"):
        load_script(path)
