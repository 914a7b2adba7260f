"""The sources of texts: a literal, or a file with its includes, in one sandboxed environment of jinja2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeAlias

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateNotFound,
    TemplateSyntaxError,
    nodes,
)
from jinja2.meta import find_undeclared_variables

from antiphon.making import budget
from antiphon.reading import read_text
from antiphon.sandbox import Sandbox, filled_in, only_fills_in, rendered

Content: TypeAlias = str | Path
Filling: TypeAlias = Callable[[dict[str, Any]], str]  # makes a text of the values of its variables
Reference: TypeAlias = nodes.Include | nodes.Import | nodes.FromImport | nodes.Extends

LITERAL = "literal"  # the name of a text that stands in the program


class _Folder(FileSystemLoader):
    """The files beside a text, and below it; one line break at the end of a file is dropped."""

    def get_source(self, environment: Environment, template: str) -> Any:
        source, path, is_current = super().get_source(environment, template)
        return _without_last_break(source), path, is_current


ENVIRONMENT = Sandbox(
    undefined=StrictUndefined,
    autoescape=False,  # prompts are text, not HTML: quotes and angle brackets arrive as they are
    keep_trailing_newline=True,
    cache_size=0,
)


@dataclass(frozen=True, slots=True)
class Part:
    """A file that a text includes, imports or extends by its name.

    Attributes:
        name: As the text names it.
        text: What stands in it.
        tree: What it says, as jinja2 reads it.
        sees_variables: Whether it is given the variables of the text; what is imported is not.
    """

    name: str
    text: str
    tree: nodes.Template
    sees_variables: bool


class Source:
    """A text as it was read, and the files it is made of.

    Args:
        content: The text, or the path of its file. What a file includes lies beside it, or below.

    Raises:
        OSError, UnicodeDecodeError: The file cannot be read.
    """

    def __init__(self, content: Content) -> None:
        self.environment: Environment = ENVIRONMENT
        if isinstance(content, str):
            self.name, self.text = LITERAL, content
        else:
            self.name, self.text = str(content), _without_last_break(read_text(content))
            loader = _Folder(content.parent.absolute())
            self.environment = ENVIRONMENT.overlay(loader=loader, cache_size=-1, auto_reload=False)

    def compiled(self) -> Filling:
        """What fills in the text; what it includes by name is read and compiled, too.

        Raises:
            TemplateError: The text or one that it includes has a mistake, or is not there.
        """
        environment = self.environment
        with budget():
            tree = self._tree()
            fill_in = filled_in if only_fills_in(tree) else rendered
            code = environment.compile(tree, self.name, self.name)
            for part in self._parts():
                environment.get_template(part.name)
        return partial(fill_in, Template.from_code(environment, code, environment.make_globals(None)))

    @cached_property
    def variables(self) -> frozenset[str]:
        """The names that are looked up in the metadata, also those with a default, and those in included files.

        What is included by a name that is only known when the text is rendered is left out.
        """
        parts = list(self._parts())
        trees = [self._tree(), *(part.tree for part in parts)]
        set_here = {name.name for tree in trees for name in tree.find_all(nodes.Name) if name.ctx == "store"}
        included = {name for part in parts if part.sees_variables for name in find_undeclared_variables(part.tree)}
        return frozenset(find_undeclared_variables(trees[0]) | (included - set_here)) - {"session"}

    @cached_property
    def included(self) -> dict[str, str]:
        """The texts of the files that it includes, imports or extends by name, themselves and each other's, by name."""
        return {part.name: part.text for part in self._parts()}

    def text_of(self, name: str) -> str:
        """The text that jinja2 knows by a name: this one, or that of an included file, by its path."""
        return self.text if name == self.name else _without_last_break(read_text(Path(name)))

    def _tree(self) -> nodes.Template:
        return self.environment.parse(self.text, self.name, self.name)

    def _parts(self) -> Iterator[Part]:
        seen: set[str] = set()
        waiting = [(self.name, self._tree())] if "{%" in self.text else []
        while waiting:
            place, tree = waiting.pop()
            for node, name in _named_in(tree):
                if name not in seen:
                    seen.add(name)
                    text, path = self._loaded(name, node.lineno, place)
                    parsed = self.environment.parse(text, name, path)
                    part = Part(name, text, parsed, getattr(node, "with_context", True))
                    waiting.append((path, part.tree))
                    yield part

    def _loaded(self, name: str, line: int, place: str) -> tuple[str, str]:
        """The text and the path of a file that is included in a line of another."""
        loader = self.environment.loader
        problem = f"{name!r} is not found: only a text in a file, content=Path(...), includes others"
        if loader is not None:
            try:
                text, path, _ = loader.get_source(self.environment, name)
            except TemplateNotFound:
                problem = f"{name!r} is not found: what a file includes lies beside the first one, or below"
            else:
                return text, path or name
        missing = TemplateSyntaxError(problem, line, place, place)
        missing.translated = True  # jinja2 adds nothing to its text
        raise missing


def _named_in(tree: nodes.Template) -> Iterator[tuple[nodes.Node, str]]:
    """What a text cannot do without: every file that it includes, imports or extends by its name."""
    references: tuple[type[Reference], ...] = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
    for node in tree.find_all(references):
        optional = isinstance(node, nodes.Include) and node.ignore_missing
        if isinstance(node.template, nodes.Const) and isinstance(node.template.value, str) and not optional:
            yield node, node.template.value


def _without_last_break(text: str) -> str:
    return text.removesuffix("\n")
