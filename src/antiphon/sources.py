"""The sources of texts: a literal, or a file with its includes, compiled in a sandboxed environment of jinja2."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from jinja2 import BaseLoader, Environment, Template, TemplateNotFound, TemplateSyntaxError, nodes
from jinja2.loaders import split_template_path
from jinja2.meta import find_undeclared_variables

from antiphon.making import budget
from antiphon.reading import read_text
from antiphon.sandbox import Sandbox, filled_in, only_fills_in, pieced_together, pieces_of, rendered

File: TypeAlias = Path | Traversable  # of the file system; or of a package, or a zip archive
Reference: TypeAlias = nodes.Include | nodes.Import | nodes.FromImport | nodes.Extends

LITERAL = "literal"  # the name of a text that stands in the program


class Beside(BaseLoader):
    """The files beside a text, and below it.

    Attributes:
        texts: What was read, by the paths that jinja2 knows the files by.
    """

    def __init__(self, folder: File) -> None:
        self._folder = folder
        self.texts: dict[str, str] = {}

    def get_source(self, environment: Environment, template: str) -> Any:  # noqa: ARG002 - as jinja2 has it
        """The text of a file, its path, and a function of jinja2's that nobody calls."""
        file = self._file(split_template_path(template))  # refuses to go upwards
        if not file.is_file():
            raise TemplateNotFound(template)
        path = path_of(file)
        self.texts[path] = read_source(file)
        return self.texts[path], path, None

    def _file(self, parts: list[str]) -> File:
        if isinstance(self._folder, Path):
            return Path(posixpath.join(self._folder, *parts))  # joinpath("C:x") would leave the folder on Windows
        return self._folder.joinpath(*parts)


def path_of(file: File) -> str:
    """The path of a file as errors name it."""
    try:
        return str(file)
    except TypeError:  # a zipfile.Path of an archive that lies in memory has none
        return file.name


def read_source(file: File) -> str:
    """The text in a file; one line break at its end is dropped.

    Raises:
        OSError, UnicodeDecodeError: The file cannot be read.
    """
    return read_text(file).removesuffix("\n")


class Part(NamedTuple):
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


class Filling:
    """Fills in a text.

    Args:
        tree: What the text says, as jinja2 reads it.
        compiled: Compiles it.
    """

    def __init__(self, tree: nodes.Template, compiled: Callable[[nodes.Template], Template]) -> None:
        self._pieces = pieces_of(tree)
        self._fill_in = filled_in if only_fills_in(tree) else rendered
        self._compiled = partial(compiled, tree)
        if self._pieces is None:
            _ = self._template  # a mistake in it is told now

    @cached_property
    def _template(self) -> Template:
        return self._compiled()

    def __call__(self, metadata: Mapping[str, Any], session: object) -> str:
        """The text for the metadata of a session, and the session itself."""
        text = None if self._pieces is None else pieced_together(self._pieces, metadata)
        if text is not None:
            return text
        return self._fill_in(self._template, {**self._template.environment.globals, **metadata, "session": session})


class Source:
    """A text as it was read, and the files it is made of; it does not change, and any number of templates may have it.

    Args:
        name: What errors call it: ``LITERAL``, or the path of its file.
        text: The text.
        environment: What compiles it.
        beside: The files that it may include; ``None`` for none.
    """

    def __init__(self, name: str, text: str, environment: Sandbox, beside: Beside | None = None) -> None:
        self.name = name
        self.text = text
        self.environment: Environment = environment
        self._beside = beside
        if beside is not None:
            self.environment = environment.overlay(loader=beside, cache_size=-1, auto_reload=False)

    @cached_property
    def filling(self) -> Filling:
        """What fills in the text; what it includes by name is read and compiled, too.

        Raises:
            TemplateError: The text or one that it includes has a mistake, or is not there.
        """
        return Filling(self._tree(), self._compiled)

    def _compiled(self, tree: nodes.Template) -> Template:
        environment = self.environment
        with budget():
            code = environment.compile(tree, self.name, self.name)
            for part in self._parts():
                environment.get_template(part.name)
        return Template.from_code(environment, code, environment.make_globals(None))

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
    def names(self) -> frozenset[str]:
        """All names that it and the files that it includes by name say, whatever they stand for."""
        trees = [self._tree(), *(part.tree for part in self._parts())]
        return frozenset(name.name for tree in trees for name in tree.find_all(nodes.Name))

    @cached_property
    def included(self) -> dict[str, str]:
        """The texts of the files that it includes, imports or extends by name, themselves and each other's, by name."""
        return {part.name: part.text for part in self._parts()}

    def text_of(self, name: str) -> str:
        """The text that jinja2 knows by a name: this one, or that of an included file, by its path."""
        if name == self.name or self._beside is None:
            return self.text
        return self._beside.texts.get(name, "")

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
        problem = f"{name!r} is not found: only a text in a file, content=Path(...), includes others"
        if self._beside is None and self.name != LITERAL:
            problem = f"{name!r} is not found: {self.name} does not tell in which folder it lies"
        if self._beside is not None:
            try:
                text, path, _ = self._beside.get_source(self.environment, name)
            except TemplateNotFound:
                problem = f"{name!r} is not found: what a file includes lies beside the first one, or below"
            else:
                return text, path
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
