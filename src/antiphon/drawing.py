"""Draws a template tree: as text, and as a Mermaid flowchart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from antiphon.facts import RUNNERS_MODEL
from antiphon.templates.base import Template
from antiphon.terminal import printable


@dataclass(frozen=True, slots=True)
class Node:
    """A template in a drawing.

    Attributes:
        name: What it is called in paths: its id, or its kind and place.
        kind: Its kind.
        facts: What there is to know: models, overrides, tools.
        chooses: Whether it chooses among the templates below it.
        drawn_before: Whether the same template object stands further up in the drawing, with what is below it.
        branch: When it is rendered, where its parent chooses, such as ``"true"``.
        below: The templates below it.
    """

    name: str
    kind: str
    facts: tuple[str, ...]
    chooses: bool
    drawn_before: bool
    branch: str = ""
    below: tuple[Node, ...] = field(default=(), repr=False)


def as_text(template: Template) -> str:
    """The tree as lines of text, one a template, with what is below it indented."""
    root = _planted(template)
    rows = [("", root), *_rows(root, "")]
    width = max(len(f"{rails}{_heading(node)}") for rails, node in rows)
    return "\n".join(f"{f'{rails}{_heading(node)}':<{width}}  {_remarks(node)}".rstrip() for rails, node in rows)


def as_mermaid(template: Template) -> str:
    """The tree as a flowchart, in the language of https://mermaid.js.org, version 10 or later."""
    lines = ["flowchart TD"]
    numbers = count(1)

    def draw(node: Node) -> str:
        name = f"n{next(numbers)}"
        label = "<br/>".join(_escaped(part) for part in (_heading(node), *node.facts, *_repetition(node)))
        before, after = _CHOICE if node.chooses else _SHAPES.get(node.kind, ("[", "]"))
        lines.append(f'    {name}{before}"{label}"{after}')
        for child in node.below:
            edge = f"-->|{child.branch}|" if child.branch else "-->"
            lines.append(f"    {name} {edge} {draw(child)}")
        return name

    draw(_planted(template))
    return "\n".join(lines)


def _planted(template: Template) -> Node:
    return _node(template, template.template_id or template.kind, "the runner's", set())


def _node(template: Template, name: str, inherited: str, seen: set[int]) -> Node:
    """A template and what is below it; ``inherited`` says which model is asked where a template names none."""
    branches = {branch.child: branch.name for branch in template.branches if branch.child is not None}
    node = Node(name, template.kind, tuple(_labels(template, inherited)), bool(branches), id(template) in seen)
    if node.drawn_before:
        return node
    seen.add(id(template))
    model = template.model_within
    below = inherited if model is None else f"{model.name} (of {name})"
    children = zip(template.places, template.children, strict=True)
    drawn = [_node(child, place, below, seen) for place, child in children]
    return replace(
        node, below=tuple(replace(child, branch=branches.get(index, "")) for index, child in enumerate(drawn))
    )


def _labels(template: Template, inherited: str) -> Iterator[str]:
    for fact in template.facts():
        label = f"model: {inherited}" if fact is RUNNERS_MODEL else fact.label
        if label:
            yield label


def _rows(node: Node, rails: str) -> Iterator[tuple[str, Node]]:
    for child in node.below:
        last = child is node.below[-1]
        yield f"{rails}{'└── ' if last else '├── '}", child
        yield from _rows(child, f"{rails}{'    ' if last else '│   '}")


def _heading(node: Node) -> str:
    return printable(f"{node.name} ({node.kind})")


def _remarks(node: Node) -> str:
    branch = (f"if {node.branch}",) if node.branch else ()
    return " · ".join(" ".join(printable(part).split()) for part in (*branch, *node.facts, *_repetition(node)))


def _repetition(node: Node) -> tuple[str, ...]:
    return ("the same as above",) if node.drawn_before else ()


_CHOICE = ("{", "}")
_SHAPES = {"loop": ("([", "])"), "subroutine": ("[[", "]]"), "parallel": ("{{", "}}")}


def _escaped(text: str) -> str:
    """A text as Mermaid shows it: everything that could mean something to it or to HTML is written as a number."""
    plain = " ".join(printable(text).split())
    return "".join(char if char.isalnum() or char in _HARMLESS else f"#{ord(char)};" for char in plain)


_HARMLESS = " .,:-_/()"
