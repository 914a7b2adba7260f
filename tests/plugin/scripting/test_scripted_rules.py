"""Rules: what a scripted model says to chosen calls."""

from __future__ import annotations

import re

import pytest

from antiphon import (
    AssistantTemplate,
    Document,
    Image,
    LinearTemplate,
    LoopTemplate,
    Message,
    Runner,
    Session,
    SubroutineTemplate,
    UserTemplate,
)
from pytest_templates import ScriptedModel, UnscriptedCall, UnusedSteps

IGNORED = list[Exception]().append  # what a model without an answer says, where a test looks for it


def chat() -> LinearTemplate:
    turns = LoopTemplate(
        [UserTemplate("Where is my parcel?"), AssistantTemplate(template_id="answer")],
        template_id="turns",
        exit_loop_count=2,
    )
    sums = SubroutineTemplate(LinearTemplate([UserTemplate("Sum up."), AssistantTemplate()]), "sums")
    return LinearTemplate([turns, sums], template_id="support")


def said(model: ScriptedModel) -> list[str]:
    session = Runner(model, template=chat()).run()
    return [message.content for message in session.messages if message.role == "assistant"]


@pytest.mark.parametrize(
    "template",
    ["answer", "support/turns@*/answer", "**/answer", "ans*", re.compile("turns@[12]/"), "support/turns/answer"],
)
def test_a_rule_is_for_a_template_by_its_id_by_a_glob_of_its_path_or_by_a_regular_expression(template):
    model = ScriptedModel("the rest", complain=IGNORED).on(template=template).reply("a", "b")

    if template == "support/turns/answer":  # the template has an id: its path without iterations is not its name
        with pytest.raises(UnscriptedCall):
            said(model)
    else:
        assert said(model) == ["a", "b", "the rest"]


def test_a_rule_may_be_for_one_iteration_of_a_loop():
    model = ScriptedModel("first", "third").on(template="support/turns@2/*").reply("second")

    assert said(model) == ["first", "second", "third"]


@pytest.mark.parametrize("prompt", ["parcel", re.compile(r"PARCEL\?$", re.IGNORECASE)])
def test_a_rule_is_for_a_prompt(prompt):
    model = ScriptedModel("summed up").on(prompt=prompt).reply("It is on its way.", times=None)

    assert said(model) == ["It is on its way."] * 2 + ["summed up"]
    assert model.remaining == 0


def test_a_prompt_is_a_text_and_no_glob():
    session = Session(messages=[Message(role="user", content="a*b")])

    assert ScriptedModel(complain=IGNORED).on(prompt="a*b").reply("yes").send(session).content == "yes"
    with pytest.raises(UnscriptedCall):
        ScriptedModel(complain=IGNORED).on(prompt="a?b").reply("yes").send(session)


def test_a_rule_is_for_a_model():
    model = ScriptedModel("queue", name="small-1").on(model="large-*").reply("no").on(model="small-*").reply("yes")

    assert model.send(Session(messages=[Message(role="user", content="Hi")])).content == "yes"


def test_everything_that_a_rule_says_has_to_hold():
    model = ScriptedModel("queue", "queue").on(template="answer", prompt="Sum up").reply("never", times=None)
    model.on(template="answer", prompt="parcel").reply("both")

    assert said(model) == ["both", "queue", "queue"]


def test_rules_are_tried_in_the_order_they_were_written_before_the_steps_and_passed_over_when_they_are_used_up():
    model = ScriptedModel("step")
    model.on(template="answer").reply("first rule")
    model.on(prompt="parcel").reply("second rule", "never")

    assert said(model) == ["first rule", "second rule", "step"]
    assert model.remaining == 1


def test_replies_are_repeated_as_a_whole():
    session = Session(messages=[Message(role="user", content="Hi")])
    model = ScriptedModel(complain=IGNORED).on().reply("a", "b", times=2)

    assert [model.send(session).content for _ in range(4)] == ["a", "b", "a", "b"]
    with pytest.raises(UnscriptedCall):
        model.send(session)


def test_what_a_rule_still_holds_is_left_over_and_what_is_for_ever_is_not():
    model = ScriptedModel("one", name="small", complain=IGNORED).on(template="answer").reply("two", times=2)
    model.on(prompt=re.compile("x")).reply("always", times=None)

    assert model.remaining == 3
    with pytest.raises(UnusedSteps) as caught:
        model.assert_complete()

    assert str(caught.value).splitlines()[:4] == [
        "scripted_model 'small' was asked 0 times and still holds 3 of its steps:",
        "    on(template='answer'): 'two'",
        "    on(template='answer'): 'two'",
        "    1. 'one'",
    ]


def test_a_call_that_no_rule_is_for_says_what_the_script_still_holds():
    model = ScriptedModel(name="small", complain=IGNORED).on(template="classify").reply("billing")

    with pytest.raises(UnscriptedCall) as caught:
        said(model)

    asked = "scripted_model 'small' was asked by the template at 'support/turns@1/answer' and its script"
    *told, place = str(caught.value).splitlines()
    assert re.fullmatch(r"  the template was built at \S+test_scripted_rules\.py:\d+", place)
    assert told == [
        f"{asked} has nothing for that: it played 0 steps, and still holds",
        "    on(template='classify'): 'billing'",
        "  it was asked:",
        "    user: Where is my parcel?",
        "  add a step, or find out why the program asks once more:",
    ]


def test_a_call_without_an_answer_says_what_was_attached_even_where_its_file_is_gone(tmp_path):
    notes = tmp_path / "notes.pdf"
    notes.touch()
    attached = (Image.from_bytes(b"picture", "image/png"), Document.from_path(notes))
    notes.unlink()

    with pytest.raises(UnscriptedCall) as caught:
        ScriptedModel(complain=IGNORED).send(
            Session(messages=[Message(role="user", content="See:", attachments=attached)])
        )

    assert (
        "    user: See:\n"
        "    + <Image image/png, 7 bytes, sha256 2cea274d0bed>\n"
        f"    + <Document application/pdf, {notes}, cannot be read>\n"
    ) in str(caught.value)


@pytest.mark.parametrize(
    ("template", "hint"),
    [
        ("anwser", "'anwser' names other templates; did you mean 'answer'?"),
        (
            "turns@*/answer",
            "'turns@*/answer' names other templates; a path is named from the root of its tree on: did you ",
        ),
    ],
)
def test_a_rule_for_a_template_that_there_is_not_is_told_apart_from_one_too_few(template, hint):
    model = ScriptedModel(name="small", complain=IGNORED).on(template=template).reply("Sure.")

    with pytest.raises(UnscriptedCall) as caught:
        said(model)

    assert hint in str(caught.value)


def test_a_call_that_a_prompt_does_not_fit_is_told_apart_from_a_template_that_is_misspelt():
    model = ScriptedModel(name="small", complain=IGNORED).on(template="answer", prompt="parcel?").reply("On its way.")
    model.on(template="answer", prompt="money").reply("Paid.").on(template="sums", prompt="tax").reply("None.")
    model.on(template="answer", prompt=re.compile("^tax")).reply("None.", times=None)

    with pytest.raises(UnscriptedCall) as caught:
        said(model)  # the first reply is used, and what is asked again is not about money

    assert "  no reply that is left for it has a prompt found in what was asked: 'money', re.compile('^tax')\n" in str(
        caught.value
    )
    assert "names other templates" not in str(caught.value)


def test_a_rule_for_another_model_is_not_told_as_one_for_another_prompt():
    model = ScriptedModel(name="small", complain=IGNORED).on(template="answer", model="large", prompt="tax").reply("x")

    with pytest.raises(UnscriptedCall) as caught:
        said(model)

    assert "prompt found" not in str(caught.value)
    assert "names other templates" not in str(caught.value)


def test_rules_are_shared_by_forks():
    model = ScriptedModel().on(template="answer").reply("a", "b")
    fork = Runner(model).fork().model
    assert isinstance(fork, ScriptedModel)
    fork.on(template="**").reply("from the fork")

    assert said(model) == ["a", "b", "from the fork"]


@pytest.mark.parametrize(
    ("write", "error", "text"),
    [
        (lambda model: model.on(template=5), TypeError, "template takes a text or re.compile"),
        (lambda model: model.on(prompt=b"x"), TypeError, "prompt takes a text or re.compile"),
        (lambda model: model.on(model=["x"]), TypeError, "model takes a text or re.compile"),
        (
            lambda model: model.on(template="a").reply(),
            ValueError,
            r"on\(template='a'\) of .*: reply\(\) without a step",
        ),
        (lambda model: model.on(template="a").reply("x", times=0), ValueError, "with times=0"),
        (lambda model: model.on(template="a").reply("x", times="2"), TypeError, "times is a number"),
        (
            lambda model: model.on(template="a").reply("x", 5),
            TypeError,
            r"step 2 of on\(template='a'\) of scripted_model",
        ),
    ],
)
def test_what_makes_no_rule_is_refused_when_it_is_written(write, error, text):
    with pytest.raises(error, match=text):
        write(ScriptedModel())


def test_a_rule_that_is_left_fails_the_test_at_its_end(project):
    project.tests(
        """
        def test_it(scripted_model):
            scripted_model().on(template="answer").reply("never said")

        def test_for_ever(scripted_model):
            scripted_model().on(template="answer").reply("never said", times=None)
        """
    )

    result = project.run()

    result.assert_outcomes(passed=2, errors=1)
    project.says(result, "UnusedSteps: ", "on(template='answer'): 'never said'")


def test_a_rule_without_a_reply_is_left_over(project):
    project.tests(
        """
        def test_it(scripted_model):
            model = scripted_model("a")
            model.on(template="answer")
            model.on(template="answer", prompt="Hello").reply("b", times=None)
            ask(model)
            model.send(Session(messages=[Message(role="user", content="Hi.")]))
        """
    )

    result = project.run()

    result.assert_outcomes(passed=1, errors=1)
    project.says(result, "    on(template='answer'): nothing, it lacks its .reply(...)\n")
