"""The guard of ``--templates-isolation=precise``: also names the template that made a change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any, Final

from antiphon import SubroutineEntered, SubroutineExited, Template
from antiphon.observers import TemplateEntered, TemplateExited
from pytest_templates.errors import IsolationViolation
from pytest_templates.isolation.aliasing import escaped, shared_with
from pytest_templates.isolation.differences import Difference, Path, differences, lines_of
from pytest_templates.isolation.globals import AmbientReader
from pytest_templates.isolation.guard import REMEDY, Comparison, Guard, changed, templates_around
from pytest_templates.isolation.state import Custom, State, StateReader
from pytest_templates.redaction.secrets import secrets_of
from pytest_templates.run.ordering import ReverseOrder

_SHARED: Final = (
    "  nobody has written to it yet: give the subroutine a copy, or look at the `shared`, `__isolate__` or "
    "`__deepcopy__` that keeps it from having one"
)


class PreciseComparison(Comparison):
    """The parent and the state around it, compared whenever a template of the subroutine begins or ends."""

    def __init__(self, event: SubroutineEntered, reader: StateReader) -> None:
        self._ambient = AmbientReader(event.parent, [template for _, template in templates_around(event)], reader.kinds)
        super().__init__(event, reader)
        self._last = self.before
        self._running: list[tuple[str, Template]] = [(event.path, event.template)]
        self._has_child = False
        self._culprits: list[str] = []  # the template behind each change, in order
        self._last_changes: dict[Path, int] = {}  # which of these changes was the last at a path

    def now(self) -> State:
        """The state of the parent, and of what lies around it."""
        return {**super().now(), **self._ambient.state()}

    def entered(self, event: TemplateEntered) -> str | None:
        """Note that a template of the subroutine begins; returns what the first one shares with its parent."""
        self._blame()
        self._running.append((event.path, event.template))
        if self._has_child:
            return None
        self._has_child = True
        has_own_runner = getattr(self.event.template, "runner", None) is not None
        lines = [*shared_with(self.event.parent, event.session, models=not has_own_runner)]
        return "\n".join(f"  {line}" for line in lines) or None

    def exited(self, event: TemplateExited) -> None:
        """Note that a template of the subroutine has ended."""
        self._blame()
        if len(self._running) > 1 and self._running[-1][0] == event.path:
            self._running.pop()

    def report(self, after: State) -> str:
        """Every difference, with the template that was running when it came up."""
        self._blame()
        return "\n".join(self._lines(differences(self.before, after)))

    def _lines(self, found: list[Difference]) -> Iterator[str]:
        lines = ((text, self._culprit(about)) for text, about in lines_of(found))
        for culprit, group in groupby(lines, key=lambda line: line[1]):
            yield from (f"  {text}" for text, _ in group)
            if culprit is not None:
                yield f"  by {culprit}"

    def _culprit(self, found: Iterable[Difference]) -> str | None:
        """The one template that made some differences; ``None`` where none is known, or several are."""
        culprits = {self._changed_last(difference.path) for difference in found}
        return culprits.pop() if len(culprits) == 1 else None

    def _changed_last(self, path: Path) -> str | None:
        """The template that last changed a value, or one that it lies in; ``None`` where none is known."""
        paths = (path[:length] for length in range(len(path) + 1))
        changes = [self._last_changes[one] for one in paths if one in self._last_changes]
        return self._culprits[max(changes)] if changes else None

    def _blame(self) -> None:
        """Put what has changed since this was last called down to the template that is running."""
        now = self.now()
        if self.same(now, self._last):
            return
        path, template = self._running[-1]
        where = f" ({template.built_at})" if template.built_at is not None else ""
        where += "" if self._has_child else ", before its first template: by its session_init_strategy"
        self._culprits.append(f"{path}{where}")
        for difference in differences(self._last, now):
            self._last_changes[difference.path] = len(self._culprits) - 1
        self._last = now


class _PreciseReader(StateReader):
    """Reads the values of cached properties as well, where they were cached when it read for the first time."""

    def __init__(self, custom: Custom | None) -> None:
        super().__init__(custom)
        self._cached: set[tuple[int, str]] = set()
        self._is_first = True

    def session(self, session: Any) -> State:
        state = super().session(session)
        self._is_first = False
        return state

    def _left_out(self, value: object, lazy: set[str]) -> set[str]:
        if self._is_first:
            self._cached.update((id(value), name) for name in lazy)
        return {name for name in lazy if (id(value), name) not in self._cached}


class PreciseGuard(Guard):
    """Names the template behind each change, finds what is shared before it changes, and compares what lies around.

    Args:
        report: Takes every violation.
        custom: As of `Guard`.
        unseen_fails: As of `Guard`.
        reverse: Whether answers that are awaited at the same time come in the reverse of the usual order.
    """

    def __init__(
        self,
        report: Callable[[Exception], None],
        custom: Custom | None = None,
        *,
        unseen_fails: bool = False,
        reverse: bool,
    ) -> None:
        super().__init__(report, custom, unseen_fails=unseen_fails)
        self.order = ReverseOrder() if reverse else None

    def _comparison(self, event: SubroutineEntered) -> Comparison:
        return PreciseComparison(event, _PreciseReader(self._custom))

    def exited(self, event: SubroutineExited) -> None:
        """Compare the states, and look for what of the subroutine lies outside of it as well."""
        comparison = self._taken(event)
        if not isinstance(comparison, PreciseComparison):
            return
        after = comparison.now()
        if not comparison.same(after, comparison.before):
            self._report_violation(f"{changed(event.path)}, or what lies around it", comparison.report(after), REMEDY)
        if event.child is not None:
            lines = escaped(event.child, comparison.now)
            if lines:
                self._report_violation(
                    f"what the subroutine at {event.path!r} writes to its metadata reaches others",
                    "\n".join(f"  {line}" for line in lines),
                    _SHARED,
                )

    def template_entered(self, event: TemplateEntered) -> None:
        """Put changes down to the template that was running; look for what is shared."""
        for comparison in self._comparisons_of(event):
            shared = comparison.entered(event)
            if shared is not None:
                self._report_violation(
                    f"the subroutine at {comparison.event.path!r} shares with its parent what can change",
                    shared,
                    _SHARED,
                )

    def template_exited(self, event: TemplateExited) -> None:
        """Put changes down to the template that was running."""
        for comparison in self._comparisons_of(event):
            comparison.exited(event)

    def _comparisons_of(self, event: TemplateEntered | TemplateExited) -> list[PreciseComparison]:
        """Those of the subroutines that a template runs in, the outermost first."""
        with self._lock:
            kept = [comparison for comparisons in self._comparisons.values() for comparison in comparisons]
        run = event.session.run
        return [one for one in kept if isinstance(one, PreciseComparison) and one.event.parent.run is run]

    def _report_violation(self, what: str, *parts: str) -> None:
        self._report(IsolationViolation(secrets_of().replace("\n".join([f"{what}:", *parts]))))
