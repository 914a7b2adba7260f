from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


class Window:
    """A window of the browser, and what happened in it that must not.

    Attributes:
        page: The window, as Playwright knows it.
        shown: The file of the page that it shows, if any.
        used: Whether somebody does more in it than look.
        happened: Errors, dialogs, windows, and requests for anything but the page itself.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self.shown: Path | None = None
        self.used = False
        self.happened: list[str] = []
        page.set_default_timeout(10_000)
        page.on("console", lambda message: self._add("console", message.text))
        page.on("pageerror", lambda error: self._add("error", error))
        page.on("dialog", self._dismiss)
        page.on("popup", lambda popup: self._add("window", popup.url))
        page.on("download", lambda download: self._add("download", download.url))
        page.on("request", self._requested)

    def show(self, path: Path, where: str, fresh: bool) -> None:
        if self.shown and (fresh or self.used):
            self.page.evaluate("localStorage.clear()")
            self.page.goto("about:blank")
        self.shown, self.used = path, fresh
        self.page.goto(f"{path.as_uri()}#{where}")
        self._wait_for(dict(parse_qsl(where)).get("test", "overview"))

    def _wait_for(self, shown: str) -> None:
        """Wait until a test is shown; its name may hold what no selector can."""
        until = monotonic() + 10
        while self.page.evaluate("document.documentElement.dataset.shown") != shown:
            assert monotonic() < until, f"{shown!r} is not shown"
            self.page.wait_for_timeout(5)

    def _add(self, what: str, text: object) -> None:
        self.happened.append(f"{what}: {text}")

    def _dismiss(self, dialog: Any) -> None:
        self._add("dialog", dialog.message)
        dialog.dismiss()

    def _requested(self, request: Any) -> None:
        assert self.shown
        if not request.url.startswith((self.shown.as_uri(), "data:image/")):
            self._add("request", request.url)


class Browser:
    """A browser with a window, in which all tests look, one after the other.

    Args:
        chromium: The browser, as Playwright knows it.
    """

    def __init__(self, chromium: Any) -> None:
        self._chromium = chromium
        self._loop = asyncio.get_running_loop()
        self._window = Window(chromium.new_page())
        self._used: list[Window] = []

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
        """Show a page.

        Args:
            path: The page.
            where: The address within it.
            width: How wide the window is.
            scheme: The system's theme.
            fresh: Whether it is loaded anew, for a test that does more than look; what that leaves is gone thereafter.
            before: A script that runs before those of the page, in a window of its own.
        """
        window = self._window
        if before:
            window = Window(self._chromium.new_page())
            window.page.add_init_script(before)
        self._used.append(window)
        if window.page.viewport_size != (size := {"width": width, "height": 800}):
            window.page.set_viewport_size(size)
        window.page.emulate_media(color_scheme=scheme)
        window.show(path, where, fresh)
        return window.page

    @contextmanager
    def put_away(self) -> Iterator[None]:
        """Without a running event loop, so that others may run theirs: Playwright's is one between its calls, too."""
        asyncio._set_running_loop(None)
        yield
        asyncio._set_running_loop(self._loop)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """With the running event loop that Playwright leaves between its calls."""
        asyncio._set_running_loop(self._loop)
        yield
        asyncio._set_running_loop(None)

    def close(self) -> None:
        self._chromium.close()

    def happened(self) -> list[str]:
        """What happened in the windows that were used since the last time."""
        texts = [text for window in self._used for text in window.happened]
        for window in self._used:
            window.happened.clear()
        self._used.clear()
        return texts


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, which takes as long to start as ten tests take."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = Browser(playwright.chromium.launch(executable_path=str(CHROMIUM)))
        with browser.put_away():
            yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Any]]:
    """Shows a page: ``opened(path, "test=…", width=360)``; it runs without an error until the test has ended."""
    with browser.in_use():
        yield browser.open
    assert browser.happened() == []


@pytest.fixture(scope="session")
def at() -> Callable[..., str]:
    """The address of a test, or of a step of it: ``at("tests/test_it.py::test_it", 3)``."""

    def at(nodeid: str, step: int | None = None) -> str:
        return f"test={quote(nodeid)}" + ("" if step is None else f"&step={step}")

    return at


@pytest.fixture(scope="session")
def objections() -> Callable[..., list[str]]:
    """What axe-core objects to in a page, other than small things: ``objections(page)``, or by some rules or tags."""
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
