"""Take the picture of a summary that docs/ci.md shows: GitHub's own parser makes the page, Chromium draws it.

    python tools/picture_of_summary.py

The style sheet is ours: GitHub's is not public as a package.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import cmarkgfm
from cmarkgfm.cmark import Options

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "pictures" / "pull-request.png"
STYLE = """
body { font: 14px/1.5 "Liberation Sans", "DejaVu Sans", sans-serif; color: #1f2328; margin: 24px; width: 812px }
h3 { font-size: 18px; margin: 0 0 12px }
table { border-collapse: collapse; margin-bottom: 16px }
th, td { border: 1px solid #d1d9e0; padding: 6px 13px }
tr:nth-child(even) td { background: #f6f8fa }
code, pre { font: 12px "Liberation Mono", "DejaVu Sans Mono", monospace; background: #f0f1f3; border-radius: 6px }
code { padding: 3px 5px }
pre { padding: 14px; overflow: hidden }
pre code { padding: 0 }
"""
TESTS = """
from decimal import Decimal

import pytest

from antiphon import AssistantTemplate, LinearTemplate, Reply, Runner, SystemTemplate, Usage, UserTemplate


def desk(model, question):
    tree = LinearTemplate(
        [
            SystemTemplate("You are the help desk of a shop. Answer in one sentence."),
            UserTemplate(question),
            AssistantTemplate(template_id="answer"),
        ],
        template_id="desk",
    )
    return Runner(model, template=tree).run().last.content


def priced(text, tokens):
    return Reply(text, usage=Usage(input_tokens=tokens, output_tokens=24, cost=Decimal(tokens) / 1_000_000))


@pytest.mark.parametrize("question", ["Do you ship to Norway?", "When do you open?"])
def test_questions_are_answered(scripted_model, question):
    assert desk(scripted_model(priced("Yes, every day.", {tokens}), name="openai:gpt-4o"), question)


@pytest.mark.llm_samples(10, pass_rate=0.8)
def test_no_answer_promises_a_date(scripted_model, llm_trace):
    late = len(llm_trace.samples) == 6
    answer = priced("By Friday." if late else "As soon as it can.", {tokens})
    assert "Friday" not in desk(scripted_model(answer, name="openai:gpt-4o-mini"), "When does it come?")


def test_shoes_go_back_within_30_days(scripted_model):
    answer = desk(scripted_model(priced("{answer}", {tokens}), name="openai:gpt-4o"), "Can I return shoes?")

    assert answer == "Yes, within 30 days."
"""


def run(folder: Path, tokens: int, answer: str, *options: str) -> None:
    """Run the tests of an invented project; their outcome does not matter."""
    text = TESTS.replace("{tokens}", str(tokens)).replace("{answer}", answer)
    (folder / "test_desk.py").write_text(text, encoding="utf-8")
    subprocess.run([sys.executable, "-m", "pytest", "-q", *options], cwd=folder, check=False)


def main() -> None:
    """Take it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        run(folder, 310, "Yes, within 30 days.", "--templates-json=main.json")
        rules = "--templates-fail-on=cost>+10%,tokens>+20%,models,pass_rate<-5%"
        run(folder, 420, "Yes, any time.", "--templates-baseline=main.json", rules, "--templates-markdown=summary.md")
        markdown = (folder / "summary.md").read_text(encoding="utf-8").replace("<details>", "<details open>")
        page = cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)
        text = f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{page}"
        (folder / "page.html").write_text(text, encoding="utf-8")
        browser = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=860,860"]
        subprocess.run([*browser, f"--screenshot={PICTURE}", f"file://{folder}/page.html"], check=True)


if __name__ == "__main__":
    main()
