"""--templates-markdown: a summary for a pull request, also where GitHub shows one by itself."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options

SECRET = "kX3f-Zq9-aB7w-Q2m5"
TESTS = """
    from decimal import Decimal

    def priced(text):
        return Reply(text, usage=Usage(input_tokens=1000, output_tokens=200, cost=Decimal("0.0125")))

    def test_passes(scripted_model):
        ask(scripted_model(priced("one"), name="large"))

    def test_fails(scripted_model):
        session = ask(scripted_model(priced("two"), name="small"))
        assert session.last.content == "three"

    def test_no_model():
        pass
"""
SUMMARY = """\
### Prompt templates: 1 failed, 2 of 3 tests passed

2 calls of 2 models, 2,400 tokens, \\$0.0250

| template | model | calls | tokens in | tokens out | cost | answers from |
| --- | --- | ---: | ---: | ---: | ---: | --- |
| answer | large | 1 | 1,000 | 200 | \\$0.0125 | script |
| answer | small | 1 | 1,000 | 200 | \\$0.0125 | script |

<details><summary><code>test_it.py::test_fails</code></summary>

```text
AssertionError: assert 'two' == 'three'
"""


def html(markdown: str) -> str:
    return cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)


def test_the_summary_tells_models_and_failures_with_what_was_said(project):
    project.tests(TESTS)

    result = project.run("--templates-markdown=deep/summary.md")

    path = project.path / "deep" / "summary.md"
    text = path.read_text("utf-8")
    assert text.startswith(SUMMARY)
    assert "[assistant] talk/answer · small\n│ two\n" in text
    project.says(result, f"templates: the summary in Markdown is in {path}")
    assert html(text).count("</details>") == 1


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_a_section_of_a_project_s_own_is_taken_for_no_conversation(project, workers):
    project.file(
        "conftest.py",
        """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport():
            report = yield
            report.sections.append(("conversation", "with a colleague"))
            return report
        """,
    )
    project.tests(
        """
        def test_fails(scripted_model):
            tree = LinearTemplate([UserTemplate("Hello"), AssistantTemplate()])
            assert Runner(scripted_model("two"), template=tree).run().last.content == "three"
        """
    )

    project.run("--templates-markdown=summary.md", "--templates-json=report.json", *workers)

    summary = (project.path / "summary.md").read_text("utf-8")
    assert "│ Hello\n" in summary
    assert "colleague" not in summary
    assert "all of it" not in summary
    failure = json.loads((project.path / "report.json").read_text("utf-8"))["tests"][0]["failure"]["text"]
    assert "with a colleague" in failure
    assert "│ Hello" not in failure


def test_workers_add_up(project):
    project.tests(TESTS)

    project.run("--templates-markdown=alone.md")
    project.run("--templates-markdown=together.md", "-n", "2")

    alone, together = (
        sorted((project.path / name).read_text("utf-8").splitlines()) for name in ("alone.md", "together.md")
    )
    assert together == alone


def test_github_shows_it_without_an_option_and_behind_what_is_there(project, monkeypatch):
    step = project.file("step.md", "# Build\n\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    project.tests(TESTS)

    project.run()
    project.run("-n", "1", "-k", "passes")

    text = step.read_text("utf-8")
    assert text.startswith(f"# Build\n\n{SUMMARY}")
    assert re.findall("^#.*", text, re.MULTILINE)[1:] == [
        "### Prompt templates: 1 failed, 2 of 3 tests passed",
        "### Prompt templates: 1 of 1 test passed",
    ]


def test_a_run_that_calls_no_model_writes_where_an_option_says_so_alone(project, monkeypatch):
    step = project.path / "step.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    project.tests("def test_it():\n    pass\n")

    project.run()
    project.run("--collect-only", "--templates-markdown=other.md")
    project.run("--templates-markdown=summary.md")

    assert not step.exists()
    assert not (project.path / "other.md").exists()
    assert "no model was called" in (project.path / "summary.md").read_text("utf-8")


def test_the_option_may_name_the_file_of_github_which_others_write_to(project, monkeypatch):
    step = project.file("step.md", "# Build\n\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    project.tests(TESTS)

    project.run(f"--templates-markdown={step}")

    assert step.read_text("utf-8").startswith("# Build\n\n### Prompt")


def test_a_file_does_not_take_the_place_of_what_github_shows(project, monkeypatch):
    step = project.path / "step.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    project.tests(TESTS)

    result = project.run("--templates-markdown=s.md")

    assert step.read_text("utf-8") == (project.path / "s.md").read_text("utf-8")
    for path in (step, project.path / "s.md"):
        project.says(result, f"templates: the summary in Markdown is in {path}")


def test_rules_beside_an_earlier_run_have_their_verdict(project):
    project.tests(TESTS)
    project.run("--templates-json=main.json")
    project.tests(TESTS.replace("1000", "2000"))

    project.run("--templates-baseline=main.json", "--templates-fail-on=tokens>+10%,models", "--templates-markdown=s.md")

    text = (project.path / "s.md").read_text("utf-8")
    why = "✗ 4,400 after 2,400, at most 2,640"
    assert f"| tokens\\>+10% | 2,400 | 4,400 | {why} |\n| models |  |  | holds |" in text


def test_samples_have_their_rates(project):
    project.tests(
        TESTS.replace("    def test_passes", "    @pytest.mark.llm_samples(4, pass_rate=0.5)\n    def test_passes")
    )

    project.run("--templates-markdown=s.md")

    assert "| test\\_it.py::test\\_passes | 4 | 4 | 50% | 51% to 100% |" in (project.path / "s.md").read_text("utf-8")


HOSTILE = "</code></details>|x|`y`<img src=x>@octocat **b**"


def test_nothing_that_tests_or_models_say_is_markup(project, monkeypatch):
    monkeypatch.setenv("SITE_KEY", SECRET)
    project.tests(
        f"""
        import os

        HOSTILE = {HOSTILE!r}

        @pytest.mark.parametrize("text", ["a|b`c<i>"])
        def test_it(scripted_model, text):
            ask(scripted_model("```\\n" + HOSTILE + os.environ["SITE_KEY"], name=HOSTILE))
            assert HOSTILE == "```\\n</details>" + os.environ["SITE_KEY"]
        """
    )

    project.run("--templates-markdown=s.md")

    text = (project.path / "s.md").read_text("utf-8")
    page = html(text)
    assert SECRET not in text
    assert {*re.findall(r"<(\w+)", page)} == {
        *("h3", "p", "span", "table", "thead", "tbody", "tr", "th", "td"),
        *("details", "summary", "code", "pre"),
    }
    assert page.endswith("</code></pre>\n</details>\n")
    assert "@octocat" not in re.sub(r"<pre.*?</pre>", "", page, flags=re.DOTALL)


def test_what_github_would_refuse_as_too_long_is_left_out_and_counted(project, monkeypatch):
    step = project.file("step.md", "x" * (1024 * 1024 - 9_000))
    project.tests(
        """
        @pytest.mark.parametrize("number", range(40))
        def test_it(scripted_model, number):
            ask(scripted_model("ä" * 700))
            assert False
        """
    )

    project.run("--templates-markdown=comment.md", "--tb=no")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    project.run("--tb=no")

    comment = (project.path / "comment.md").read_bytes()
    assert len(comment) <= 65_536
    assert step.stat().st_size <= 1024 * 1024
    shown = step.read_text("utf-8").count("<details>")
    assert 0 < shown < 40
    assert f"… and {40 - shown} more failures: GitHub takes no longer text" in step.read_text("utf-8")
    assert html(comment.decode()).count("<details>") == html(comment.decode()).count("</details>")

    step.write_text("x" * (1024 * 1024 - 10), encoding="utf-8")
    project.run("--tb=no")
    assert step.stat().st_size <= 1024 * 1024


@pytest.mark.parametrize("given", ["folder", "", "file/run.md"])
def test_a_place_where_nothing_can_be_written_is_refused_before_the_tests_run(project, given):
    project.tests("def test_it():\n    print('it ran')\n")
    (project.path / "folder").mkdir()
    project.file("file", "")

    result = project.run("-s", f"--templates-markdown={given}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--templates-markdown={project.path / given} cannot be written: *"])
    assert "it ran" not in str(result.stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="there a folder is refused in another way")
def test_a_file_of_github_that_cannot_be_written_is_told_and_fails_nothing(project, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(Path(project.path)))
    project.tests(TESTS)

    result = project.run("-k", "passes")

    assert result.ret == pytest.ExitCode.OK
    project.says(result, f"templates: {project.path} could not be written: Is a directory")


def test_a_failure_that_is_too_long_hides_no_other(project):
    project.tests("def test_long():\n    assert 0, 'x' * 100_000\n\ndef test_short():\n    assert 0, 'brief'\n")

    project.run("--templates-markdown=summary.md")

    said = (project.path / "summary.md").read_text("utf-8")
    assert "brief" in said
    assert "… and 1 more failure: GitHub takes no longer text" in said
