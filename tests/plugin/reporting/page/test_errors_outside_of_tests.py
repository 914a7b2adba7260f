"""The page tells what went wrong outside of tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_templates.reporting.document import Report, RunError
from pytest_templates.reporting.page.writing import write_page


def test_what_could_not_be_collected_comes_first(
    opened: Callable[..., Any], made_up: dict[str, Any], tmp_path: Path
) -> None:
    error = RunError(where="test_broken.py", text="E   ImportError: <b>gone</b>", message="ImportError: gone")
    report = Report.model_validate(made_up["support_desk"]()).model_copy(update={"errors": (error,), "tests": ()})
    write_page(report, tmp_path / "run.html")

    page = opened(tmp_path / "run.html")

    assert page.get_by_role("heading", level=1).inner_text() == "1 error outside of tests"
    assert page.get_by_role("heading", level=2).first.inner_text() == "Errors outside of tests"
    assert page.get_by_text("E   ImportError: <b>gone</b>").is_visible()
    assert page.get_by_text("test_broken.py").is_visible()
