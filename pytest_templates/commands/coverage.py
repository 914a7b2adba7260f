"""``coverage``: the templates and branches that no test of several runs rendered, as of the shards of a suite."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from pytest_templates.coverage.plugin import lines_of
from pytest_templates.coverage.points import Coverage, Point, Tested, from_points
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
    coverage, tested = Coverage(), Tested()
    for file in files:
        run = read(file)
        if run.coverage is None:
            raise ReportError(f"{file} holds no coverage: run its tests with --templates-coverage as well")
        coverage.add(from_points((_point(reach), reach.reached) for reach in run.coverage))
        for call in run.calls:
            tested.add(call.template_path, call.model)
    for line in lines_of(coverage, tested):
        say(line)
    if coverage.is_under(fail_under):
        say(f"--fail-under={fail_under:g} wants more")
        return 1
    return 0


def _point(reach: Reach) -> Point:
    return Point(reach.file, reach.line, reach.path, reach.kind, reach.what)
