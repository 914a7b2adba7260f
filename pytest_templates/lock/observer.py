"""The observer that collects what templates say, and which models answer, while a test is under way.

It is imported with the engine, perhaps in the middle of an import of this package's errors: it imports little itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from threading import Lock

from antiphon import ModelCall, Template
from antiphon.observers import Observer, TemplateEntered
from pytest_templates.lock.comparison import Key
from pytest_templates.lock.rows import FactRow, ObservedPrompts
from pytest_templates.support.files import path_within
from pytest_templates.support.targets import without_iterations
from pytest_templates.support.text import as_text


class PromptObserver(Observer):
    """Collects facts; `take` returns them and begins anew.

    Args:
        root: The folder that the files of templates are relative to.
        is_listening: Says whether a test is under way in this run.
    """

    def __init__(self, root: Path, is_listening: Callable[[], bool]) -> None:
        self._root = root
        self._is_listening = is_listening
        self._lock = Lock()
        self._clear()

    def _clear(self) -> None:
        self._facts: dict[Template, list[tuple[str, str]]] = {}
        self._places: dict[str, tuple[Key, int]] = {}  # by path
        self._rows: dict[tuple[Key, int, str, str], None] = {}
        self._calls: list[str] = []
        self._first: dict[str, int] = {}

    def on_template_enter(self, event: TemplateEntered) -> None:
        """Note what the template says."""
        if not self._is_listening():
            return
        from pytest_templates.lock.template_facts import facts_of

        template = event.template
        with self._lock:
            path = _path(event.path)
            place = self._places[path] = _place(template, path, self._root)
            if template not in self._facts:
                self._facts[template] = list(facts_of(template))
            self._add(place, self._facts[template])

    def on_model_call(self, call: ModelCall) -> None:
        """Note the model, and which templates wrote what it was sent."""
        if not self._is_listening():
            return
        from pytest_templates.lock.template_facts import model_facts

        with self._lock:
            authors = {message.template_path for message in call.messages} | {call.template_path}
            for author in authors - {None}:
                self._first.setdefault(_path(str(author)), len(self._calls))
            self._calls.append(as_text(call.template_path or ""))
            place = self._places.get(_path(call.template_path or ""))
            if place is not None and call.chosen_by != "override":
                self._add(place, model_facts(call.origin))

    def _add(self, place: tuple[Key, int], facts: Iterable[tuple[str, str]]) -> None:
        self._rows.update(dict.fromkeys((*place, kind, value) for kind, value in facts))

    def take(self) -> ObservedPrompts | None:
        """What was observed since the last call of this; ``None`` for nothing."""
        with self._lock:
            if not self._places and not self._calls:
                return None
            facts = [
                FactRow(file=key.file, path=key.path, line=line, kind=kind, value=value)
                for key, line, kind, value in self._rows
            ]
            observed = ObservedPrompts(facts=facts, calls=self._calls, first=self._first)
            self._clear()
            return observed


def _place(template: Template, path: str, root: Path) -> tuple[Key, int]:
    built_at = template.built_at
    file, line = ("", 0) if built_at is None else (_relative(built_at.file, root), built_at.line)
    return Key(file, path), line


@lru_cache(maxsize=10_000)
def _path(path: str) -> str:
    return as_text(without_iterations(path))


@lru_cache
def _relative(file: str, root: Path) -> str:
    """A file as every machine knows it: of one that lies elsewhere just the name."""
    path = Path(file)
    return as_text((path_within(path, root) or Path(path.name)).as_posix())
