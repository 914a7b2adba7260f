from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def report_of(project) -> Callable[..., dict[str, Any]]:
    """Runs the project's tests, and gives what --templates-json writes: ``report_of("-n2")``."""

    def run(*arguments: str) -> dict[str, Any]:
        project.run("--templates-json=run.json", *arguments)
        return json.loads((project.path / "run.json").read_text(encoding="utf-8"))

    return run
