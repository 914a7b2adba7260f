from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from runpy import run_path
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest

from pytest_templates.reporting.document import Report
from pytest_templates.reporting.page.writing import write_comparison, write_page

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="session")
def made_up() -> dict[str, Any]:
    """What makes reports of runs that never were: ``made_up["support_desk"]()``."""
    return run_path(str(Path(__file__).parents[4] / "fixtures" / "reports" / "made_up.py"))


@pytest.fixture(scope="session")
def run_of_desk(made_up: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run."""
    path = tmp_path_factory.mktemp("page") / "run.html"
    write_page(Report.model_validate(made_up["support_desk"]()), path)
    return path


@pytest.fixture(scope="session")
def two_runs(made_up: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of that run beside a later one."""
    path = tmp_path_factory.mktemp("page") / "runs.html"
    desk = made_up["support_desk"]
    write_comparison(Report.model_validate(desk()), Report.model_validate(desk(later=True)), path)
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium; of a module, since other modules could run no event loop while it is there."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM))
        yield browser
        browser.close()


class Seen:
    """What a page did that it must not do.

    Attributes:
        happened: Errors, dialogs, windows, and requests for anything but the page itself.
    """

    def __init__(self, page: Any, url: str) -> None:
        self.happened: list[str] = []
        page.on("console", lambda message: self._add("console", message.text))
        page.on("pageerror", lambda error: self._add("error", error))
        page.on("dialog", self._dismiss)
        page.on("popup", lambda popup: self._add("window", popup.url))
        page.on("download", lambda download: self._add("download", download.url))
        page.on(
            "request", lambda request: request.url.startswith((url, "data:image/")) or self._add("request", request.url)
        )

    def _add(self, what: str, text: object) -> None:
        self.happened.append(f"{what}: {text}")

    def _dismiss(self, dialog: Any) -> None:
        self._add("dialog", dialog.message)
        dialog.dismiss()


class Windows:
    """Windows of the browser, each with what happened in it.

    Args:
        browser: The browser.
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._kept: dict[object, tuple[Any, Seen]] = {}
        self._used: list[Seen] = []

    def open(
        self,
        path: Path,
        where: str = "",
        *,
        width: int = 1280,
        scheme: str = "light",
        fresh: bool = False,
        before: str = "",
    ) -> Any:
        """Show a page; the tests of a module share a window, in which they only look, other than with ``fresh``.

        Args:
            path: The page.
            where: The address within it.
            width: How wide the window is.
            scheme: The system's theme.
            fresh: Whether the window is a new one.
            before: A script that runs before those of the page, in a new window.
        """
        key = object() if fresh or before else (path, width, scheme)
        if key not in self._kept:
            page = self._browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            page.set_default_timeout(10_000)
            if before:
                page.add_init_script(before)
            self._kept[key] = page, Seen(page, path.as_uri())
        page, seen = self._kept[key]
        self._used.append(seen)
        page.goto(f"{path.as_uri()}#{where}")
        self._wait_for(page, dict(parse_qsl(where)).get("test", "overview"))
        return page

    @staticmethod
    def _wait_for(page: Any, shown: str) -> None:
        """Wait until a test is shown; its name may hold what no selector can."""
        until = monotonic() + 10
        while page.evaluate("document.documentElement.dataset.shown") != shown:
            assert monotonic() < until, f"{shown!r} is not shown"
            page.wait_for_timeout(5)

    def happened(self) -> list[str]:
        """What happened in the windows that were used since the last time."""
        texts = [text for seen in self._used for text in seen.happened]
        for seen in self._used:
            seen.happened.clear()
        self._used.clear()
        return texts


@pytest.fixture(scope="module")
def windows(browser: Any) -> Windows:
    return Windows(browser)


@pytest.fixture
def opened(windows: Windows) -> Iterator[Callable[..., Any]]:
    """Shows a page: ``opened(path, "test=…", width=360)``; it runs without an error until the test has ended."""
    yield windows.open
    assert windows.happened() == []


@pytest.fixture(scope="session")
def at() -> Callable[..., str]:
    """The address of a test, or of a step of it: ``at("tests/test_it.py::test_it", 3)``."""

    def at(nodeid: str, step: int | None = None) -> str:
        return f"test={quote(nodeid)}" + ("" if step is None else f"&step={step}")

    return at


@pytest.fixture(scope="session")
def objections() -> Callable[..., list[str]]:
    """What axe-core objects to in a page, other than small things: ``objections(page)``, or by some rules only."""
    from axe_playwright_python.base import AXE_SCRIPT

    def objections(page: Any, *rules: str) -> list[str]:
        page.evaluate(f"window.axe || {AXE_SCRIPT}")
        options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
        found = page.evaluate("options => axe.run(options)", options)["violations"]
        return [
            f"{one['id']}: {one['help']}: {one['nodes'][0]['html']}"
            for one in found
            if one["impact"] in {"serious", "critical"}
        ]

    return objections
