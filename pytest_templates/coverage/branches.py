"""The observer that collects which templates and branches are rendered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Lock

from antiphon import Template, Visit
from antiphon.observers import Observer, TemplateEntered, TemplateExited
from antiphon.signals import is_failure, is_open
from pytest_templates.coverage.points import RENDERED, Coverage, Point
from pytest_templates.support.engine import built_at
from pytest_templates.support.targets import without_iterations

_TURN = re.compile(r"@\d+$")


@dataclass(slots=True)
class _OpenVisit:
    """A template with branches while it is rendered.

    Attributes:
        tools_before: How many tools were called earlier in the run.
        children: The places of the children that were entered.
        turns: The paths of the template, one for each turn in which a child was entered.
    """

    tools_before: int
    children: set[str] = field(default_factory=set)
    turns: set[str] = field(default_factory=set)


class CoverageObserver(Observer):
    """Collects what every tree that is entered holds, and what of it is rendered.

    A template counts once, wherever it stands.

    Args:
        root: The folder that files are relative to.
        is_counting: Says whether what is rendered now counts.

    Attributes:
        coverage: What is collected so far.
    """

    def __init__(self, root: Path, is_counting: Callable[[], bool]) -> None:
        self.coverage = Coverage()
        self._is_counting = is_counting
        self._root = root
        self._points: dict[Template, Point] = {}
        self._branching: set[Template] = set()
        self._visits: dict[tuple[int, str], _OpenVisit] = {}
        self._lock = Lock()

    def forget(self) -> None:
        """Release the templates of a test that has ended; their coverage stays."""
        with self._lock:
            self._points.clear()
            self._branching.clear()

    def on_template_enter(self, event: TemplateEntered) -> None:
        """Note the template, and the tree below it if it is new."""
        if not self._is_counting():
            return
        template, path = event.template, event.path
        with self._lock:
            if template not in self._points:
                self._add_tree(template, without_iterations(path))
            self.coverage.reached.add(self._points[template])
            if self._visits:
                self._note_child(id(event.session.run), path)
            if template in self._branching:
                run = event.session.run
                self._visits[id(run), path] = _OpenVisit(len(run.trace.tools))

    def _note_child(self, run: int, path: str) -> None:
        """Note in the visit to the template around it that a template was entered."""
        parent, _, place = path.rpartition("/")
        outer = self._visits.get((run, _TURN.sub("", parent)))
        if outer is not None:
            outer.children.add(place)
            outer.turns.add(parent)

    def on_template_exit(self, event: TemplateExited) -> None:
        """Note which branches the template took."""
        with self._lock:
            visit = self._visits.pop((id(event.session.run), event.path), None)
            point = self._points.get(event.template)
            if visit is not None and point is not None:
                taken = event.template.branches_taken(_closed(visit, event))
                self.coverage.reached.update(_at(point, name) for name in taken)

    def _add_tree(self, template: Template, path: str) -> None:
        waiting = [(template, path)]
        while waiting:
            found, path = waiting.pop()
            if found not in self._points:
                point = self._points[found] = _point(*built_at(found, self._root), path, found.kind)
                self.coverage.known.add(point)
                branches = found.branches
                if branches:
                    self._branching.add(found)
                    self.coverage.known.update(_at(point, branch.name) for branch in branches)
                waiting += reversed([(child, f"{path}/{place}") for child, place in _below(found)])


def _closed(visit: _OpenVisit, event: TemplateExited) -> Visit:
    runs = event.session.run.trace.tools[visit.tools_before :]
    called = frozenset(run.tool for run in runs if run.template_path == event.path)
    error = event.error if is_failure(event.error) else None
    return Visit(frozenset(visit.children), len(visit.turns), called, error, is_open=is_open(event.error))


def _below(template: Template) -> Iterable[tuple[Template, str]]:
    return zip(template.children, template.places, strict=True)


@lru_cache(maxsize=100_000)  # many tests build the same trees anew
def _point(file: str, line: int, path: str, kind: str, what: str = RENDERED) -> Point:
    return Point(file, line, path, kind, what)


def _at(point: Point, what: str) -> Point:
    return _point(point.file, point.line, point.path, point.kind, what)
