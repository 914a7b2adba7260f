"""Texts with filters, tests and globals of a program's own: environments, and what is made by them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, TypeAlias

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes

from antiphon.copies import Shared
from antiphon.errors import InvalidType, InvalidValue, shown
from antiphon.sandbox import RESERVED, Sandbox
from antiphon.sources import LITERAL, Beside, File, Source, path_of, read_source
from antiphon.threads import is_async


@dataclass(frozen=True, slots=True)
class JinjaText(Shared):
    """A text together with the environment that renders it; made by calling that.

    Attributes:
        content: Jinja text, or the file that holds some.
        environment: The environment.
    """

    content: str | Path | Traversable
    environment: Environment


Content: TypeAlias = str | Path | Traversable | JinjaText


def environment(
    *,
    filters: Mapping[str, Callable[..., Any]] | None = None,
    tests: Mapping[str, Callable[..., Any]] | None = None,
    globals: Mapping[str, Any] | None = None,  # noqa: A002 - as jinja2 has it
    trim_blocks: bool = False,
    lstrip_blocks: bool = False,
) -> Environment:
    """Make an environment of texts, which knows more than jinja2 does by itself; its texts run in the same sandbox.

    Called with a text or a file it gives a content, for every template that takes one::

        prompts = environment(filters={"euros": lambda cents: f"{cents / 100:.2f} €"})
        SystemTemplate(prompts("Apples cost {{ price | euros }}."))

    Args:
        filters: Functions that take what stands before the ``|`` and return what is said instead, by name.
        tests: Functions that take what stands before the ``is`` and return whether that holds, by name.
        globals: Functions and values that every text may name, imported macros too. Metadata of the same name go first.
        trim_blocks: Whether the line break after a ``{% ... %}`` is left out.
        lstrip_blocks: Whether the spaces and tabs between the beginning of a line and a ``{% ... %}`` are left out.

    Raises:
        InvalidType: A filter or a test is no function, one of all three is async, or an option is neither true nor
            false.
        InvalidValue: A text could not say the name, or it means something already: to jinja2, or ``session``.
    """
    for parameter, option in (("trim_blocks", trim_blocks), ("lstrip_blocks", lstrip_blocks)):
        if not isinstance(option, bool):
            raise InvalidType(f"{parameter} is true or false, not {shown(option)}")
    return Environment(
        _functions("filters", {} if filters is None else filters, taken=DEFAULT.sandbox.filters),
        _functions("tests", {} if tests is None else tests, taken=DEFAULT.sandbox.tests),
        _named("globals", {} if globals is None else globals, taken={*DEFAULT.sandbox.globals, *RESERVED}),
        trim_blocks=trim_blocks,
        lstrip_blocks=lstrip_blocks,
    )


class Environment(Shared):
    """What renders texts; `environment` makes one, which does not change afterwards.

    Texts that are equal are compiled once, whichever templates say them, as trees that are built anew in every test do.
    """

    def __init__(
        self,
        filters: dict[str, Callable[..., Any]],
        tests: dict[str, Callable[..., Any]],
        variables: dict[str, Any],
        **options: bool,
    ) -> None:
        self.sandbox: Final = Sandbox(
            filters,
            tests,
            variables,
            undefined=StrictUndefined,
            autoescape=False,  # prompts are text, not HTML: quotes and angle brackets arrive as they are
            keep_trailing_newline=True,
            cache_size=0,
            **options,
        )
        self._variables = variables
        self._options = tuple(name for name, is_on in options.items() if is_on)
        self._kept = lru_cache(maxsize=512)(partial(Source, environment=self.sandbox))

    def __call__(self, content: str | Path | Traversable) -> JinjaText:
        """A content that this environment renders.

        Args:
            content: As templates take it: Jinja text, or the file that holds some.

        Raises:
            InvalidType: It is something else.
        """
        if isinstance(content, JinjaText):
            raise InvalidType(f"content belongs to an environment already: {shown(content.content)}")
        check_content(content, "content")
        return JinjaText(content, self)

    def source(self, content: str | File) -> Source:
        """A text, read, and compiled when that is first needed.

        Raises:
            OSError, UnicodeDecodeError: The file cannot be read.
        """
        if isinstance(content, str):
            return self._source(LITERAL, str.__str__(content))
        name, text = path_of(content), read_source(content)
        folder = _folder_of(content) if any(word in text for word in _REFERRING) else None
        if folder is None:
            return self._source(name, text)
        return Source(name, text, self.sandbox, Beside(folder))  # not kept: what lies beside it may change

    def _source(self, name: str, text: str) -> Source:
        return self._kept(name, text) if len(text) <= _LONGEST_KEPT else Source(name, text, self.sandbox)

    @property
    def names(self) -> frozenset[str]:
        """The names of its own that every text may say."""
        return frozenset(self._variables)

    def unknown_in(self, text: str) -> dict[str, list[str]]:
        """The ``filters`` and ``tests`` that a text names and the environment does not know."""
        try:
            tree = self.sandbox.parse(text)
        except TemplateSyntaxError:
            return {}
        unknown = {
            "filters": {one.name for one in tree.find_all(nodes.Filter)} - self.sandbox.filters.keys(),
            "tests": {one.name for one in tree.find_all(nodes.Test)} - self.sandbox.tests.keys(),
        }
        return {kind: sorted(names) for kind, names in unknown.items() if names}

    def details(self, source: Source) -> tuple[Any, ...]:
        """What models are sent of the environment itself, beside a text as it is written: for the prompt lock."""
        values = {name: value for name, value in self._variables.items() if isinstance(value, str | int | float)}
        said = {name: values[name] for name in sorted(source.names & values.keys())} if values else {}
        return (*self._options, said) if said else self._options


DEFAULT: Final = Environment({}, {}, {})

_LONGEST_KEPT: Final = 20_000  # characters; what is longer is rarely written in many places
_REFERRING: Final = ("include", "import", "extends")


def check_content(given: object, parameter: str) -> None:
    """Check what is given as a text.

    Raises:
        InvalidType: That is none, and no file that holds one.
    """
    if isinstance(given, Environment):
        raise InvalidType(
            f'{parameter} is what an environment makes of a text: call it, as in prompts("..."), or of a file'
        )
    if not isinstance(given, str | Path | JinjaText | Traversable):
        raise InvalidType(f"{parameter} is text or a pathlib.Path to a file, not {shown(given)}")


def file_of(content: object) -> File | None:
    """The file that holds a text; ``None`` where none does."""
    given = content.content if isinstance(content, JinjaText) else content
    if given is None or isinstance(given, str):  # most are; to look whether something is traversable takes long
        return None
    return given if isinstance(given, Path | Traversable) else None


def _folder_of(file: File) -> File | None:
    """Where a file lies; not every container tells."""
    if isinstance(file, Path):
        return file.parent.absolute()
    try:
        folder = getattr(file, "parent", None)  # zipfile.Path has it
        return folder if isinstance(folder, Traversable) else None
    except TypeError:  # what lies at the top of an archive in memory
        return None


def _named(parameter: str, given: Mapping[str, Any], taken: Collection[str]) -> dict[str, Any]:
    """What is given by name, where texts can say all names and none has a meaning already."""
    if not isinstance(given, Mapping):
        raise InvalidType(f"{parameter} takes a dict, from names to what they mean, not {shown(given)}")
    for name, value in given.items():
        if not isinstance(name, str):
            raise InvalidType(f"{parameter} are given by name, and {name!r} is no text")
        if name in taken:
            raise InvalidValue(f"{parameter}[{name!r}] has a meaning in every text already: choose another name")
        if not _is_read_as(parameter, name):
            raise InvalidValue(f"{parameter}[{name!r}] is no name that a text can say: choose letters and underscores")
        if is_async(value):
            raise InvalidType(
                f"{parameter}[{name!r}] takes a plain function, since no text waits for one that is async: {value!r}; "
                "put what it finds out into the metadata before"
            )
    return dict(given)


def _functions(parameter: str, given: Mapping[str, Any], taken: Collection[str]) -> dict[str, Callable[..., Any]]:
    functions = _named(parameter, given, taken)
    for name, value in functions.items():
        if not callable(value):
            raise InvalidType(f"{parameter}[{name!r}] takes a function, not {shown(value)}")
    return functions


def _is_read_as(parameter: str, name: str) -> bool:
    """Whether jinja2 reads a name in a text as one of these."""
    text, kind = _SAID[parameter]
    try:
        found = DEFAULT.sandbox.parse(text % name).find(kind)
    except TemplateSyntaxError:
        return False
    return found is not None and found.name == name


_SAID: Final[Mapping[str, tuple[str, type[nodes.Filter | nodes.Test | nodes.Name]]]] = {
    "filters": ("{{ 1 | %s }}", nodes.Filter),
    "tests": ("{{ 1 is %s }}", nodes.Test),
    "globals": ("{{ %s }}", nodes.Name),
}
