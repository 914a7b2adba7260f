from __future__ import annotations

from collections.abc import Callable

import pytest

Cells = list[list[str]]


@pytest.fixture
def spent() -> Callable[[pytest.RunResult], Cells]:
    """What a failure says was spent, beside its limits: the cells, line by line."""

    def cells(result: pytest.RunResult) -> Cells:
        lines = [line.removeprefix("E").strip() for line in str(result.stdout).splitlines()]
        start = next(number for number, line in enumerate(lines) if line.split() == ["spent", "limit"])
        body = lines[start + 1 : lines.index("", start)]
        return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in body]

    return cells
