"""How long the page of ten thousand tests takes: to be written, to open in Chromium, to show a test, to be searched."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from runpy import run_path
from statistics import median
from time import perf_counter
from typing import Any

from measuring import show

from pytest_templates.reporting.document import Report
from pytest_templates.reporting.page.writing import write_page

TESTS = 10_000
ROUNDS = 5
CHROMIUM = Path("/usr/bin/chromium")
MADE_UP = Path(__file__).parents[1] / "fixtures" / "reports" / "made_up.py"


def rounds_in_browser(path: Path) -> Iterator[tuple[float, float, float]]:
    """The seconds until the page is there, a test is shown, and the last of all conversations is found."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM))
        for _ in range(ROUNDS):
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            yield opening(page, path), showing(page), searching(page)
            page.close()
        browser.close()


def opening(page: Any, path: Path) -> float:
    """The seconds until the page is there: what it shows first, and the list."""
    started = perf_counter()
    page.goto(path.as_uri())
    page.locator("html[data-shown]").wait_for()
    page.locator("#rows a").first.wait_for()
    return perf_counter() - started


def showing(page: Any) -> float:
    """The seconds from a click on a test to its conversation."""
    started = perf_counter()
    page.locator("#rows a").nth(5).click()
    page.locator("#conversation").wait_for()
    return perf_counter() - started


def searching(page: Any) -> float:
    """The seconds until the test is found whose conversation is the last that is looked through."""
    started = perf_counter()
    page.get_by_role("searchbox").fill(f"order {TESTS - 1})")
    page.locator("#found", has_text=f"1 of {TESTS:,} tests").wait_for()
    return perf_counter() - started


def main() -> None:
    """Measure, and print medians."""
    report = Report.model_validate(run_path(str(MADE_UP))["many"](TESTS))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        started = perf_counter()
        write_page(report, path)
        written = perf_counter() - started
        rounds = list(rounds_in_browser(path)) if CHROMIUM.exists() else []
        size = path.stat().st_size / 1e6
    heads = ("", "seconds")
    rows = [("to write it", written)]
    for place, what in enumerate(("until it is there", "until a test is shown", "until one is found by what was said")):
        rows += [(what, median(one[place] for one in rounds))] if rounds else []
    show(f"The page of {TESTS:,} tests, {size:.1f} MB" + ("" if rounds else ": no Chromium"), heads, rows)


if __name__ == "__main__":
    main()
