"""The isolation guard: compares the parent of every subroutine before and after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from antiphon import Session, SubroutineEntered, SubroutineExited, Template
from antiphon.observers import PartWaiting, RunResumed, RunSuspended, TemplateEntered, TemplateExited
from antiphon.session import Run
from antiphon.templates.checks import with_paths
from pytest_templates.errors import IsolationViolation
from pytest_templates.isolation.differences import Difference, differences, lines_of
from pytest_templates.isolation.showing import path_of
from pytest_templates.isolation.state import Custom, KnownTemplates, State, StateReader, Unseen
from pytest_templates.isolation.static import name_of
from pytest_templates.redaction.secrets import secrets_of
from pytest_templates.run.ordering import ReverseOrder

REGISTER = "  say what their state is: implement pytest_templates_state(value) in conftest.py"
REMEDY = (
    "  let it change its own copies; what the parent is to keep, set in an after_transform of the SubroutineTemplate"
)


class Watched:
    """The parent of a subroutine, or of several that run at the same time, as it was when it was last looked at.

    Args:
        event: The beginning of the first of them.
        reader: Reads the states.

    Attributes:
        parent: The parent's session.
        reader: The same.
        templates: Every template of the subroutines and of the trees around them, with its path.
        state: The parent's state, and that of every template, as it was last.
    """

    def __init__(self, event: SubroutineEntered, reader: StateReader) -> None:
        self.parent = parent_of(event)
        self.reader = reader
        self.templates = templates_around(event)
        self.state = self.now()

    def now(self) -> State:
        """The parent's state, and that of every template, as it is now."""
        self.reader.begin()
        templates = {path: self.reader.template(template) for path, template in self.templates}
        return {**self.reader.session(self.parent), "templates": templates}

    def changes(self) -> list[Difference]:
        """What has changed since this was last called, or the parent was last read."""
        before, self.state = self.state, self.now()
        return [] if self.reader.same(self.state, before) else differences(before, self.state)


class Comparison:
    """The parent of a subroutine as it is now, beside what it was when the subroutine began, or last went on.

    Of subroutines that run at the same time, each is compared when it stops: what the others change is not its own.

    Args:
        event: The beginning of the subroutine.
        watched: Its parent.

    Attributes:
        event: The same.
        run: The run that the subroutine is in.
        watched: The same.
        found: What the subroutine has changed, as far as was noticed.
        is_suspended: Whether the program that goes through the run has the word: what it does is its own affair.
    """

    def __init__(self, event: SubroutineEntered, watched: Watched) -> None:
        self.event = event
        self.run = event.parent.run
        self.watched = watched
        self.found: list[Difference] = []
        self.is_suspended = False

    @property
    def is_parallel(self) -> bool:
        """Whether others may run at the same time, with the same parent."""
        return is_parallel(self.event)

    def resume(self) -> None:
        """Go on with the parent as it is now."""
        self.watched.state = self.watched.now()
        self.is_suspended = False

    @property
    def unseen(self) -> dict[int, Unseen]:
        """A value of every type in the parent of which nothing but the identity can be compared, by the type's id."""
        return self.watched.reader.unseen


def is_parallel(event: SubroutineEntered) -> bool:
    """Whether a subroutine is a child of a parallel template."""
    part = event.parent.run.part
    return part is not None and event.path.rpartition("/")[0] == (part.of.path or "")


def parent_of(event: SubroutineEntered) -> Session:
    """The session around a subroutine; a child of a parallel template has but a view of it."""
    part = event.parent.run.part
    return event.parent if part is None or not is_parallel(event) else part.of.session


def templates_around(event: SubroutineEntered) -> list[tuple[str, Template]]:
    """Every template of a subroutine, or of all that run at the same time, and of the trees around, with its path."""
    part = event.parent.run.part
    if part is not None and is_parallel(event) and isinstance(part.of.template, Template):
        trees = [(part.of.path or "", part.of.template)]
    else:
        trees = [(event.path, event.template)]
    roots = (event.parent.run.tree, getattr(event.parent.runner, "template", None))
    trees += [(root.template_id or root.kind, root) for root in roots if isinstance(root, Template)]
    found = {id(template): (path, template) for top, tree in trees for path, template in with_paths(tree, top)}
    return [*found.values()]


class Guard:
    """Compares the parent of every subroutine before and after it.

    Args:
        report: Takes every violation.
        custom: Returns plain data for values of the types that the project knows, ``None`` for all others.
        unseen_fails: Whether it is a violation that something cannot be compared.

    Attributes:
        checked: For how many subroutines the parent was compared.
        unseen: What in their parents was told apart by its identity alone: one path for every type.
        order: In which order answers come that are awaited at the same time; ``None`` for the usual one.
    """

    order: ReverseOrder | None = None

    def __init__(
        self, report: Callable[[Exception], None], custom: Custom | None = None, *, unseen_fails: bool = False
    ) -> None:
        self._report = report
        self._custom = custom
        self._unseen_fails = unseen_fails
        self._templates: KnownTemplates = {}
        self._comparisons: dict[tuple[int, str], list[Comparison]] = {}
        self._lock = Lock()
        self.checked = 0
        self.unseen: dict[int, str] = {}

    def entered(self, event: SubroutineEntered) -> None:
        """Read the parent's state."""
        with self._looking_at(event):
            comparison = self._comparison(event, self._watched(event))
            self._name(comparison)
            self._keep(comparison)

    def _watched(self, event: SubroutineEntered) -> Watched:
        """The parent of a subroutine; of those that run at the same time it is watched once."""
        parent = parent_of(event)
        others = [one for one in self._all() if one.is_parallel and one.watched.parent is parent]
        if not others or not is_parallel(event):
            return Watched(event, self._reader())
        if len(others) == 1:  # which nobody has looked at while it was alone
            self._look(others[0])
        watched = others[0].watched
        watched.state = watched.now()
        return watched

    def _has_siblings(self, comparison: Comparison) -> bool:
        """Whether others are under way at the same time, with the same parent."""
        if not comparison.is_parallel:
            return False
        return any(one is not comparison and one.watched is comparison.watched for one in self._all())

    def _reader(self) -> StateReader:
        return StateReader(self._custom, self._templates)

    def _comparison(self, event: SubroutineEntered, watched: Watched) -> Comparison:
        return Comparison(event, watched)

    def _name(self, comparison: Comparison) -> None:
        self.name(comparison.unseen, comparison.event.path)

    def name(self, unseen: dict[int, Unseen], path: str | None = None) -> None:
        """Name what cannot be compared, once for every type.

        Args:
            unseen: By the type's id.
            path: Of the subroutine that may change it; ``None`` for a block of the test.
        """
        found = {kind: one for kind, one in unseen.items() if kind not in self.unseen}
        if found:
            self._name_all({kind: _named(one) for kind, one in found.items()}, path)

    def _name_all(self, named: dict[int, str], path: str | None) -> None:
        new = {kind: place for kind, place in named.items() if kind not in self.unseen}
        self.unseen.update(new)
        if new and self._unseen_fails:
            lines = [f"  {place}" for place in sorted(new.values())]
            who = "the block" if path is None else f"the subroutine at {path!r}"
            self._report(violated(f"{who} may change what cannot be compared", *lines, REGISTER, path=path))

    def exited(self, event: SubroutineExited) -> bool:
        """Compare the parent's state with what it was; returns whether that was known."""
        comparison = self._taken(event)
        if comparison is None:
            return False
        with self._looking_at(event):
            self._compare(comparison)
        return True

    def suspended(self, event: RunSuspended) -> None:
        """Compare the parents' states with what they were, before the program does what it likes with them."""
        for comparison in self._within_whole(event.session.run):
            with self._looking_at(comparison.event):
                self._compare(comparison)
            comparison.is_suspended = True

    def resumed(self, event: RunResumed) -> None:
        """Read the parents' states anew."""
        for comparison in self._within_whole(event.session.run):
            with self._looking_at(comparison.event):
                comparison.resume()

    def waiting(self, event: PartWaiting) -> None:
        """Put what has changed down to the subroutines that have stopped, before others go on."""
        for comparison in self._around(event.session.run):
            if self._has_siblings(comparison) and not comparison.is_suspended:
                with self._looking_at(comparison.event):
                    self._look(comparison)

    def check(self) -> None:
        """Compare the states of parents whose subroutines have not ended, and may never do."""
        for comparison in self._all():
            if not comparison.is_suspended:
                with self._looking_at(comparison.event):
                    self._compare(comparison)

    def _compare(self, comparison: Comparison) -> None:
        event = comparison.event
        self._look(comparison)
        if comparison.found:
            lines = [f"  {line}" for line, _ in lines_of(comparison.found)]
            self._report(violated(changed(event.path), *lines, REMEDY, _hint(event.template), path=event.path))
            comparison.found = []

    def _look(self, comparison: Comparison) -> None:
        comparison.found += comparison.watched.changes()

    def template_entered(self, event: TemplateEntered) -> None:
        """A template begins: for the precise guard."""

    def template_exited(self, event: TemplateExited) -> None:
        """A template has ended: for the precise guard."""

    def _keep(self, comparison: Comparison) -> None:
        with self._lock:
            self._comparisons.setdefault((id(comparison.event.parent), comparison.event.path), []).append(comparison)

    def _all(self) -> list[Comparison]:
        """Those of all subroutines that have not ended, the outermost of each run first."""
        with self._lock:
            return [comparison for comparisons in self._comparisons.values() for comparison in comparisons]

    def _around(self, run: Run) -> list[Comparison]:
        """Those of the subroutines that a run, or a part of one, is in, the outermost first."""
        return [comparison for comparison in self._all() if run.is_within(comparison.run)]

    def _within_whole(self, run: Run) -> list[Comparison]:
        """Those of the subroutines that are under way in a run and in all its parts, the outermost first."""
        return [comparison for comparison in self._all() if comparison.run.whole is run.whole]

    @contextmanager
    def _looking_at(self, event: SubroutineEntered | SubroutineExited) -> Iterator[None]:
        """Look at a parent: what that raises stays here, and what cannot be looked at is named as unseen."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever the program's classes raise
            place = f"{_unreadable(event.parent)} (a look at it raises {type(error).__name__})"
            self._name_all({id(type(error)): place}, event.path)

    def _taken(self, event: SubroutineExited) -> Comparison | None:
        """What was kept when the subroutine began; ``None`` where it began before the test."""
        with self._lock:
            kept = self._comparisons.get((id(event.parent), event.path))
            if not kept:
                return None
            self.checked += 1
            taken = kept.pop()
            if not kept:
                del self._comparisons[id(event.parent), event.path]
            return taken


def _named(one: Unseen) -> str:
    """Where a value lies that cannot be compared, and what it is."""
    beside = ", its attributes" if one.is_partial else ""
    return f"{path_of(one.trail)} ({name_of(one.kind)}{beside})"


def _unreadable(parent: Session) -> str:
    """Where in a parent a look raises."""
    for key, value in [*parent.metadata.items()]:
        try:
            StateReader().value(value)
        except Exception:  # noqa: BLE001 - this is what is looked for
            return f"metadata[{key!r}]"
    return "a part of it"


def _hint(subroutine: Template) -> str:
    """Where the subroutine was built, and how to find the template that made the change."""
    where = "" if subroutine.built_at is None else f"it was built at {subroutine.built_at}; "
    return f"  {where}--templates-isolation=precise says which of its templates did it"


def changed(path: str) -> str:
    """The head of a violation by the subroutine at a path."""
    return f"the subroutine at {path!r} changed its parent"


def violation(what: str, before: State, after: State, *remedy: str, path: str | None = None) -> IsolationViolation:
    """The error that names every difference of two states."""
    return violated(what, *(f"  {line}" for line, _ in lines_of(differences(before, after))), *remedy, path=path)


def violated(what: str, *lines: str, path: str | None = None) -> IsolationViolation:
    """The error that says what the subroutine at a path did; it holds no secret that is known."""
    return IsolationViolation(secrets_of().replace("\n".join([f"{what}:", *lines])), template_path=path)
