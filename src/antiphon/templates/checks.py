"""Checks a tree of templates when it is built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from antiphon.errors import InvalidType, InvalidValue, shown
from antiphon.templates.base import Template, parameter_of


def check_children(parent: Template, given: object, parameter: str) -> tuple[Template, ...]:
    """The templates given to a parameter, as a tuple.

    Raises:
        InvalidType: Something given is no template.
    """
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        hint = "; write it in brackets" if isinstance(given, Template) else ""
        raise InvalidType(f"{parameter_of(parent, parameter)} takes a list of templates, not {shown(given)}{hint}")
    return tuple(check_child(parent, child, f"{parameter}[{index}]") for index, child in enumerate(given))


def check_child(parent: Template, given: object, parameter: str) -> Template:
    """The template given to a parameter.

    Raises:
        InvalidType: It is no template.
    """
    if isinstance(given, Template):
        return given
    raise InvalidType(f"{parameter_of(parent, parameter)} takes a template, not {shown(given, Template)}")


def check_ids(root: Template) -> None:
    """Make sure that no two siblings in a tree have the same id or place: each template has a path of its own.

    Raises:
        InvalidValue: Two have; the text names both places.
    """
    known: dict[str, Template] = {}
    for path, template in with_paths(root, root.template_id or root.kind):
        other = known.setdefault(path, template)
        if other is not template:
            raise InvalidValue(
                f"two templates are called {path.rpartition('/')[2]!r}: {_placed(other, path)} and "
                f"{_placed(template, path)}; template ids are unique among siblings"
            )


def _placed(template: Template, path: str) -> str:
    return path if template.built_at is None else f"{path} (built at {template.built_at})"


def with_paths(root: Template, path: str) -> Iterator[tuple[str, Template]]:
    """The templates of a tree whose root has a path, each with its own; parents first, each once."""
    seen: set[int] = set()
    waiting = [(path, root)]
    while waiting:
        path, template = waiting.pop()
        if id(template) in seen:
            continue
        seen.add(id(template))
        yield path, template
        below = zip(template.places, template.children, strict=True)
        waiting.extend((f"{path}/{place}", child) for place, child in reversed(list(below)))
