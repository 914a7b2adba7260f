"""The guard of ``--templates-isolation=precise``: also names the template that made a change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import replace
from itertools import groupby
from threading import RLock
from typing import Any, Final

from antiphon import LinearTemplate, SubroutineEntered, SubroutineExited, Template
from antiphon.observers import PartWaiting, RunResumed, RunSuspended, TemplateEntered, TemplateExited
from antiphon.session import Run
from pytest_templates.isolation.aliasing import escaped, shared_with
from pytest_templates.isolation.differences import Difference, Path, differences, lines_of
from pytest_templates.isolation.guard import REMEDY, Comparison, Guard, Watched, changed, violated
from pytest_templates.isolation.state import Custom, KnownTemplates, State, StateReader
from pytest_templates.isolation.surroundings import (
    ENVIRONMENT,
    AmbientReader,
    ContextReader,
    Part,
    Surroundings,
    changed_parts,
    environment,
    explained,
)
from pytest_templates.run.ordering import ReverseOrder

_SHARED: Final = (
    "  nobody has written to it yet: give the subroutine a copy, or look at the `shared`, `__isolate__` or "
    "`__deepcopy__` that keeps it from having one"
)
_WITHIN: Final[ContextVar[tuple[Run, ...]]] = ContextVar("within", default=())  # runs with subroutines under way here


class Blame:
    """Who made which change while a subroutine was under way: its own templates, or others."""

    def __init__(self) -> None:
        self._culprits: list[str] = []  # the template behind each change, in order
        self._own: dict[Path, int] = {}  # which of these changes was the last at a path
        self._others: set[Path] = set()

    def put_down(self, found: Iterable[Difference], culprit: str | None) -> None:
        """Put changes down to a template of the subroutine; to others where it is ``None``."""
        if culprit is None:
            self._others.update(difference.path for difference in found)
            return
        self._culprits.append(culprit)
        self._own.update((difference.path, len(self._culprits) - 1) for difference in found)

    def is_of_others(self, difference: Difference) -> bool:
        """Whether others made a difference, and the subroutine had no part in it."""
        path = difference.path
        return any(_within(path, one) for one in self._others) and not any(_within(path, one) for one in self._own)

    def lines(self, found: list[Difference]) -> Iterator[str]:
        """Every difference, with the template that was running when it came up."""
        lines = ((text, self._culprit(about)) for text, about in lines_of(found))
        for culprit, group in groupby(lines, key=lambda line: line[1]):
            yield from (f"  {text}" for text, _ in group)
            if culprit:
                yield f"  by {culprit}"

    def _culprit(self, found: Sequence[Difference]) -> str | None:
        """The one template that made some differences; ``None`` where none is known, or several are."""
        culprits = {self._changed_last(difference.path) for difference in found}
        return culprits.pop() if len(culprits) == 1 else None

    def _changed_last(self, path: Path) -> str | None:
        """The template that last changed a value, or one that it lies in; ``None`` where none is known."""
        paths = (path[:length] for length in range(len(path) + 1))
        changes = [self._own[one] for one in paths if one in self._own]
        return self._culprits[max(changes)] if changes else None


def _within(path: Path, other: Path) -> bool:
    """Whether one of two paths leads through the other."""
    length = min(len(path), len(other))
    return path[:length] == other[:length]


class PreciseComparison(Comparison):
    """The parent and the state around it, compared whenever a template of the subroutine begins or ends."""

    def __init__(self, event: SubroutineEntered, watched: Watched, custom: Custom | None) -> None:
        super().__init__(event, watched)
        self.kinds = watched.reader.kinds
        self.around: Surroundings = {}
        self.has_child = False
        self._context = ContextReader(custom)
        self._running: list[tuple[Run, str, Template]] = [(self.run, event.path, event.template)]
        self._idle: Run | None = None  # the run in which nothing that could change something is at work
        self._is_in_context = not self.is_parallel  # the engine gives each of several variables of its own
        self._begin()

    def _begin(self) -> None:
        self.blame = Blame()
        self._before = self.watched.state
        self._variables = self._last_variables = self._context.read()

    def resume(self) -> None:
        """Go on with the parent as it is now."""
        super().resume()
        self._begin()

    def entered(self, event: TemplateEntered) -> str | None:
        """Note that a template of the subroutine begins; returns what the first one shares with its parent."""
        run = event.session.run
        self._running.append((run, event.path, event.template))
        is_idle = type(event.template) is LinearTemplate and not event.template.before_transform
        self._idle = run if is_idle else None
        if self.has_child:
            return None
        self.has_child = True
        has_own_runner = getattr(self.event.template, "runner", None) is not None
        lines = [*shared_with(self.watched.parent, event.session, models=not has_own_runner)]
        return "\n".join(f"  {line}" for line in lines) or None

    def exited(self, event: TemplateExited) -> None:
        """Note that a template of the subroutine has ended."""
        run = event.session.run
        ended = (at for at in range(len(self._running) - 1, 0, -1) if self._running[at][:2] == (run, event.path))
        at = next(ended, None)
        if at is not None:
            del self._running[at]
        self._idle = run if type(self._at_work(run)[1]) is LinearTemplate else None

    def _at_work(self, run: Run) -> tuple[str, Template]:
        """The template that is running in a run, with its path."""
        running = (one for one in reversed(self._running) if run.is_within(one[0]))
        _, path, template = next(running, self._running[0])
        return path, template

    def was_idle(self, event: TemplateEntered | TemplateExited) -> bool:
        """Whether nothing but a plain `LinearTemplate` was at work since the last event: it changes nothing."""
        is_idle = self._idle is not None and self._idle is event.session.run
        return is_idle and not (isinstance(event, TemplateExited) and event.template.after_transform)

    def culprit(self, run: Run) -> str:
        """The template that is running in a run: that of the subroutine, or a part of it."""
        path, template = self._at_work(run)
        where = f" ({template.built_at})" if template.built_at is not None else ""
        if len(self._running) > 1:
            return f"{path}{where}"
        which = "after its last template: by its squash_strategy"
        return (
            f"{path}{where}, {which if self.has_child else 'before its first template: by its session_init_strategy'}"
        )

    def leave_context(self) -> None:
        """Compare no context variables from now on: others are set where this is called."""
        self._is_in_context = False

    def look(self, run: Run) -> list[Difference]:
        """Put what has changed of the parent since this was last called down to the template that is running in a run.

        Returns:
            What has changed of the parent.
        """
        changes = self.watched.changes()
        if changes:
            self.blame.put_down(changes, self.culprit(run))
        if self._is_in_context and run is self.run:
            before, self._last_variables = self._last_variables, self._context.read()
            parts = changed_parts(before, self._last_variables)
            if parts:
                self.blame.put_down(_of_parts(parts, before, self._last_variables), self.culprit(run))
        return changes

    def differences(self, around: list[Difference]) -> list[Difference]:
        """Every difference since the subroutine began, as far as it was last looked at, but for those by others.

        Args:
            around: What differs around the subroutine.
        """
        now, before = self.watched.state, self._before
        found = [] if self.watched.reader.same(now, before) else differences(before, now)
        parts = changed_parts(self._variables, self._last_variables)
        beside = sorted(
            [*_of_parts(parts, self._variables, self._last_variables), *around], key=lambda difference: difference.text
        )
        return [difference for difference in (*found, *beside) if not self.blame.is_of_others(difference)]


def _of_parts(parts: Iterable[Part], before: Surroundings, now: Surroundings) -> list[Difference]:
    """The differences of parts of what lies around subroutines."""
    return [
        replace(found, path=(part, *found.path[1:]))
        for part in parts
        for found in differences(_shown(part, before), _shown(part, now))
    ]


def _shown(part: Part, state: Surroundings) -> State:
    if part not in state:
        return {}
    return {part.name: environment(state[part]) if part is ENVIRONMENT else explained(state[part])}


class _Around:
    """What lies around the subroutines that are under way in a test, as it was last looked at."""

    def __init__(self, custom: Custom | None) -> None:
        self.now: Surroundings = {}
        self._reader = AmbientReader(custom)

    def add(self, comparison: PreciseComparison, others: Iterable[PreciseComparison]) -> None:
        """Look around another subroutine as well, from now on."""
        event = comparison.event
        before = self.now
        templates = [template for _, template in comparison.watched.templates]
        self._reader.add(event.parent, templates, comparison.kinds)
        self.now = self._reader.read(thorough=True)
        comparison.around = self.now
        new = {part: state for part, state in self.now.items() if part not in before}
        for other in others:
            other.around = {**new, **other.around}

    def look(self, *, thorough: bool) -> list[Difference]:
        """What has changed since this was last called."""
        before, self.now = self.now, self._reader.read(thorough=thorough)
        return _of_parts(changed_parts(before, self.now), before, self.now)

    def outside(self) -> dict[Any, Any]:
        """All of it as it is now, to be looked through."""
        return {part: explained(state) for part, state in self._reader.read(thorough=False).items()}

    def since(self, before: Surroundings) -> list[Difference]:
        """What differs from what was, as far as it was last looked at."""
        return _of_parts(changed_parts(before, self.now), before, self.now)


class _PreciseReader(StateReader):
    """Reads the values of cached properties as well, where they were cached when it read for the first time."""

    def __init__(self, custom: Custom | None, templates: KnownTemplates) -> None:
        super().__init__(custom, templates)
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
        self._surroundings = _Around(self._custom)
        self._looking = RLock()  # held while a thread looks at what lies around all of them

    def _reader(self) -> StateReader:
        return _PreciseReader(self._custom, self._templates)

    def _comparison(self, event: SubroutineEntered, watched: Watched) -> Comparison:
        return PreciseComparison(event, watched, self._custom)

    def _keep(self, comparison: Comparison) -> None:
        run = comparison.run
        with self._looking:
            others = self._precise()
            if others:
                self._look_around(run)
            else:
                self._surroundings = _Around(self._custom)
            if isinstance(comparison, PreciseComparison):
                self._surroundings.add(comparison, others)
            super()._keep(comparison)
        _go_within(run)

    def exited(self, event: SubroutineExited) -> bool:
        """Compare the states, and look for what is outside of the subroutine as well."""
        run = event.parent.run
        with self._looking:  # until it is compared, none may begin that finds none under way and looks around anew
            comparison = self._taken(event)
            if isinstance(comparison, PreciseComparison):
                with self._looking_at(event):
                    self._compare(comparison)
                    self._look_outside(event, comparison)
        if not any(one.run is run for one in self._all()):
            _go_outside(run)
        return comparison is not None

    def _look_outside(self, event: SubroutineExited, comparison: PreciseComparison) -> None:
        if event.child is None:
            return

        def outside() -> State:
            return {**comparison.watched.now(), **self._surroundings.outside()}

        lines = [f"  {line}" for line in escaped(event.child, outside)]
        if lines:
            what = f"what the subroutine at {event.path!r} writes to its metadata reaches others"
            self._report(violated(what, *lines, _SHARED, path=event.path))

    def suspended(self, event: RunSuspended) -> None:
        """Compare all states with what they were, before the program does what it likes with them."""
        super().suspended(event)
        _go_outside(event.session.run)

    def resumed(self, event: RunResumed) -> None:
        """Read the states anew."""
        run = event.session.run
        comparisons = [one for one in self._within_whole(run) if isinstance(one, PreciseComparison)]
        if not comparisons:
            return
        self._look_around(None, thorough=True)
        for comparison in comparisons:
            with self._looking_at(comparison.event):
                comparison.around = self._surroundings.now
                comparison.resume()
        if any(one.run is run for one in comparisons):
            _go_within(run)

    def check(self) -> None:
        """Compare the states of parents whose subroutines have not ended, but for the context that they run in."""
        with self._looking:
            for comparison in self._precise():
                comparison.leave_context()
            super().check()

    def _compare(self, comparison: Comparison) -> None:
        if not isinstance(comparison, PreciseComparison):
            return
        path = comparison.event.path
        self._look(comparison)
        with self._looking:
            self._look_around(comparison.run, comparison, thorough=True)
            found = comparison.differences(self._surroundings.since(comparison.around))
        if found:
            lines = comparison.blame.lines(found)
            self._report(violated(f"{changed(path)}, or what lies around it", *lines, REMEDY, path=path))

    def _look(self, comparison: Comparison, run: Run | None = None) -> None:
        if isinstance(comparison, PreciseComparison):
            changes = comparison.look(comparison.run if run is None else run)
            for other in self._precise() if changes and comparison.is_parallel else ():
                if other is not comparison and other.watched is comparison.watched:
                    other.blame.put_down(changes, None)

    def waiting(self, event: PartWaiting) -> None:
        """Put changes down to the template that was running, before others go on."""
        run = event.session.run
        if any(self._has_siblings(one) for one in self._precise_around(run)):
            self._look_at_all(run)

    def template_entered(self, event: TemplateEntered) -> None:
        """Put changes down to the template that was running; look for what is shared."""
        for comparison in self._looked_at(event):
            with self._looking_at(comparison.event):
                shared = comparison.entered(event)
                if shared is not None:
                    what = f"the subroutine at {comparison.event.path!r} shares with its parent what can change"
                    self._report(violated(what, shared, _SHARED, path=comparison.event.path))

    def template_exited(self, event: TemplateExited) -> None:
        """Put changes down to the template that was running."""
        for comparison in self._looked_at(event):
            comparison.exited(event)

    def _looked_at(self, event: TemplateEntered | TemplateExited) -> list[PreciseComparison]:
        """Those of the subroutines that a template runs in, the outermost first, when they have been looked at."""
        run = event.session.run
        if not self._precise():
            return []
        comparisons = self._precise_around(run)
        if comparisons and all(comparison.was_idle(event) for comparison in comparisons):
            return comparisons
        return self._look_at_all(run)

    def _look_at_all(self, run: Run) -> list[PreciseComparison]:
        """Look at those of the subroutines that a run is in, and around them."""
        comparisons = self._precise_around(run)
        self._look_around(run)
        for comparison in comparisons:
            with self._looking_at(comparison.event):
                self._look(comparison, run)
        return comparisons

    def _look_around(self, run: Run | None, ended: PreciseComparison | None = None, *, thorough: bool = False) -> None:
        """Put what has changed around all subroutines down to those that a run lies in; to others where it is none.

        Args:
            run: The run whose templates were at work.
            ended: A subroutine that is no longer among those under way.
            thorough: Whether to look at what is large as well.
        """
        with self._looking:
            found = self._surroundings.look(thorough=thorough)
            if not found:
                return
            at_work = [one for one in (run, *reversed(_WITHIN.get())) if one is not None]
            comparisons = self._precise()
            for comparison in comparisons if ended is None or ended in comparisons else [*comparisons, ended]:
                within = next((one for one in at_work if one.is_within(comparison.run)), None)
                has_part = within is not None and not comparison.is_suspended
                comparison.blame.put_down(found, comparison.culprit(within) if within and has_part else None)

    def _precise(self) -> list[PreciseComparison]:
        return [one for one in self._all() if isinstance(one, PreciseComparison)]

    def _precise_around(self, run: Run) -> list[PreciseComparison]:
        return [one for one in self._around(run) if isinstance(one, PreciseComparison)]


def _go_within(run: Run) -> None:
    """What this thread or task does from now on belongs to a run, and to those that it lies in."""
    within = _WITHIN.get()
    if run not in within:
        _WITHIN.set((*within, run))


def _go_outside(run: Run) -> None:
    """What this thread or task does from now on does not belong to a run."""
    within = _WITHIN.get()
    if run in within:
        _WITHIN.set(within[: within.index(run)])
