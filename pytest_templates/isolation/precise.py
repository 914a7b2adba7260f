"""The guard of ``--templates-isolation=precise``: also names the template that made a change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from antiphon import SubroutineEntered, SubroutineExited, Template
from antiphon.observers import TemplateEntered, TemplateExited
from pytest_templates.errors import IsolationViolation
from pytest_templates.isolation.aliasing import escaped, shared_with, walk_session
from pytest_templates.isolation.ambient import Survey
from pytest_templates.isolation.guard import REMEDY, Guard, Look, changed, templates_around
from pytest_templates.isolation.state import Photographer, differences, same
from pytest_templates.redaction.secrets import secrets_of
from pytest_templates.run.ordering import ReverseOrder

_SHARED: Final = (
    "  nobody has written to it yet: give the subroutine a copy, or look at the `shared`, `__isolate__` or "
    "`__deepcopy__` that keeps it from having one"
)


class PreciseLook(Look):
    """The parent and what lies around it, from the beginning of a subroutine to its end.

    Attributes:
        culprits: For every changed place the template that was at work.
        unseen: What cannot be compared, each with its kind.
    """

    def __init__(self, event: SubroutineEntered) -> None:
        self._survey = Survey(event.parent, [template for _, template in templates_around(event)])
        super().__init__(event, _Precise())
        self._last = self.before
        self._working: list[tuple[str, Template]] = [(event.path, event.template)]
        self._has_child = False
        self.culprits: dict[str, str] = {}
        self.unseen = {
            f"{found.path} ({type(found.value).__name__})" for found in walk_session(event.parent) if not found.is_seen
        }

    def now(self) -> dict[str, Any]:
        """A picture of the parent, and of what lies around it."""
        return {**super().now(), **self._survey.picture()}

    def entered(self, event: TemplateEntered) -> str | None:
        """Note that a template of the subroutine begins; returns what the first one shares with its parent."""
        self._blame()
        self._working.append((event.path, event.template))
        if self._has_child:
            return None
        self._has_child = True
        has_own_runner = getattr(self.event.template, "runner", None) is not None
        lines = [*shared_with(self.event.parent, event.session, models=not has_own_runner)]
        return "\n".join(f"  {line}" for line in lines) or None

    def exited(self, event: TemplateExited) -> None:
        """Note that a template of the subroutine has ended."""
        self._blame()
        if len(self._working) > 1 and self._working[-1][0] == event.path:
            self._working.pop()

    def told(self, after: dict[str, Any]) -> str:
        """Every changed place, and who was at work when it changed."""
        self._blame()
        return "\n".join(self._lines(differences(self.before, after)))

    def _lines(self, places: list[str]) -> Iterator[str]:
        before = None
        for place in places:
            culprit = self.culprits.get(_place(place))
            if before is not None and culprit != before:
                yield f"  by {before}"
            yield f"  {place}"
            before = culprit
        if before is not None:
            yield f"  by {before}"

    def _blame(self) -> None:
        now = self.now()
        if not same(now, self._last):
            path, template = self._working[-1]
            where = f" ({template.built_at})" if template.built_at is not None else ""
            where += "" if self._has_child else ", before its first template: by its session_init_strategy"
            for line in differences(self._last, now):
                self.culprits[_place(line)] = f"{path}{where}"
            self._last = now


class _Precise(Photographer):
    """Looks at what was computed and cached as well, where it was there when the first picture was taken."""

    def __init__(self) -> None:
        super().__init__()
        self._cached: set[tuple[int, str]] = set()
        self._is_first = True

    def session(self, session: Any) -> dict[str, Any]:
        picture = super().session(session)
        self._is_first = False
        return picture

    def _left_out(self, value: object, cached: set[str]) -> set[str]:
        if self._is_first:
            self._cached.update((id(value), name) for name in cached)
        return {name for name in cached if (id(value), name) not in self._cached}


class PreciseGuard(Guard):
    """Says which template changed what, finds what is shared before it changes, and looks at what lies around.

    Args:
        complain: Told of every violation.
        reverse: Whether answers that are awaited at the same time come in the reverse of the usual order.
    """

    def __init__(self, complain: Callable[[Exception], None], *, reverse: bool) -> None:
        super().__init__(complain)
        self.order = ReverseOrder() if reverse else None

    def entered(self, event: SubroutineEntered) -> None:
        """Look at the parent, and around."""
        look = PreciseLook(event)
        self.unseen.update(look.unseen)
        self._keep(look)

    def exited(self, event: SubroutineExited) -> None:
        """Compare, and send out the canaries."""
        look = self._taken(event)
        if not isinstance(look, PreciseLook):
            return
        after = look.now()
        if not same(after, look.before):
            self._say(f"{changed(event.path)}, or what lies around it", look.told(after), REMEDY)
        if event.child is not None:
            lines = escaped(event.child, look.now)
            if lines:
                self._say(
                    f"what the subroutine at {event.path!r} writes to its metadata reaches others",
                    "\n".join(f"  {line}" for line in lines),
                    _SHARED,
                )

    def template_entered(self, event: TemplateEntered) -> None:
        """Blame who was at work until now; look for what is shared."""
        for look in self._looks_of(event):
            shared = look.entered(event)
            if shared is not None:
                self._say(
                    f"the subroutine at {look.event.path!r} shares with its parent what can change", shared, _SHARED
                )

    def template_exited(self, event: TemplateExited) -> None:
        """Blame who was at work until now."""
        for look in self._looks_of(event):
            look.exited(event)

    def _looks_of(self, event: TemplateEntered | TemplateExited) -> list[PreciseLook]:
        """The subroutines that are under way where something happens, the outermost first."""
        with self._lock:
            looks = [look for looks in self._looks.values() for look in looks]
        run = event.session.run
        return [look for look in looks if isinstance(look, PreciseLook) and look.event.parent.run is run]

    def _say(self, what: str, *parts: str) -> None:
        self._complain(IsolationViolation(secrets_of().replace("\n".join([f"{what}:", *parts]))))


def _place(line: str) -> str:
    """The place that a difference is about."""
    return line.partition(" was ")[0]
