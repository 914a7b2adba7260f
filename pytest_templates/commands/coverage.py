"""``coverage``: the templates and branches that no test of several runs rendered, as of the shards of a suite."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from pytest_templates.coverage.points import Coverage, ModelsByTemplate, PointRow, from_rows
from pytest_templates.coverage.report import lines_of
from pytest_templates.errors import ReportError
from pytest_templates.reporting.document import Reach, read


def report(files: Iterable[Path], fail_under: float | None, say: Callable[[str], None]) -> int:
    """Print what no test of these runs rendered; returns 1 where they rendered too little, else 0.

    Args:
        files: What ``--templates-json`` wrote in runs with ``--templates-coverage``.
        fail_under: The percentage that they have to render, from 0 to 100; ``None`` for no limit.
        say: Takes the text.

    Raises:
        ReportError: A file is no report, or one of a run without ``--templates-coverage``.
    """
    coverage, models = Coverage(), ModelsByTemplate()
    for file in files:
        run = read(file)
        if run.coverage is None:
            raise ReportError(f"{file} holds no coverage: run its tests with --templates-coverage as well")
        coverage.add(from_rows(_row(reach) for reach in run.coverage))
        for call in run.calls:
            models.add(call.template_path, call.model)
    for line in lines_of(coverage, models):
        say(line)
    if coverage.is_under(fail_under):
        say(f"--fail-under={fail_under:g} wants more")
        return 1
    return 0


def _row(reach: Reach) -> PointRow:
    return cast("PointRow", reach.model_dump())
