"""The page of a run, in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_templates.reporting.document import Report
from pytest_templates.reporting.page.writing import write_page

FILE = "tests/test_support_desk.py"
REFUND, PARCEL, PHOTO = (
    f"{FILE}::test_a_refund_is_answered",
    f"{FILE}::test_a_lost_parcel_is_sent_again",
    f"{FILE}::test_a_photo_is_looked_at[tent]",
)
ISOLATION = "tests/test_isolation.py::TestResearch::test_leaves_the_conversation_alone"
SAMPLED = "tests/test_triage.py::test_finds_the_topic"
Opened = Callable[..., Any]
At = Callable[..., str]


def listed(page: Any) -> list[str]:
    """The tests that the list shows."""
    return page.locator("#rows .label").all_inner_texts()


def rows(page: Any, title: str) -> list[list[str]]:
    """The texts of a table of the overview."""
    return [
        row.locator("th, td").all_inner_texts()
        for row in page.get_by_role("region", name=title).locator("tbody tr").all()
    ]


def wait_for_count(page: Any, text: str) -> None:
    page.locator("#found", has_text=re.compile(rf"^{text}(?!.*searching)")).wait_for()


def test_a_run_is_seen_at_a_glance(opened: Opened, run_of_desk: Path) -> None:
    page = opened(run_of_desk)

    assert page.title() == "fjell-desk · antiphon"
    assert page.get_by_role("heading", level=1).inner_text() == "4 of 16 tests failed"
    assert re.findall(r"\w+ \d+", page.locator(".legend").inner_text()) == [
        "failed 3",
        "error 1",
        "skipped 1",
        "xfailed 1",
        "passed 10",
    ]
    assert page.locator(".headline .figure").first.inner_text().split("\n") == ["calls of models", "44"]
    assert rows(page, "Templates")[0][:5] == ["topic", "desk-small", "14", "1,349", "30"]
    assert [row[0] for row in rows(page, "Models")] == ["desk-small", "desk-medium", "desk-large"]
    assert [row[0].split()[0] for row in rows(page, "Where answers came from")] == [
        "cassette",
        "script",
        "recorded",
        "model",
        "double",
    ]
    assert rows(page, "Samples")[0][1:] == ["4 of 5", "80%", "38% to 96%"]
    assert page.get_by_text("1 violation in 9 subroutines").is_visible()
    assert [row[1] for row in rows(page, "Stale files")] == ["cassette", "snapshot"]
    assert [row[0] for row in rows(page, "Not reached")] == [
        "desk/research/look-up",
        "desk/handover",
        "desk/handover/colleague",
    ]


def test_the_list_is_filtered_by_outcome_template_and_model(opened: Opened, run_of_desk: Path) -> None:
    page = opened(run_of_desk)
    page.get_by_label("Only tests with this template").select_option("topic")
    wait_for_count(page, "10 of 16 tests")
    page.get_by_label("Only tests with this model").select_option("desk-large")
    wait_for_count(page, "9 of 16 tests")
    page.get_by_role("button", name="failed").first.click()
    wait_for_count(page, "3 of 16 tests")

    assert listed(page) == [
        PARCEL.split("::")[-1],
        ISOLATION.split("::")[-1],
        "test_an_angry_customer_is_answered_kindly",
    ]
    assert page.url.endswith("#outcome=failed&template=topic&model=desk-large")
    page.get_by_role("button", name="Clear").click()
    wait_for_count(page, "16 tests")


def test_a_filter_is_part_of_the_address(opened: Opened, run_of_desk: Path) -> None:
    page = opened(run_of_desk, "outcome=skipped,xfailed&q=letters")

    wait_for_count(page, "2 of 16 tests")
    assert page.get_by_role("button", name="skipped").get_attribute("aria-pressed") == "true"
    assert page.get_by_role("searchbox").input_value() == "letters"


def test_search_finds_names_first_then_what_was_said(opened: Opened, run_of_desk: Path) -> None:
    page = opened(run_of_desk)
    page.get_by_role("searchbox").fill("PARCEL")
    wait_for_count(page, "2 of 16 tests")

    assert page.locator("#rows .heading").all_inner_texts() == ["By name\n1", "By what was said\n1"]
    assert [label.split("\n") for label in listed(page)] == [
        PARCEL.split("::")[::-1],
        ["test_an_angry_customer_is_answered_kindly", "tests/test_tone.py"],
    ]


def test_what_was_searched_for_is_marked_where_it_was_said(opened: Opened, run_of_desk: Path, at: At) -> None:
    page = opened(run_of_desk, f"{at(REFUND)}&q=WORD by Word")

    marked = page.evaluate("[...CSS.highlights.get('found')].map(range => range.toString())")
    assert marked == ["word by word"]


def test_nothing_moves_while_somebody_types(opened: Opened, run_of_desk: Path, at: At) -> None:
    page = opened(run_of_desk, at(PARCEL), fresh=True)
    page.locator(".crumbs a").focus()
    page.keyboard.press("/")
    page.keyboard.type("letter")
    wait_for_count(page, "3 of 16 tests")

    assert page.get_by_role("searchbox").input_value() == "letter"
    assert page.locator(".crumbs a").get_attribute("href") == "#q=letter"


def test_search_finds_no_names_of_fields(opened: Opened, run_of_desk: Path) -> None:
    page = opened(run_of_desk, "q=input_tokens")

    wait_for_count(page, "0 of 16 tests")
    assert page.locator("#rows").inner_text() == "No test fits."


def test_a_conversation_is_a_tree_of_templates(opened: Opened, run_of_desk: Path, at: At) -> None:
    page = opened(run_of_desk, at(REFUND))
    names = page.locator(".template-name").all_inner_texts()
    call = page.locator(".of-call").last

    assert names == ["desk", "0", "request", "triage", "question", "topic", "research", "task", "look-up", "answer"]
    assert page.locator(".kind").nth(6).inner_text() == "SubroutineTemplate"
    assert page.locator(".outcome", has_text="isolated").is_visible()
    assert "desk-large the runner's model, served by desk-large-2026-10-12 cassette" in " ".join(
        call.locator(".call-line").inner_text().split()
    )
    assert call.locator(".said").inner_text().startswith("You can return them")
    tool = page.locator(".of-tool")
    assert tool.locator(".said").all_inner_texts() == [
        '{"topic": "refund", "limit": 3}',
        "Goods can be returned within 30 days. The money is back within five working days.",
    ]


def test_thinking_and_what_was_sent_are_folded(opened: Opened, run_of_desk: Path, at: At) -> None:
    page = opened(run_of_desk, at(REFUND))
    call = page.locator(".of-call").last
    assert call.locator(".message").count() == 1
    call.get_by_text("Sent 4 messages").click()
    call.get_by_text("Thinking").click()
    call.get_by_text("two weeks is within that").wait_for()  # what is folded is drawn when it is opened
    call.locator(".sent .role").last.wait_for()

    assert call.locator(".sent .role").all_inner_texts() == ["system", "user", "user", "assistant"]


def test_a_call_was_sent_what_an_earlier_one_was_without_what_was_left_out(
    opened: Opened, made_up: dict[str, Any], tmp_path: Path, at: At
) -> None:
    run = made_up["support_desk"]()
    run["tests"][0]["steps"][18] |= {"before": [[4, 4]], "continues": 9, "left_out": 2, "sent": [[3, 3]]}
    write_page(Report.model_validate(run), tmp_path / "run.html")
    page = opened(tmp_path / "run.html", at(REFUND))
    page.locator("#step-18").get_by_text("Sent 3 messages").click()

    said = page.locator("#step-18 .sent .said")
    said.last.wait_for()
    assert [text.split()[0] for text in said.all_inner_texts()] == ["Find", "Which", "refund"]


def test_a_picture_is_shown(opened: Opened, run_of_desk: Path, at: At) -> None:
    page = opened(run_of_desk, at(PHOTO))
    picture = page.get_by_role("img", name="Attached picture").first
    picture.scroll_into_view_if_needed()

    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 320


def test_a_picture_that_no_browser_can_show_is_said_to_be_one(
    opened: Opened, made_up: dict[str, Any], tmp_path: Path, at: At
) -> None:
    run = made_up["support_desk"]()
    [picture] = run["pictures"].values()
    picture["content"] = "AAAA"
    write_page(Report.model_validate(run), tmp_path / "run.html")
    page = opened(tmp_path / "run.html", at(PHOTO))

    page.get_by_text("no browser can show it").wait_for()
    assert page.locator("main img").count() == 0


def test_a_failing_test_opens_at_the_message_that_failed(opened: Opened, run_of_desk: Path, at: At) -> None:
    page = opened(run_of_desk, at(PARCEL))
    step = page.locator("#step-12")

    assert "failed-here" in (step.get_attribute("class") or "")
    assert step.evaluate("step => step === document.activeElement")
    assert 0 <= step.bounding_box()["y"] < 800
    assert step.locator(".failure-text .gone").first.inner_text().strip().startswith("E       - Find the passage")
    assert (
        step.locator(".failure-text .new")
        .all_inner_texts()[1]
        .strip()
        .endswith("After [seven] days we send the goods again, free of charge.")
    )


def test_a_failure_without_a_step_stands_at_the_top(opened: Opened, run_of_desk: Path, at: At) -> None:
    page = opened(run_of_desk, at("tests/test_prices.py::test_tomorrow"))

    assert page.locator(".test-head .failure-message").inner_text().endswith("fixture 'desk_of_tomorrow' not found")


def test_a_violation_names_what_was_changed(opened: Opened, run_of_desk: Path, at: At) -> None:
    page = opened(run_of_desk, at(ISOLATION))

    assert "set in desk/research/look-up" in page.locator("#step-10 .note-bad").first.inner_text()


def test_samples_are_folded_where_they_passed(opened: Opened, run_of_desk: Path, at: At) -> None:
    page = opened(run_of_desk, at(SAMPLED))

    assert page.locator(".sample-body").count() == 5
    assert page.locator(".sample-body[open] strong").all_inner_texts() == ["Sample 5"]


def test_a_fault_and_its_error_are_shown(opened: Opened, run_of_desk: Path, at: At) -> None:
    page = opened(run_of_desk, at("tests/test_faults.py::test_a_rate_limit_is_waited_for"))

    assert page.locator(".tag.fault").inner_text() == "fault: rate_limited"
    assert page.locator(".of-call .note-bad").inner_text().startswith("RateLimited: 429")


def test_attempts_and_the_waits_between_them_are_told(
    opened: Opened, made_up: dict[str, Any], tmp_path: Path, at: At
) -> None:
    run = made_up["support_desk"]()
    first = next(test for test in run["tests"] if test["nodeid"] == REFUND)
    first["calls"][0] |= {"inner": ["small", "large"], "waited": 5.0}
    first["calls"][1] |= {"inner": ["small"]}
    write_page(Report.model_validate(run), tmp_path / "run.html")

    page = opened(tmp_path / "run.html", at(REFUND))

    asked = page.get_by_text(re.compile("^asked "))
    assert asked.all_inner_texts() == ["asked small, large, and waited 5.00 s in between", "asked small"]


def test_a_long_text_is_cut_until_somebody_wants_it(opened: Opened, run_of_desk: Path, at: At) -> None:
    page = opened(run_of_desk, at("tests/test_letters.py::test_a_long_letter_is_summed_up"))
    text, button = page.locator(".of-message .said"), page.get_by_role("button", name="Show all 59 lines")
    before = text.bounding_box()["height"]
    button.click()

    assert text.bounding_box()["height"] > 3 * before
    assert page.get_by_role("button", name="Show less").get_attribute("aria-expanded") == "true"


def test_a_link_leads_to_a_step_and_opens_what_is_around_it(opened: Opened, run_of_desk: Path, at: At) -> None:
    page = opened(run_of_desk, at(SAMPLED, 3))
    assert page.locator("#step-3").is_visible()
    page.locator("#step-3").hover()
    page.locator("#step-3 > .anchor").click()

    page.locator("#step-3.at").wait_for()
    assert page.url.endswith(f"#test={SAMPLED}&step=3")


def test_a_test_that_is_not_in_the_report_is_said_not_to_be(opened: Opened, run_of_desk: Path, at: At) -> None:
    page = opened(run_of_desk, at("tests/test_gone.py::test_gone"))

    assert page.get_by_role("heading", level=1).inner_text() == "No such test"
    page.get_by_text("Back to the overview").click()
    page.locator("h1", has_text="4 of 16 tests failed").wait_for()


def test_everything_is_reached_by_the_keyboard(opened: Opened, run_of_desk: Path) -> None:
    page = opened(run_of_desk, fresh=True)
    press, heading = page.keyboard.press, page.locator("h1")
    press("j")
    press("j")
    press("k")
    press("ArrowDown")
    press("Enter")
    page.locator(f'html[data-shown="{PARCEL}"]').wait_for()
    assert page.evaluate("document.activeElement.id") == "step-12"
    press("j")
    press("j")
    assert page.evaluate("document.activeElement.id") == "step-14"
    press("k")
    press("ArrowLeft")
    assert not page.locator("#step-14").is_visible()
    press("ArrowRight")
    assert page.locator("#step-14").is_visible()
    press("Shift+J")
    page.locator(f'html[data-shown="{PHOTO}"]').wait_for()
    press("Escape")
    page.locator('html[data-shown="overview"]').wait_for()
    press("/")
    page.keyboard.type("rhyme")
    wait_for_count(page, "1 of 16 tests")
    press("Enter")
    press("Enter")
    page.locator("h1", has_text="test_answers_in_rhyme").wait_for()
    press("o")
    page.locator('html[data-shown="overview"]').wait_for()
    press("Escape")
    wait_for_count(page, "16 tests")
    assert heading.inner_text() == "4 of 16 tests failed"


def test_the_keys_are_listed(opened: Opened, run_of_desk: Path) -> None:
    page = opened(run_of_desk)
    page.keyboard.press("?")
    assert page.get_by_role("dialog", name="Keyboard").is_visible()
    page.keyboard.press("Escape")

    assert not page.get_by_role("dialog").is_visible()


def test_focus_is_seen(opened: Opened, run_of_desk: Path) -> None:
    page = opened(run_of_desk)
    page.keyboard.press("j")

    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_the_theme_is_that_of_the_system_until_it_is_changed(
    opened: Opened, run_of_desk: Path, scheme: str, is_dark: bool
) -> None:
    page = opened(run_of_desk, scheme=scheme, fresh=True)
    assert looks_dark(page) is is_dark
    page.get_by_role("button", name="Theme").click()
    assert looks_dark(page) is not is_dark
    page.reload()
    page.locator("html[data-shown]").wait_for()

    assert looks_dark(page) is not is_dark


def looks_dark(page: Any) -> bool:
    background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    return sum(map(int, re.findall(r"\d+", background)[:3])) < 3 * 128


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_nothing_is_wider_than_the_window(opened: Opened, run_of_desk: Path, at: At, width: int) -> None:
    for where in ("", "view=tests", at(PARCEL), at(PHOTO), at(SAMPLED)):
        page = opened(run_of_desk, where, width=width)

        assert page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]") == [width, width]
        assert page.evaluate("(({scrollWidth, clientWidth}) => scrollWidth - clientWidth)(content)") == 0


def test_a_narrow_window_shows_one_part_at_a_time(opened: Opened, run_of_desk: Path) -> None:
    page = opened(run_of_desk, width=360)
    assert not page.get_by_role("searchbox").is_visible()
    page.get_by_role("link", name="Tests 16").click()
    page.locator("#rows a").first.click()
    page.locator("h1", has_text="test_a_refund_is_answered").wait_for()

    assert not page.get_by_role("searchbox").is_visible()


def test_nobody_is_left_out(opened: Opened, run_of_desk: Path, at: At, objections: Callable[..., list[str]]) -> None:
    for where in ("", at(PARCEL)):
        page = opened(run_of_desk, where)
        assert objections(page) == [], where
        page.emulate_media(color_scheme="dark")
        assert objections(page, "color-contrast") == [], f"{where} in the dark"

    assert objections(opened(run_of_desk, at(PHOTO)), "cat.text-alternatives") == []


def test_ten_thousand_tests_are_drawn_and_read_as_they_are_needed(opened: Opened, tmp_path: Path, at: At) -> None:
    test = {
        "outcome": "passed",
        "source": None,
        "calls": [],
        "isolation": None,
        "steps": [{"id": 0, "type": "message", "message": 0}],
    }
    tests = [
        {**test, "nodeid": f"test_it.py::test_{n}", "messages": [{"role": "user", "content": f"{n:,} {'.' * 500}"}]}
        for n in range(10_000)
    ]
    totals = {"calls": 0, "input_tokens": 0, "output_tokens": 0, "cost": "0"}
    path = tmp_path / "many.html"
    write_page(Report.model_validate({"version": 1, "totals": totals, "seconds": 1, "tests": tests}), path)

    page = opened(path, before=COUNTING)
    assert page.locator("#rows li").count() < 100
    assert page.evaluate("window.unpacked") == 0
    page.goto(f"{path.as_uri()}#{at('test_it.py::test_9000')}")

    page.get_by_text("9,000").last.wait_for()
    assert page.evaluate("window.unpacked") == 1
    assert "test_9000" in listed(page)
    assert page.locator("#rows li").count() < 100


COUNTING = """
window.unpacked = 0;
const Stream = DecompressionStream;
window.DecompressionStream = class extends Stream { constructor(format) { super(format); window.unpacked += 1; } };
"""
