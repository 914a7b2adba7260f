from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def run(project: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # syrupy sums nothing up in a worker

    def run_tests(test: str, *options: str) -> pytest.RunResult:
        project.tests(test)
        result: pytest.RunResult = project.run(*options)
        return result

    return run_tests


@pytest.fixture
def kept(pytester: pytest.Pytester) -> Callable[[], dict[str, str]]:
    def look() -> dict[str, str]:
        folder = pytester.path / "__snapshots__"
        return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in sorted(folder.rglob("*.chat"))}

    return look
