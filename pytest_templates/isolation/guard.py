"""The isolation guard: looks at the parent of every subroutine before and after."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

from antiphon import SubroutineEntered, SubroutineExited, Template
from antiphon.observers import TemplateEntered, TemplateExited
from antiphon.templates.checks import with_paths
from pytest_templates.errors import IsolationViolation
from pytest_templates.isolation.state import Photographer, same
from pytest_templates.run.ordering import ReverseOrder

REMEDY = (
    "  let it change its own copies; what the parent is to keep, set in an after_transform of the SubroutineTemplate"
)


class Look:
    """The parent of a subroutine as it was when the subroutine began.

    Args:
        event: Tells of the beginning.
        photographer: Takes the pictures.

    Attributes:
        event: The same.
        before: The picture that was taken then.
    """

    def __init__(self, event: SubroutineEntered, photographer: Photographer | None = None) -> None:
        self.event = event
        self._photographer = photographer or Photographer()
        self.before = self.now()

    def now(self) -> dict[str, Any]:
        """A picture of the parent as it is now."""
        photographer, parent = self._photographer, self.event.parent
        pictures = {place: photographer.template(template) for place, template in templates_around(self.event)}
        return {**photographer.session(parent), "templates": pictures}


def templates_around(event: SubroutineEntered) -> list[tuple[str, Template]]:
    """Every template of a subroutine and of the trees around it, each once, with its path."""
    trees: list[tuple[str, Template]] = [(event.path, event.template)]
    roots = (event.parent.run.tree, getattr(event.parent.runner, "template", None))
    trees += [(root.template_id or root.kind, root) for root in roots if isinstance(root, Template)]
    found = {id(template): (place, template) for top, tree in trees for place, template in with_paths(tree, top)}
    return [*found.values()]


class Guard:
    """Compares what a subroutine's parent was with what it is when the subroutine has run.

    Args:
        complain: Told of every violation.

    Attributes:
        checked: How many subroutines were compared.
        unseen: What of their parents could not be compared, each with its kind; only the precise guard looks.
        order: In which order answers come that are awaited at the same time; ``None`` for the usual one.
    """

    order: ReverseOrder | None = None

    def __init__(self, complain: Callable[[Exception], None]) -> None:
        self._complain = complain
        self._looks: dict[tuple[int, str], list[Look]] = {}
        self._lock = Lock()
        self.checked = 0
        self.unseen: set[str] = set()

    def entered(self, event: SubroutineEntered) -> None:
        """Look at the parent."""
        self._keep(Look(event))

    def exited(self, event: SubroutineExited) -> None:
        """Compare the parent with what it was."""
        look = self._taken(event)
        if look is not None:
            now = look.now()
            if not same(now, look.before):
                self._complain(violation(changed(event.path), look.before, now, REMEDY, _place(event.template)))

    def template_entered(self, event: TemplateEntered) -> None:
        """A template begins; only the precise guard looks."""

    def template_exited(self, event: TemplateExited) -> None:
        """A template has ended; only the precise guard looks."""

    def _keep(self, look: Look) -> None:
        with self._lock:
            self._looks.setdefault((id(look.event.parent), look.event.path), []).append(look)

    def _taken(self, event: SubroutineExited) -> Look | None:
        """The look at the beginning; ``None`` where the subroutine was entered before this test began."""
        with self._lock:
            looks = self._looks.get((id(event.parent), event.path))
            if not looks:
                return None
            self.checked += 1
            return looks.pop()


def _place(subroutine: Any) -> str:
    where = "" if subroutine.built_at is None else f"it was built at {subroutine.built_at}; "
    return f"  {where}--templates-isolation=precise says which of its templates did it"


def changed(path: str) -> str:
    """What a subroutine did, in words."""
    return f"the subroutine at {path!r} changed its parent"


def violation(what: str, before: dict[str, Any], after: dict[str, Any], *remedy: str) -> IsolationViolation:
    """The error that names every changed place."""
    from pytest_templates.isolation.state import differences

    places = differences(before, after)
    return IsolationViolation("\n".join([f"{what}:", *(f"  {place}" for place in places), *remedy]))
