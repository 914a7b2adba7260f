"""The observer that sees which templates and branches are rendered."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Lock

from antiphon import IfTemplate, LoopTemplate, Template, ToolingTemplate
from antiphon.observers import Observer, TemplateEntered, TemplateExited
from antiphon.signals import Leaving
from pytest_templates.coverage.points import RENDERED, Coverage, Point
from pytest_templates.support.targets import without_iterations

_TURNS = ("0 turns", "1 turn", "many turns")
_TURN = re.compile(r"@\d+$")


@dataclass(slots=True)
class _Visit:
    """A template while it is rendered: which of its children were entered, and in how many turns."""

    children: set[str] = field(default_factory=set)
    turns: set[str] = field(default_factory=set)


class Collecting(Observer):
    """Collects what there is in every tree that is entered, and what of it is rendered.

    A template counts once, wherever it stands.

    Args:
        root: What files are told relative to.

    Attributes:
        coverage: What was collected so far.
    """

    def __init__(self, root: Path) -> None:
        self.coverage = Coverage()
        self._root = root
        self._points: dict[Template, Point] = {}
        self._visits: dict[tuple[int, str], _Visit] = {}
        self._lock = Lock()

    def forget(self) -> None:
        """Keep no template any longer than its test; what was collected of it stays."""
        with self._lock:
            self._points.clear()

    def on_template_enter(self, event: TemplateEntered) -> None:
        """Note the template, with all that is below it where nobody has seen it yet."""
        template, path = event.template, event.path
        with self._lock:
            if template not in self._points:
                self._learn(template, without_iterations(path))
            self.coverage.reached.add(self._points[template])
            if self._visits:
                self._note(id(event.session.run), path)
            if _kind(type(template)) in {IfTemplate, LoopTemplate}:
                self._visits[id(event.session.run), path] = _Visit()

    def _note(self, run: int, path: str) -> None:
        """Tell the if or the loop around a template that it was entered."""
        parent, _, place = path.rpartition("/")
        outer = self._visits.get((run, _TURN.sub("", parent)))
        if outer is not None:
            outer.children.add(place)
            outer.turns.add(parent)

    def on_template_exit(self, event: TemplateExited) -> None:
        """Note which way an if went, how often a loop turned, which tools were called."""
        template = event.template
        if _kind(type(template)) is None:
            return
        with self._lock:
            visit = self._visits.pop((id(event.session.run), event.path), _Visit())
            if isinstance(template, ToolingTemplate):
                called = {run.tool for run in event.session.run.trace.tools if run.template_path == event.path}
                self._reach(template, *(f"tool {tool.name}" for tool in template.tools if tool.name in called))
            elif event.error is not None and not isinstance(event.error, Leaving):
                return
            elif isinstance(template, IfTemplate):
                self._reach(template, "true" if template.places[0] in visit.children else "false")
            else:
                self._reach(template, _TURNS[min(len(visit.turns), 2)])

    def _reach(self, template: Template, *whats: str) -> None:
        point = self._points.get(template)
        if point is not None:
            self.coverage.reached.update(_at(point, what) for what in whats)

    def _learn(self, template: Template, path: str) -> None:
        waiting = [(template, path)]
        while waiting:
            found, path = waiting.pop()
            if found not in self._points:
                point = self._points[found] = _point(*_built_at(found, self._root), path, found.kind)
                self.coverage.known.add(point)
                self.coverage.known.update(_at(point, what) for what in _branches(found))
                waiting += reversed([(child, f"{path}/{place}") for child, place in _below(found)])


def _built_at(template: Template, root: Path) -> tuple[str, int]:
    place = template.built_at
    return ("", 0) if place is None else (_relative(place.file, root), place.line)


@lru_cache
def _relative(file: str, root: Path) -> str:
    path = Path(file)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else file


def _below(template: Template) -> Iterable[tuple[Template, str]]:
    return zip(template.children, template.places, strict=True)


@lru_cache(maxsize=100_000)  # many tests build the same trees anew
def _point(file: str, line: int, path: str, kind: str, what: str = RENDERED) -> Point:
    return Point(file, line, path, kind, what)


def _at(point: Point, what: str) -> Point:
    return _point(point.file, point.line, point.path, point.kind, what)


@lru_cache  # asked at every template: isinstance is slow for abstract classes
def _kind(cls: type) -> type | None:
    """Which of the templates that branch a class is."""
    return next((kind for kind in (IfTemplate, LoopTemplate, ToolingTemplate) if issubclass(cls, kind)), None)


def _branches(template: Template) -> tuple[str, ...]:
    if isinstance(template, IfTemplate):
        return ("true", "false")
    if isinstance(template, LoopTemplate):
        most = template.exit_loop_count
        return _TURNS[1:] if most is None or most > 1 else (_TURNS[most],)
    if isinstance(template, ToolingTemplate):
        return tuple(f"tool {tool.name}" for tool in template.tools)
    return ()
