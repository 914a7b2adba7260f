"""Pictures of a template tree: as text, and as a flowchart of Mermaid's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from antiphon.handover import CleanSessionStrategy
from antiphon.model import Model
from antiphon.squashing import LastMessageStrategy
from antiphon.templates.base import Template
from antiphon.templates.flow import IfTemplate, LoopTemplate
from antiphon.templates.generate import AssistantTemplate, GenerateTemplate
from antiphon.templates.message import UserTemplate
from antiphon.templates.subroutine import SubroutineTemplate
from antiphon.templates.toolcalling import ToolingTemplate
from antiphon.terminal import printable


@dataclass(frozen=True, slots=True)
class Node:
    """A template in its place.

    Attributes:
        name: What it is called in paths: its id, or its kind and place.
        kind: Its kind.
        branch: When it is rendered, where its parent chooses: ``"true"`` or ``"false"``.
        facts: What there is to know: models, overrides, tools.
        below: The templates below it.
        drawn_before: Whether the same template object stands further up in the picture, with what is below it.
    """

    name: str
    kind: str
    branch: str = ""
    facts: tuple[str, ...] = ()
    below: tuple[Node, ...] = field(default=(), repr=False)
    drawn_before: bool = False


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
        before, after = _SHAPES.get(node.kind, ("[", "]"))
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
    node = Node(name, template.kind, facts=tuple(_facts(template, inherited)), drawn_before=id(template) in seen)
    if node.drawn_before:
        return node
    seen.add(id(template))
    below = _model_below(template, name, inherited)
    children = zip(template.places, template.children, strict=True)
    drawn = [_node(child, place, below, seen) for place, child in children]
    if isinstance(template, IfTemplate):
        drawn = [replace(child, branch=branch) for child, branch in zip(drawn, ("true", "false"), strict=False)]
    return replace(node, below=tuple(drawn))


def _model_below(template: Template, name: str, inherited: str) -> str:
    if isinstance(template, SubroutineTemplate):
        model = template.model or (template.runner.model if template.runner is not None else None)
        if model is not None:
            return f"{model.name} (of {name})"
    return inherited


def _facts(template: Template, inherited: str) -> Iterator[str]:
    yield from _text_facts(template)
    match template:
        case UserTemplate() if template.content is None:
            yield f"asks the user: {template.description}" if template.description else "asks the user"
        case AssistantTemplate() if template.content is not None:
            return
        case GenerateTemplate() | ToolingTemplate():
            yield f"model: {inherited if template.model is None else template.model.name}"
        case SubroutineTemplate():
            yield from _subroutine_facts(template)
        case LoopTemplate() if template.exit_loop_count is not None:
            yield f"at most {template.exit_loop_count} times"
        case _:
            own = getattr(template, "model", None)  # a template of the user's
            if isinstance(own, Model):
                yield f"model: {own.name}"
    if isinstance(template, GenerateTemplate) and template.output_type is not None:
        wanted = template.output_type
        yield f"answers as {wanted.__name__ if isinstance(wanted, type) else wanted}"
    if isinstance(template, ToolingTemplate):
        yield f"tools: {', '.join(tool.name for tool in template.tools) or 'none'}"


def _text_facts(template: Template) -> Iterator[str]:
    content = getattr(template, "content", None)
    if isinstance(content, Path):
        yield f"says {content.name}"
    if not template.children and template.variables:
        yield f"needs {', '.join(sorted(template.variables))}"


def _subroutine_facts(template: SubroutineTemplate) -> Iterator[str]:
    if template.model is not None:
        yield f"overrides the model: {template.model.name}"
    if template.runner is not None:
        yield f"overrides the runner: {type(template.runner).__name__} with {template.runner.model.name}"
    if type(template.session_init_strategy) is not CleanSessionStrategy:
        yield f"begins with {_strategy(template.session_init_strategy)}"
    if type(template.squash_strategy) is not LastMessageStrategy:
        yield f"gives back {_strategy(template.squash_strategy)}"


def _strategy(strategy: object) -> str:
    name = type(strategy).__name__
    model = getattr(strategy, "model", None)
    return f"{name}, model: {model.name}" if isinstance(model, Model) else name


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


_SHAPES = {"if": ("{", "}"), "loop": ("([", "])"), "subroutine": ("[[", "]]")}


def _escaped(text: str) -> str:
    """A text as Mermaid shows it: everything that could mean something to it or to HTML is written as a number."""
    plain = " ".join(printable(text).split())
    return "".join(char if char.isalnum() or char in _HARMLESS else f"#{ord(char)};" for char in plain)


_HARMLESS = " .,:-_/()"
