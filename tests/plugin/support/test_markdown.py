"""Markdown in which nothing that others wrote is markup: held to what GitHub's own parser makes of it."""

from __future__ import annotations

import html
import re

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options

from pytest_templates.support.markdown import block, details, lines, literal, markdown_table
from pytest_templates.support.text import visible, visible_lines

HOSTILE = {
    "a bar": "a|b",
    "a backslash and a bar": "a\\|b\\",
    "a tag": "<img src=x onerror=alert(1)>",
    "the end of what is around it": "</code></details>| x |",
    "a comment": "<!-- x",
    "an entity": "&lt;b&gt; &amp;",
    "a mention": "@octocat",
    "an address of mail": "someone@host.test",
    "an issue": "#12, GH-12 and owner/repo#1",
    "an address": "https://host.test/x",
    "an address without a scheme": "WWW.host.test",
    "a link": "[text](javascript:alert(1))",
    "a picture": "![text](https://host.test/x.png)",
    "backticks": "`a` ``b``` ````",
    "emphasis": "**b** _i_ ~~s~~ __c__",
    "mathematics": "$x$ and $$y$$",
    "a command to GitHub": "::error file=x::y",
    "a list": "- a",
    "a numbered list": "1. a",
    "another list": "+ a",
    "a heading": "# a",
    "a heading below": "===",
    "a rule": "---",
    "a quotation": "> a",
    "a fence": "```\n@octocat <b>x</b>\n````",
    "several lines": "a\n- b\n::error::c\n# d\n| e |",
    "a table": "| a |\n| --- |\n| b |",
    "a terminal's commands": "\x1b[31mred\x1b[0m",
    "writing to the left": "\u202egnp.exe",
}
each_hostile_text = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
OURS = {"p", "br", "span", "code", "table", "thead", "tbody", "tr", "th", "td"}


def shown(markdown: str) -> str:
    """What GitHub shows as text; fails where there is a tag that is none of ours, or what becomes a link."""
    page = cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)
    assert {*re.findall(r"<(\w+)", page)} <= OURS
    alone = re.split(r"<[^>]*>", page)
    assert not [text for text in alone if re.search(r"@\w|#\d|://\w|www\.\w|GH-\d", text, re.IGNORECASE)]
    return html.unescape(_text(page))


def _text(page: str) -> str:
    return re.sub(r"</?\w[^>]*>", "", page.replace("<br />\n", "\n"))


@each_hostile_text
def test_a_cell_says_what_it_is(text):
    table = markdown_table(("name", "calls"), [(text, "1"), ("other", "2")], numbers={"calls"})

    assert table.splitlines()[1] == "| --- | ---: |"
    shown(table)
    page = cmarkgfm.github_flavored_markdown_to_html(table, Options.CMARK_OPT_UNSAFE)
    cells = re.findall(r"<td.*?>(.*?)</td>", page, re.DOTALL)
    assert [html.unescape(_text(cell)) for cell in cells] == [visible(text).strip(), "1", "other", "2"]


@each_hostile_text
def test_lines_stay_lines_and_say_what_they_are(text):
    written = lines(f"first\n{text}")

    assert shown(written).strip() == visible_lines(f"first\n{text}")
    assert not re.search(r"^\s*::", written, re.MULTILINE)


@each_hostile_text
def test_what_is_folded_and_blocks_end_where_they_end(text):
    written = f"{details(text, block(text))}\n\nThe end"

    page = cmarkgfm.github_flavored_markdown_to_html(written, Options.CMARK_OPT_UNSAFE)

    assert page.count("<pre") == 1
    assert page.endswith("</pre>\n</details>\n<p>The end</p>\n")
    [preformatted] = re.findall(r"<pre[^>]*><code>(.*)</code></pre>", page, re.DOTALL)
    assert html.unescape(preformatted) == f"{visible_lines(text)}\n"
    [summary] = re.findall(r"<summary>(.*)</summary>", page, re.DOTALL)
    assert html.unescape(_text(summary)) == visible(text)


def test_ordinary_names_stay_as_they_are():
    assert literal("support/turns/answer") == "support/turns/answer"
    assert literal("openai:gpt-4o-mini") == "openai:gpt-4o-mini"
