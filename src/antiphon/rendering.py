"""Renders the texts of templates; an error points to the line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from jinja2 import TemplateAssertionError, TemplateError, TemplateRuntimeError, TemplateSyntaxError

from antiphon.errors import AntiphonError, RenderingError, naming_template
from antiphon.facts import Fact
from antiphon.session import Session
from antiphon.sources import Filling, Source, path_of
from antiphon.texts import DEFAULT, Content, JinjaText, check_content

Place: TypeAlias = tuple[str, int | None]  # the name of a text, and a line from 1


class Text:
    """A template's text: compiled once, rendered for every session.

    Args:
        content: Jinja text, or the path of a file that holds some, or either of an environment's own; one line break at
            the end of a file is dropped.
        disable_jinja: Whether the text is sent as it stands.
        template_id: The template's id, for errors before a path exists.

    Raises:
        InvalidType: The content is neither text nor a path.
        RenderingError: The file cannot be read, or the text has a syntax error.
    """

    def __init__(self, content: Content, *, disable_jinja: bool = False, template_id: str | None = None) -> None:
        check_content(content, "content")
        self.content = content
        given = content if isinstance(content, JinjaText) else JinjaText(content, DEFAULT)
        self._environment = given.environment
        self._source = _read(given, template_id)
        self._fill_in = None if disable_jinja or "{" not in self._source.text else self._compiled(template_id)

    def render(self, session: Session) -> str:
        """The text for a session: its metadata are the variables, ``session`` is the session itself.

        Raises:
            RenderingError: Whatever goes wrong, undefined names and failing filters included.
        """
        if self._fill_in is None:
            return self._source.text
        try:
            return self._fill_in(session.metadata, session)
        except Exception as error:
            place = _place_of(error, self._source.name)
            hint = self._of_unknown(error, place) or _names_at_hand(session, self._environment.names)
            failure = self._failure(error, session.template_path, place, hint)
            raise (failure if session.template_path is None else naming_template(failure)) from error

    @property
    def variables(self) -> frozenset[str]:
        """The names that the text takes from the metadata, in the files it includes as well."""
        return frozenset() if self._fill_in is None else self._source.variables

    @property
    def written(self) -> str:
        """The text as it was written, before anything is filled in."""
        return self._source.text

    @property
    def included(self) -> dict[str, str]:
        """The files that the text is made of beside its own, as written, by the names that include them."""
        return {} if self._fill_in is None else self._source.included

    @property
    def is_filled_in(self) -> bool:
        """Whether Jinja renders the text; one that has nothing to fill in, or may not have, is said as it stands."""
        return self._fill_in is not None

    def facts(self, role: str) -> Iterator[Fact]:
        """What a model is sent when a role says this text, before anything is filled in."""
        details: tuple[Any, ...] = ("as it stands",) if "{" in self.written else ()
        if self.is_filled_in:
            details = self._environment.details(self._source)
        yield Fact("text", name=role, text=self.written, details=details)
        yield from (Fact("include", name=name, text=written) for name, written in self.included.items())

    def _compiled(self, template_id: str | None) -> Filling:
        try:
            return self._source.filling
        except Exception as error:
            place = _place_of(error, self._source.name)
            raise self._failure(error, template_id, place, self._of_unknown(error, place)) from error

    def _of_unknown(self, error: Exception, place: Place) -> str:
        """Where filters and tests come from, if the text names one that is not known."""
        if type(error) not in (TemplateAssertionError, TemplateRuntimeError):  # what jinja2 raises then, and elsewhere
            return ""
        unknown = self._environment.unknown_in(self._source.text_of(place[0]))
        if not unknown:
            return ""
        given = ", ".join(
            f"{kind}={{{', '.join(f'{name!r}: ...' for name in names)}}}" for kind, names in unknown.items()
        )
        return f"\n  a program gives its own: prompts = antiphon.texts.environment({given}), then prompts(text)"

    def _failure(self, error: Exception, where: str | None, place: Place, hint: str) -> RenderingError:
        reason = _reason(error)
        template = f"template {where!r}" if where else "a template without an id"
        source, line = place
        at = f"{source}, line {line}" if line else source
        text = f"{template} cannot be rendered: {reason}\n  {at}{self._excerpt(place, reason)}{hint}"
        return RenderingError(text, where=where, source=source, line=line)

    def _excerpt(self, place: Place, reason: str) -> str:
        source, line = place
        if line is None:
            return ""
        lines = _LINE_BREAK.split(self._source.text_of(source))
        if not 1 <= line <= len(lines):
            return ""
        shown, column = _shortened(lines[line - 1], _column(lines[line - 1], reason))
        return f"\n    {shown}\n    {' ' * column}^"


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it calls itself without end, or nests too deeply"
    if isinstance(error, TemplateError | AntiphonError) and str(error):
        return str(error)
    kind = type(error).__name__  # without it the text of a KeyError, 'no', says nothing
    return f"{kind}: {error}" if str(error) else kind


def _read(given: JinjaText, template_id: str | None) -> Source:
    try:
        return given.environment.source(given.content)
    except (OSError, UnicodeDecodeError) as error:
        place = f"template {template_id!r}" if template_id else "a template without an id"
        file = given.content if isinstance(given.content, str) else path_of(given.content)
        text = f"the content of {place} cannot be read from {file}: {error}"
        raise RenderingError(text, where=template_id, source=file) from error


def _place_of(error: Exception, source: str) -> Place:
    """The text and the line in which it failed: jinja2 puts frames of its templates into the traceback."""
    if isinstance(error, TemplateSyntaxError):
        return error.filename or source, error.lineno
    place: Place = (source, None)
    traceback = error.__traceback__
    while traceback is not None:
        if "__jinja_exception__" in traceback.tb_frame.f_globals:
            place = (traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
        traceback = traceback.tb_next
    return place


_LINE_BREAK = re.compile(r"\r\n|\r|\n")  # what jinja2 counts
_QUOTED = re.compile(r"'([^']+)'")


def _column(line: str, reason: str) -> int:
    """Where in a line the trouble is, as far as the reason names it: the last quoted word that stands there."""
    for word in reversed(_QUOTED.findall(reason)):
        found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", line)
        if found:
            return found.start()
    tag = re.search(r"\{[{%#]", line)
    return tag.start() if tag else len(line) - len(line.lstrip())


_WIDEST = 100


def _shortened(line: str, column: int) -> tuple[str, int]:
    start = max(0, column - _WIDEST // 2)
    return line[start : start + _WIDEST].replace("\t", " "), column - start


def _names_at_hand(session: Session, own: frozenset[str]) -> str:
    names = sorted({str(name) for name in session.metadata if name != "session"} | own)
    return f"\n  names at hand: {', '.join([*names, 'session'])}"
