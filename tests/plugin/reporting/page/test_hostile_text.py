"""Whatever a message, a name or an error says: it is text, all of it is seen, and nothing of it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from antiphon.printing import visible
from pytest_templates.reporting.document import Report
from pytest_templates.reporting.page.writing import write_comparison, write_page

RUN = "window.ran=(window.ran||0)+1;alert(1);fetch('https://evil.test/')"
PAYLOADS = (
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f"<!--<script>{RUN}</script>-->",
    f"<!--<script>\n</script><script>{RUN}</script>",
    f"]]><script>{RUN}</script>",
    f"</style><script>{RUN}</script>",
    f"</title><script>{RUN}</script>",
    f"</textarea></noscript></template><script>{RUN}</script>",
    f'<img src=x onerror="{RUN}">',
    f'"><img src=x onerror="{RUN}">',
    f'\'><svg/onload="{RUN}">',
    f'<svg><script href="data:,{RUN}"></script></svg>',
    f'<svg><animate onbegin="{RUN}" attributeName=x></svg>',
    f'<math><mtext><table><mglyph><style><img src=x onerror="{RUN}">',
    f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe>',
    f'<iframe src="javascript:{RUN}"></iframe>',
    f'<object data="data:text/html,<script>{RUN}</script>"></object>',
    f'<embed src="javascript:{RUN}">',
    f'<a href="javascript:{RUN}" id=x tabindex=1 autofocus onfocus="{RUN}">click</a>',
    f'<details open ontoggle="{RUN}">x</details>',
    f'<video><source onerror="{RUN}"></video>',
    f'<body onload="{RUN}" onhashchange="{RUN}">',
    f'<input autofocus onfocus="{RUN}">',
    '<link rel=stylesheet href="https://evil.test/x.css">',
    '<style>@import "https://evil.test/x.css"; * { display: none !important }</style>',
    '<meta http-equiv="refresh" content="0;url=https://evil.test/">',
    '<base href="https://evil.test/">',
    '<form id=index action="https://evil.test/"><input name=getElementById><button>ok</button></form>',
    '<img name=content id=tests src="https://evil.test/x.png">',
    f"javascript:{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    f"${{{RUN}}} {{{{{RUN}}}}} {{{{script}}}} {{{{title}}}} \\1 \\g<0>",
    f'\\";{RUN};//',
    f"\\u003cscript\\u003e{RUN}\\u003c/script\\u003e &lt;script&gt;",
    "__proto__",
    "constructor",
    "&test=x&step=1#+%2e%%00%3Cscript%3E",
    "\x1b[31mred\x1b]8;;https://evil.test\x07link \x00\x07\x08\x9b \r over",
    "\u202egnp.exe\u202c \u2066isolated \u200b\u200d\ufeff\u2028next\u2029 \U000e0041 \u0600 \u0e47\u0e47\u0e47",
    "🏳️‍🌈 שלום عربي " + "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢ " + "long " * 400,
)


def report(payloads: tuple[str, ...]) -> Report:
    """A run with a test for each text, which stands in every field that holds one."""
    tests = [test_with(f"{number}::{text}", text) for number, text in enumerate(payloads)]
    everywhere = "\n".join(payloads[:-1])
    place = {
        "file": everywhere,
        "line": 1,
        "path": everywhere,
        "kind": everywhere,
        "what": everywhere,
        "reached": False,
    }
    stale = {"what": "cassette", "path": everywhere, "why": everywhere, "cost": everywhere}
    totals = {"calls": len(tests), "input_tokens": 0, "output_tokens": 0, "cost": "0"}
    return Report.model_validate(
        {
            "version": 1,
            "title": payloads[0],
            "started": payloads[0],
            "totals": totals,
            "seconds": 1,
            "tests": tests,
            "coverage": [place],
            "stale": [stale],
        }
    )


def test_with(nodeid: str, text: str) -> dict[str, Any]:
    digest = {"kind": "image", "media_type": text, "digest": text, "size": 1}
    tools = [{"id": text, "name": text, "arguments": {text: [text]}}]
    said = {"content": text, "path": text, "attachments": [digest]}
    reply = {**said, "role": "assistant", "model": text, "thinking": text, "refusal": text, "finish_reason": text}
    call = {
        "template_id": text,
        "template_path": text,
        "model": text,
        "served_by": f"{text} ",
        "chosen_by": "runner",
        "input_tokens": 0,
        "output_tokens": 0,
        "cost": None,
        "unpriced": True,
        "seconds": 0,
        "source": "model",
        "error": text,
        "inner": [text],
        "fault": text,
    }
    template = {"type": "template", "path": text, "template_id": text, "kind": text, "file": text, "line": 1}
    steps = [
        {"type": "sample", "number": 1, "passed": False, "why": text},
        {**template, "parent": 0, "error": text, "subroutine": True, "isolation": "changed", "violation": text},
        {"type": "message", "parent": 1, "message": 0},
        {"type": "call", "parent": 1, "call": 0, "sent": [[0, 0]], "reply": 1},
        {"type": "tool", "parent": 1, "tool": text, "arguments": {text: text}, "result": text, "error": text},
    ]
    samples = {"count": 1, "passed": 0, "pass_rate": 1, "low": 0, "high": 1, "failed": [{"sample": 1, "why": text}]}
    return {
        "nodeid": nodeid,
        "outcome": "failed",
        "source": "model",
        "calls": [call],
        "isolation": {"subroutines": 1, "violations": [text]},
        "samples": samples,
        "file": text,
        "line": 1,
        "worker": text,
        "failure": {"text": text, "message": text, "step": 2},
        "messages": [{**said, "role": "user"}, {**reply, "tool_calls": tools}],
        "steps": [{"id": number, **step} for number, step in enumerate(steps)],
    }


test_with.__test__ = False  # type: ignore[attr-defined]  # no test, but one in a report

STRANGE = """[...document.querySelectorAll(
  'iframe, object, embed, form, base, link, svg, math, video, style:not(head > style), body *[style*=url]'
)].map(one => one.outerHTML).concat(
  [...document.querySelectorAll('script')].length === 5 ? [] : ['scripts'],
  [...document.querySelectorAll('[href], [src]')].map(one => one.getAttribute('href') ?? one.getAttribute('src'))
    .filter(address => !address.startsWith('#')),
  [...document.querySelectorAll('*')].flatMap(one => one.getAttributeNames()).filter(name => name.startsWith('on')),
  window.ran ? ['it ran'] : [],
)"""
# One after the other, within the page: what is asked of a browser from outside takes it longer than to show a test.
OPEN_ONE_AFTER_THE_OTHER = f"""async places => {{
  const found = {{}};
  for (const [nodeid, address] of places) {{
    location.hash = address;
    const until = performance.now() + 10_000;
    while (document.documentElement.dataset.shown !== nodeid) {{
      if (performance.now() > until) throw new Error(`${{nodeid}} is not shown`);
      await new Promise(resolve => setTimeout(resolve, 1));
    }}
    for (let round = 0; round < 4; round++) {{
      document.querySelectorAll('main details').forEach(one => {{ one.open = true; }});
    }}
    document.querySelectorAll('main button').forEach(one => one.click());
    found[nodeid] = [document.querySelector('.of-message .said')?.textContent, {STRANGE}];
  }}
  return Object.entries(found);
}}"""


def opened_one_after_the_other(
    page: Any, run: Report, at: Callable[..., str]
) -> dict[str, tuple[str | None, list[str]]]:
    """What each test of a run is seen to say first, and what the page holds that it must not, with all unfolded."""
    assert page.evaluate(STRANGE) == []
    places = [(test.nodeid, at(test.nodeid)) for test in run.tests]
    found = page.evaluate(OPEN_ONE_AFTER_THE_OTHER, places)
    return {nodeid: (said, strange) for nodeid, (said, strange) in found}


def test_nothing_that_anybody_says_runs(opened: Callable[..., Any], tmp_path: Path, at: Callable[..., str]) -> None:
    path = tmp_path / "hostile.html"
    run = report(PAYLOADS)
    write_page(run, path)

    seen = opened_one_after_the_other(opened(path), run, at)

    for test in run.tests:
        assert seen[test.nodeid] == (visible(test.messages[0].content, keep="\n\t"), []), test.nodeid


def test_nothing_that_changed_runs(opened: Callable[..., Any], tmp_path: Path, at: Callable[..., str]) -> None:
    path = tmp_path / "hostile.html"
    before = report(PAYLOADS)
    shifted = [
        {**new.model_dump(mode="json"), "nodeid": old.nodeid}
        for old, new in zip(before.tests, (*before.tests[1:], before.tests[0]), strict=True)
    ]
    after = Report.model_validate({**before.model_dump(mode="json"), "tests": shifted})
    write_comparison(before, after, path)

    seen = opened_one_after_the_other(opened(path), before, at)

    for test in before.tests:
        assert seen[test.nodeid][1] == [], test.nodeid


def test_what_would_be_hidden_is_written_out_as_everywhere(
    opened: Callable[..., Any], tmp_path: Path, at: Callable[..., str]
) -> None:
    ranges = (
        (0, 0x1200),
        (0x1780, 0x1820),
        (0x2000, 0x2100),
        (0xFDF0, 0x10000),
        (0x1BCA0, 0x1BCB0),
        (0x1D170, 0x1D180),
    )
    codes = [code for first, end in (*ranges, (0xE0000, 0xE0200)) for code in range(first, end)]
    text = "".join(f"x{chr(code)}" for code in codes) + "क्‍ष a‍b क‌ a‌"
    message = {**report(("",)).tests[0].model_dump(mode="json"), "failure": None}
    message["messages"][0]["content"] = text
    run = report(("",)).model_dump(mode="json")
    path = tmp_path / "hidden.html"
    write_page(Report.model_validate({**run, "tests": [message]}), path)
    page = opened(path, at("0::"))

    assert page.locator(".of-message .said").text_content() == visible(text, keep="\n\t")
