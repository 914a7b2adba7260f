"""Takes the pictures of docs/report.md anew, with Debian's Chromium: after a change of the report's page."""

from __future__ import annotations

import tempfile
from pathlib import Path
from runpy import run_path
from typing import Final
from urllib.parse import quote

from playwright.sync_api import sync_playwright

from pytest_templates.reporting.document import Report
from pytest_templates.reporting.page.writing import write_comparison, write_page

ROOT: Final = Path(__file__).parents[1]
FILE: Final = "tests/test_support_desk.py"
PICTURES: Final = {  # by name: the page, what is shown of it, the theme
    "run": ("run.html", "", "light"),
    "conversation": ("run.html", f"test={quote(f'{FILE}::test_a_photo_is_looked_at[tent]')}", "light"),
    "failure": ("run.html", f"test={quote(f'{FILE}::test_a_lost_parcel_is_sent_again')}", "dark"),
    "two-runs": ("two-runs.html", f"test={quote(f'{FILE}::test_a_refund_is_answered')}", "light"),
}


def main() -> None:
    """Write the pictures."""
    desk = run_path(str(ROOT / "fixtures" / "reports" / "made_up.py"))["support_desk"]
    before, after = Report.model_validate(desk()), Report.model_validate(desk(later=True))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        write_page(before, Path(folder) / "run.html")
        write_comparison(before, after, Path(folder) / "two-runs.html")
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        for name, (file, where, scheme) in PICTURES.items():
            page = browser.new_page(viewport={"width": 1180, "height": 700}, color_scheme=scheme)
            page.goto(f"{(Path(folder) / file).as_uri()}#{where}")
            page.locator("html[data-shown]").wait_for()
            path = ROOT / "docs" / "pictures" / f"{name}.png"
            page.screenshot(path=path)
            print(path)
        browser.close()


if __name__ == "__main__":
    main()
