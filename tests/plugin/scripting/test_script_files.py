"""Script files: what models say, by template, in YAML."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from types import FunctionType

import pytest

import pytest_templates
from antiphon import AssistantTemplate, Document, Image, LinearTemplate, Runner, Usage, UserTemplate
from antiphon.errors import ModelTimeout, RateLimitError
from pytest_templates import faults
from pytest_templates.scripting.files import schema

TESTS = """
    @pytest.mark.llm_script("refund.yaml")
    def test_it(scripted_model):
        ask(scripted_model())
"""


@pytest.fixture
def refused(project):
    """What is said of a script file that is none."""

    def refused(text: str) -> str:
        project.file("fixtures/refund.yaml", text)
        project.tests(TESTS)
        result = project.run()
        result.assert_outcomes(errors=1)
        return str(result.stdout)

    return refused


@pytest.mark.llm_script("scripts/every-kind.yaml")
def test_every_kind_of_reply(scripted_model, fixtures_dir):
    model = scripted_model()
    tree = LinearTemplate([UserTemplate("Hello."), AssistantTemplate(template_id="answer")])
    runner = Runner(model, template=tree)

    said = [runner.run().last for _ in range(9)]
    texts = ["plain", "two\nlines\n", "Here is your label.", "Hello", '{"city": "Oslo", "days": [1, 2]}']
    assert [one.content for one in said] == [*texts, "", "", "Let me look.", "One moment."]
    assert [[(call.id, call.name, call.arguments) for call in one.tool_calls] for one in said[5:]] == [
        [("call_6", "find", {"number": 1815})],
        [("call_7_1", "zoom", {"by": 2}), ("call_7_2", "zoom", {})],
        [("call_8_1", "find", {"number": 1}), ("call_8_2", "zoom", {})],
        [("call_9", "zoom", {})],
    ]
    assert [call.reply.usage for call in model.calls[5:8]] == [None, None, Usage(output_tokens=9)]
    assert said[7].finish_reason == "tool_call"
    reply = model.calls[1].reply
    assert reply.usage == Usage(input_tokens=12, output_tokens=3, cost=Decimal("0.25"))
    assert (reply.served_by, reply.finish_reason) == ("big-2", "stop")
    assert (said[1].thinking, said[1].refusal) == ("Two lines will do.", "I would rather not.")
    label, terms = said[2].attachments
    assert label == Image.from_path(fixtures_dir / "scripts/label.png")
    assert terms == Document.from_url("https://example.org/terms", "application/pdf")
    with pytest.raises(RateLimitError) as caught:
        runner.run()
    assert caught.value.retry_after == 2
    with pytest.raises(ModelTimeout):
        runner.run()


def test_what_is_left_of_the_file_fails_the_test_and_so_does_a_call_too_many(project):
    project.file("fixtures/refund.yaml", "classify: billing\nanswer: [Sure., Bye.]\n")
    project.tests(
        """
        @pytest.mark.llm_script("refund.yaml")
        def test_left(scripted_model):
            assert ask(scripted_model()).last.content == "Sure."

        @pytest.mark.llm_script("refund.yaml")
        def test_too_many(scripted_model):
            model = scripted_model(name="small")
            for _ in range(3):
                swallow(ask, model)
        """
    )

    result = project.run()

    result.assert_outcomes(passed=1, errors=1, failed=1)
    project.says(
        result,
        "UnusedSteps: the script refund.yaml was asked 1 time and still holds 2 of its steps:",
        "    line 1: on(template='classify'): 'billing'",
        "    line 2: on(template='answer'): 'Bye.'",
        "  take out the steps that are too many, or find out why the program asked less often, or allow it by "
        "allow_unused: true beside its replies, or by llm_script(..., allow_unused=True)\n",
    )
    project.says(
        result,
        "UnscriptedCall: scripted_model 'small' was asked by the template at 'talk/answer' and the script refund.yaml",
        "has nothing for that: it played 2 steps, and still holds",
        "add a reply to that file, or find out why the program asks once more",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("classify: 'billing", "refund.yaml:1: the script is no YAML"),
        ("", "refund.yaml:1: the script is a mapping from the ids or paths of templates"),
        ("- billing\n", "refund.yaml:1: the script is a mapping from the ids or paths of templates"),
        (
            "a: x\nclassify: yes\n",
            "refund.yaml:2: the entry 'classify': a reply is a text, or a mapping with one of reply",
        ),
        ("a: x\nclassify: 42\n", "not 42; put it in quotes"),
        ("classify: []\n", "refund.yaml:1: the entry 'classify': names a template, and what the model says"),
        ("classify:\n- x\n- {say: y}\n", "refund.yaml:3: the entry 'classify': a reply is"),
        (
            "classify:\n- reply: x\n  output_token: 5\n",
            "refusal, attachments beside it; did you mean 'output_tokens'?",
        ),
        (
            "classify:\n- reply: x\n  input_tokens: -5\n",
            "refund.yaml:3: the entry 'classify': input_tokens: input should be greater than or equal to 0, not -5",
        ),
        (
            "classify:\n- reply: x\n  attachments:\n  - image: cat.png\n",
            "refund.yaml:4: the entry 'classify': attachments.0: image.from_path: there is no file",
        ),
        (
            "classify: {reply: x, attachments: [{image: 'https://a.test/a.pdf'}]}\n",
            "image takes no application/pdf: that is a Document",
        ),
        (f"classify: {{reply: x, attachments: [{{image: {'x' * 300}.png}}]}}\n", "there is no file"),
        ("classify: {reply: x, attachments: [{media_type: image/png}]}\n", "one of image, audio and document stands"),
        ("classify: {fail: rate_limitted}\n", "wrong_tool; did you mean 'rate_limited'?"),
        (
            "classify: {fail: wrong_tool}\n",
            "refund.yaml:1: the entry 'classify': a step with fail: wrong_tool needs name",
        ),
        ("classify: {fail: empty, after: 2}\n", "after is not known: a step with fail: empty takes nothing beside it"),
        (
            "classify: {fail: rate_limited, after: 2}\n",
            "refund.yaml:1: the entry 'classify': after is not known: a step with fail: rate_limited takes retry_after",
        ),
        (
            "classify: {fail: server_error, status: 404}\n",
            "status: input should be greater than or equal to 500, not 404",
        ),
        (
            "a: x\nb: y\na: z\n",
            "refund.yaml:3: the script is no YAML: the key 'a' stands twice in one mapping, first in line 1",
        ),
    ],
)
def test_a_file_that_is_no_script_is_refused_with_its_line(text, said, refused):
    assert said in refused(text)


def test_a_file_that_is_not_there_is_refused_and_the_others_are_named(project):
    project.file("fixtures/refunds.yaml", "answer: Sure.\n")
    project.tests(TESTS)

    result = project.run()

    result.assert_outcomes(errors=1)
    project.says(result, "ScriptError: ", "refund.yaml: there is no such script; there is refunds.yaml")


def test_a_file_that_is_looked_for_in_a_wrong_folder_is_refused_and_the_right_one_is_named(project):
    project.file("fixtures/scripts/refund.yaml", "answer: Sure.\n")
    project.tests(TESTS)
    project.tests(TESTS.replace("refund", "fixtures/scripts/refund"), "test_whole_path.py")

    result = project.run()

    result.assert_outcomes(errors=2)
    project.says(result, "fixtures/refund.yaml: there is no such script; did you mean 'scripts/refund.yaml'?")
    project.says(result, "fixtures/fixtures/scripts/refund.yaml: there is no such script; did you mean 'scripts/ref")


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(project):
    (project.path / "fixtures").mkdir()
    (project.path / "fixtures/refund.yaml").write_bytes(b"a: x\nclassify: gr\xfc\xdfe\n")
    project.tests(TESTS)

    project.says(project.run(), "refund.yaml:2: the script is not UTF-8")


def test_the_published_schema_is_the_one_that_files_are_checked_by():
    published = Path(pytest_templates.__file__).with_name("script.schema.json")

    assert json.loads(published.read_text(encoding="utf-8")) == schema()


def test_a_file_can_hold_every_fault_that_there_is():
    functions = [made for made in vars(faults).values() if isinstance(made, FunctionType)]
    there_are = {made.__name__ for made in functions if made.__annotations__.get("return") == "Fault"}
    steps = [step.get("properties", {}) for step in schema()["$defs"].values()]
    known = {name for step in steps if "fail" in step for name in step["fail"].get("enum", [step["fail"].get("const")])}

    assert known == there_are
