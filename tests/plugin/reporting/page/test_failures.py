"""Whatever a test fails by, its page shows what pytest printed of it, once, and opens there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_templates.reporting.document import Report
from pytest_templates.reporting.page.writing import write_page

Opened = Callable[..., Any]
At = Callable[..., str]

FAILING = """
import asyncio
import threading

from pytest_templates import faults

def look(key: str) -> str:
    "Look."
    if key == "broken":
        raise RuntimeError("shelf is empty")
    return "found " + key

def tree(*templates):
    return LinearTemplate([UserTemplate("Hello."), *templates], template_id="talk")

def test_after_an_answer(scripted_model):
    assert ask(scripted_model("one")).last.content == "after an answer"

def test_after_a_long_answer(scripted_model):
    session = ask(scripted_model("long line\\\\n" * 13))
    assert len(session.messages) == "after a long answer"

def test_after_a_tool(scripted_model):
    made = scripted_model(CallTool("look", key="x"), "one")
    for said in Runner(made, template=tree(ToolingTemplate([look]))).stream():
        assert getattr(said, "role", "") != "tool", "after a tool"

def test_in_a_tool(scripted_model):
    made = scripted_model(CallTool("look", key="broken"), "one")
    Runner(made, template=tree(ToolingTemplate([look]))).run()
    assert False, "in a tool"

def test_within_a_tool(scripted_model):
    def think() -> str:
        "Think."
        swallow(ask, scripted_model(name="within a tool"))
        return "done"
    made = scripted_model(CallTool("think"), "one")
    Runner(made, template=tree(ToolingTemplate([think]))).run()

def test_by_a_fault(scripted_model, llm_faults):
    llm_faults.at("answer", faults.server_error(503))
    ask(scripted_model("one"))

def test_in_code(scripted_model):
    def fail(session):
        raise RuntimeError("in code")
    Runner(scripted_model("one"), template=tree(AssistantTemplate(after_transform=fail))).run()

def test_in_a_subroutine(scripted_model):
    notes = []
    research(scripted_model("in a subroutine"), lambda child: notes.append("x") or child, {"notes": notes})

def test_by_models(scripted_model):
    assert_models(ask(scripted_model("one", name="by models")), {"**": "large"})

def test_by_unused_answers(scripted_model):
    ask(scripted_model("one", "by unused answers"))

@pytest.fixture
def broken():
    raise RuntimeError("in a fixture")

def test_in_a_fixture(broken):
    pass

@pytest.fixture
def asks_and_breaks(scripted_model):
    assert ask(scripted_model("one")).last.content == "in set-up"

def test_in_set_up(asks_and_breaks):
    pass

@pytest.fixture
def breaks_later(scripted_model):
    yield
    assert ask(scripted_model("two")).last.content == "in tear-down"

def test_in_tear_down(scripted_model, breaks_later):
    ask(scripted_model("one"))

def test_in_a_subtest(scripted_model, subtests):
    with subtests.test("first"):
        assert ask(scripted_model("one")).last.content == "in a subtest"
    ask(scripted_model("two"))

@pytest.mark.llm_samples(3)
def test_in_samples(scripted_model, llm_trace):
    answer = ask(scripted_model("one")).last.content
    assert len(llm_trace.samples) != 1, "in samples"

@pytest.mark.parametrize("word", ["in", "a"])
def test_parametrised(scripted_model, word):
    assert ask(scripted_model("one")).last.content == "parametrised"

def test_async(scripted_model):
    async def run():
        return await Runner(scripted_model("one"), template=tree(AssistantTemplate())).arun()
    assert asyncio.run(run()).last.content == "async"

def test_in_a_thread(scripted_model):
    found = []
    made = scripted_model("one")
    thread = threading.Thread(target=lambda: found.append(ask(made)))
    thread.start()
    thread.join()
    assert found[0].last.content == "in a thread"

def test_streaming(scripted_model):
    *_, last = Runner(scripted_model("one"), template=tree(AssistantTemplate())).stream()
    assert last == "streaming"

def test_without_a_model():
    assert "without a model" == ""

def test_a_direct_call(scripted_model):
    assert scripted_model("one").send(Session(messages=[Message(role="user", content="Hi")])).content == "a direct call"
"""

SEEN = """() => [...document.querySelectorAll('.failure')].filter(one => one.checkVisibility()).map(one => {
  const box = one.getBoundingClientRect(), view = document.getElementById('content').getBoundingClientRect();
  const top = Math.max(box.top, view.top), bottom = Math.min(box.bottom, view.bottom);
  const begin = one.querySelector('.failure-message').getBoundingClientRect().top;
  return [one.textContent, bottom - top >= Math.min(box.height, 100) - 1, begin >= view.top - 1];
})"""


@pytest.fixture
def failing(project: Any) -> Path:
    """The page of tests that fail in all ways; the browser, which lets nobody else run an event loop, is not there."""
    project.tests(FAILING)
    project.run("--templates-report=run.html", "--templates-json=run.json")
    return project.path / "run.html"


def test_every_failure_is_shown_once_and_seen(failing: Path, request: pytest.FixtureRequest, at: At) -> None:
    report = json.loads(failing.with_suffix(".json").read_text("utf-8"))
    failed = [test for test in report["tests"] if test["failure"]]
    assert len(failed) == len(report["tests"]) == FAILING.count("def test_") + 1
    opened = request.getfixturevalue("opened")

    for test in failed:
        page = opened(failing, at(test["nodeid"]))
        boxes = page.evaluate(SEEN)
        assert len(boxes) == 1, (test["nodeid"], boxes)
        [[text, is_seen, is_begun]] = boxes
        assert all(line.strip() in text for line in test["failure"]["text"].splitlines()), test["nodeid"]
        assert (is_seen, is_begun) == (True, True), test["nodeid"]
        link = page.locator(".failed-at a")
        if link.count():
            step = link.get_attribute("href").rpartition("=")[2]
            assert page.locator(f"#step-{step}").is_visible(), test["nodeid"]


def call(**fields: Any) -> dict[str, Any]:
    said = {"template_id": "talk/answer", "template_path": "talk/answer", "model": "m", "served_by": None}
    used = {"input_tokens": 1, "output_tokens": 1, "cost": None, "unpriced": False, "seconds": 0, "source": "script"}
    return {**said, **used, "chosen_by": "runner", "error": None, **fields}


def conversation(nodeid: str = "test_it.py::test_it", **fields: Any) -> dict[str, Any]:
    """A test that has failed, in which a model asked for a tool, within which another one was asked."""
    asks = {"id": "1", "name": "look", "arguments": {"key": "x"}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "", "tool_calls": [asks]},
        {"role": "assistant", "content": "from within", "thinking": "a secret garden"},
        {"role": "tool", "content": "found x", "tool_call_id": "1"},
        {"role": "assistant", "content": f"{'word ' * 400}needle"},
    ]
    steps: list[dict[str, Any]] = [
        {"type": "sample", "number": 1, "passed": True},
        {"type": "sample", "number": 2, "passed": True},
        {"type": "template", "parent": 1, "path": "talk", "kind": "LinearTemplate"},
        {"type": "message", "parent": 2, "message": 0},
        {"type": "call", "parent": 2, "call": 0, "sent": [[0, 0]], "reply": 1},
        {"type": "message", "parent": 2, "message": 1},
        {
            "type": "tool",
            "parent": 2,
            "tool": "look",
            "tool_call_id": "1",
            "arguments": {"key": "x"},
            "result": "found x",
        },
        {"type": "call", "parent": 6, "call": 1, "sent": [[0, 0]], "reply": 2},
        {"type": "message", "parent": 2, "message": 3},
        {"type": "call", "parent": 2, "call": 2, "sent": [[0, 0]], "reply": 4},
        {"type": "message", "parent": 2, "message": 4},
    ]
    told = {"nodeid": nodeid, "outcome": "passed", "source": "script", "isolation": None, "calls": [call()] * 3}
    return {**told, "messages": messages, "steps": [{"id": n, **step} for n, step in enumerate(steps)], **fields}


@pytest.fixture
def page_of(tmp_path: Path) -> Callable[..., Path]:
    """Writes the page of some tests."""

    def write_it(*tests: dict[str, Any]) -> Path:
        totals = {"calls": 3, "input_tokens": 3, "output_tokens": 3, "cost": "0"}
        report = {"version": 1, "totals": totals, "seconds": 1, "tests": tests}
        write_page(Report.model_validate(report), tmp_path / "run.html")
        return tmp_path / "run.html"

    return write_it


@pytest.mark.parametrize(("step", "shown"), [(5, 4), (8, 6), (10, 9), (7, 7)])
def test_a_link_to_what_a_call_or_a_tool_shows_leads_to_that(
    opened: Opened, page_of: Callable[..., Path], at: At, step: int, shown: int
) -> None:
    page = opened(page_of(conversation()), at("test_it.py::test_it", step), fresh=True)

    assert page.locator(".step.at").get_attribute("id") == f"step-{shown}"
    assert page.locator(f"#step-{shown}").is_visible()


@pytest.mark.parametrize(("text", "step"), [("garden", 7), ("NEEDLE", 9), ("found x", 6), ("drawers", 6)])
def test_what_was_searched_for_is_unfolded_and_scrolled_to(
    opened: Opened, page_of: Callable[..., Path], at: At, text: str, step: int
) -> None:
    failure = {"text": "E  all drawers are empty", "message": "drawers are empty", "step": 8}
    test = conversation(failure=failure, outcome="failed")
    page = opened(page_of(test), f"{at('test_it.py::test_it')}&q={text}", fresh=True)

    assert page.locator(".step.at").get_attribute("id") == f"step-{step}"
    found = page.locator(f"#step-{step}").get_by_text(text).last
    assert found.is_visible()
    assert page.locator(".said.cut").count() == (0 if text == "NEEDLE" else 1)


def test_bullets_of_an_error_are_no_difference(opened: Opened, page_of: Callable[..., Path], at: At) -> None:
    text = """\
>       assert answer == wanted
E       AssertionError: 2 validation errors for Topic
E         - name: Field required
E         - size: Input should be greater than 0
E        +  where 1 = size()
E
E         - old words
E         + new words
E
E         Full diff:
E           [
E         +     'added',
E               - a bullet that stays
E           ]
E
E       message 2 is gone: [user] talk
E         - what it said
"""
    failure = {"text": text, "message": "2 validation errors for Topic", "step": None}
    page = opened(page_of(conversation(failure=failure, outcome="failed")), at("test_it.py::test_it"), fresh=True)

    lines = {kind: page.locator(f".failure-text .{kind}").all_inner_texts() for kind in ("gone", "new")}
    stripped = {kind: [line[1:].strip() for line in found] for kind, found in lines.items()}
    assert stripped == {"gone": ["- old words", "- what it said"], "new": ["+ new words", "+     'added',"]}


def test_a_stream_that_was_left_early_has_not_failed(opened: Opened, page_of: Callable[..., Path], at: At) -> None:
    test = conversation()
    test["steps"][-2]["left_early"] = True
    page = opened(page_of(test), at("test_it.py::test_it"), fresh=True)
    page.locator("#step-1 > details > summary").click()

    left_early = page.locator(".left-early")
    left_early.last.wait_for()
    assert left_early.all_inner_texts() == ["The program left the stream early: it did not hear the answer to its end."]
    assert page.locator(".note-bad").count() == 0


def test_enter_in_the_search_opens_the_first_test_that_is_found(opened: Opened, page_of: Callable[..., Path]) -> None:
    page = opened(page_of(conversation("test_it.py::test_a", messages=[], steps=[]), conversation()), fresh=True)
    page.keyboard.press("/")
    page.keyboard.type("needle")
    page.keyboard.press("Enter")
    page.locator('html[data-shown="test_it.py::test_it"]').wait_for()

    assert page.evaluate("document.activeElement.id") == "step-9"
