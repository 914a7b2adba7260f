"""The published schema of reports is what is written."""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from pytest_templates.redaction.policy import COMMON_VALUES
from pytest_templates.reporting.schema import schema

PUBLISHED = Path(__file__).parents[3] / "docs" / "report.schema.json"

TESTS = """
from decimal import Decimal
from pytest_templates import faults

def look(key: str) -> str:
    "Look."
    raise KeyError(key)

picture = Image.from_bytes(b"picture", "image/png")

def test_tools(scripted_model):
    usage = Usage(input_tokens=1, output_tokens=2, cost=Decimal("0.00000012"))
    answer = Reply("Found.", usage=usage, thinking="Hm.", finish_reason="stop", served_by="small-2")
    tree = LinearTemplate([UserTemplate("Hello.", attachments=[picture]), ToolingTemplate([look])])
    Runner(scripted_model(CallTool("look", key="x"), answer), template=tree).run()

def test_fails(scripted_model, llm_faults):
    llm_faults.at("answer", faults.timeout())
    ask(scripted_model())

def test_meddles(scripted_model):
    notes = []
    research(scripted_model("one"), lambda child: notes.append("x") or child, {"notes": notes})

@pytest.mark.llm_samples(2, pass_rate=0.5)
def test_samples(scripted_model, llm_trace):
    ask(scripted_model("yes"))
    assert llm_trace.samples
"""


def test_the_published_schema_is_that_of_today():
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == schema()


def test_what_is_written_is_as_the_schema_says(project, report_of):
    project.tests(TESTS)
    project.run("--templates-lock=update")

    report = report_of("--templates-coverage", "--templates-lock=check", "-n1")

    assert [error.message for error in Draft202012Validator(schema()).iter_errors(report)] == []
    kinds = {step["type"] for test in report["tests"] for step in test["steps"]}
    assert kinds == {"template", "message", "call", "tool", "sample"}
    assert [call["fault"] for test in report["tests"] for call in test["calls"] if call["fault"]] == ["timeout()"]
    assert report["coverage"]
    assert report["stale"] == []
    assert report["pictures"]


def test_what_is_not_a_report_is_refused_by_the_schema(project, report_of):
    project.tests("def test_it(scripted_model):\n    ask(scripted_model('yes'))\n")
    report = report_of()

    report["tests"][0]["steps"][0]["type"] = "shout"

    assert not Draft202012Validator(schema()).is_valid(report)


def test_every_field_is_described_and_those_that_are_younger_are_not_required():
    made = schema()

    for name, part in {"Report": made, **made["$defs"]}.items():
        fields = part.get("properties", {})
        assert [field for field, said in fields.items() if "description" not in said] == [], name
    assert made["$defs"]["Test"]["required"] == ["nodeid", "outcome", "source", "calls", "isolation"]
    assert made["required"] == ["version", "totals", "seconds", "tests"]


def test_no_word_of_the_format_counts_as_a_secret():
    words: set[str] = set()
    waiting: list[object] = [schema()]
    while waiting:
        match waiting.pop():
            case dict() as part:
                words |= {*part.get("properties", ()), *part.get("enum", ()), part.get("const", "")}
                waiting += part.values()
            case list() as parts:
                waiting += parts

    assert "template" in words
    assert {word for word in words if isinstance(word, str) and len(word) >= 8} - COMMON_VALUES == set()
