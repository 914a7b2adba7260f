"""The isolation guard: looks at the parent of every subroutine before and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from antiphon import Session, SubroutineEntered, SubroutineExited, Template
from antiphon.templates.checks import with_paths
from pytest_templates.errors import IsolationViolation
from pytest_templates.picture import Photographer, same

_REMEDY = (
    "  let it change its own copies; what the parent is to keep, set in an after_transform of the SubroutineTemplate"
)


@dataclass(frozen=True, slots=True)
class _Look:
    photographer: Photographer
    picture: dict[str, Any]


class Guard:
    """Compares what a subroutine's parent was with what it is when the subroutine has run.

    Args:
        complain: Told of every violation.

    Attributes:
        checked: How many subroutines were compared.
    """

    def __init__(self, complain: Callable[[Exception], None]) -> None:
        self._complain = complain
        self._looks: dict[tuple[int, str], list[_Look]] = {}
        self._lock = Lock()
        self.checked = 0

    def entered(self, event: SubroutineEntered) -> None:
        """Take a picture of the parent."""
        photographer = Photographer()
        look = _Look(photographer, _picture(photographer, event.parent, event.template, event.path))
        with self._lock:
            self._looks.setdefault((id(event.parent), event.path), []).append(look)

    def exited(self, event: SubroutineExited) -> None:
        """Compare the parent with its picture."""
        with self._lock:
            looks = self._looks.get((id(event.parent), event.path))
            if not looks:  # it was entered before this test began
                return
            look = looks.pop()
            self.checked += 1
        now = _picture(look.photographer, event.parent, event.template, event.path)
        if not same(now, look.picture):
            what = f"the subroutine at {event.path!r} changed its parent"
            self._complain(violation(what, look.picture, now, _REMEDY))


def violation(what: str, before: dict[str, Any], after: dict[str, Any], *remedy: str) -> IsolationViolation:
    """The error that names every changed place."""
    from pytest_templates.differences import differences

    places = differences(before, after)
    return IsolationViolation("\n".join([f"{what}:", *(f"  {place}" for place in places), *remedy]))


def _picture(photographer: Photographer, parent: Session, subroutine: Any, path: str) -> dict[str, Any]:
    trees: list[tuple[str, Template]] = [(path, subroutine)]
    roots = (parent.run.tree, getattr(parent.runner, "template", None))
    trees += [(root.template_id or root.kind, root) for root in roots if isinstance(root, Template)]
    templates = {id(template): (place, template) for top, tree in trees for place, template in with_paths(tree, top)}
    pictures = {place: photographer.template(template) for place, template in templates.values()}
    return {**photographer.session(parent), "templates": pictures}
