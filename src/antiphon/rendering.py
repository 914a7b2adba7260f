"""The text of templates: jinja2 in one sandboxed environment."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from antiphon.errors import InvalidType, RenderingError
from antiphon.session import Session

Content: TypeAlias = str | Path

# What a text may look at in its session. The rest would let it ask models, or meddle with the run.
_OPEN = frozenset({"messages", "metadata", "last", "get_last_message", "template_path"})


class _Sandbox(ImmutableSandboxedEnvironment):
    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, Session) and attr not in _OPEN:
            return False
        return super().is_safe_attribute(obj, attr, value)


ENVIRONMENT = _Sandbox(
    undefined=StrictUndefined,
    autoescape=False,  # prompts are text, not HTML: quotes and angle brackets arrive as they are
    keep_trailing_newline=True,
    cache_size=0,
)


class Text:
    """A template's text: compiled once, rendered for every session.

    Args:
        content: Jinja text, or the path of a file that holds some; one line break at the end of a file is dropped.
        disable_jinja: Whether the text is sent as it stands.
        template_id: The template's id, for errors before a path exists.

    Raises:
        InvalidType: The content is neither text nor a path.
        RenderingError: The file cannot be read, or the text has a syntax error.
    """

    def __init__(self, content: Content, *, disable_jinja: bool = False, template_id: str | None = None) -> None:
        if not isinstance(content, str | Path):
            raise InvalidType(f"content is text or a pathlib.Path to a file, not {type(content).__name__}: {content!r}")
        self.content = content
        self._source = "literal" if isinstance(content, str) else str(content)
        self._text = content if isinstance(content, str) else _read(content, template_id)
        self._template = None if disable_jinja or "{" not in self._text else self._compiled(template_id)

    def render(self, session: Session) -> str:
        """The text for a session: its metadata are the variables, ``session`` is the session itself.

        Raises:
            RenderingError: Whatever goes wrong, undefined names and failing filters included.
        """
        if self._template is None:
            return self._text
        variables = {**ENVIRONMENT.globals, **session.metadata, "session": session}
        try:
            return _rendered(self._template, variables)
        except Exception as error:
            line = _line_of(error.__traceback__, self._template)
            raise self._failure(error, session.template_path, line, _names_at_hand(session)) from error

    def _compiled(self, template_id: str | None) -> Template:
        try:
            return ENVIRONMENT.from_string(self._text)
        except Exception as error:
            raise self._failure(error, template_id, getattr(error, "lineno", None), "") from error

    def _failure(self, error: Exception, where: str | None, line: int | None, hint: str) -> RenderingError:
        reason = str(error) or type(error).__name__
        place = f"template {where!r}" if where else "a template without an id"
        at = f"{self._source}, line {line}" if line else self._source
        text = f"{place} cannot be rendered: {reason}\n  {at}{self._excerpt(line, reason)}{hint}"
        return RenderingError(text, where=where, source=self._source, line=line)

    def _excerpt(self, line: int | None, reason: str) -> str:
        if line is None or not 1 <= line <= len(self._lines):
            return ""
        shown, column = _shortened(self._lines[line - 1], _column(self._lines[line - 1], reason))
        return f"\n    {shown}\n    {' ' * column}^"

    @cached_property
    def _lines(self) -> list[str]:
        return _LINE_BREAK.split(self._text)


def _rendered(template: Template, variables: dict[str, Any]) -> str:
    """What ``Template.render`` does, at half the cost: it would copy the global names one by one."""
    try:
        return "".join(template.root_render_func(template.new_context(variables, shared=True)))
    except Exception:  # noqa: BLE001
        ENVIRONMENT.handle_exception()  # gives the traceback the lines of the text, and raises


def _read(path: Path, template_id: str | None) -> str:
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        place = f"template {template_id!r}" if template_id else "a template without an id"
        text = f"the content of {place} cannot be read from {path}: {error}"
        raise RenderingError(text, where=template_id, source=str(path)) from error


def _line_of(traceback: TracebackType | None, template: Template) -> int | None:
    """The line of the text in which rendering failed; jinja2 puts frames of its templates into the traceback."""
    line = None
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_globals.get("__jinja_template__") is template or frame.f_code.co_filename == "<template>":
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


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


def _names_at_hand(session: Session) -> str:
    names: list[Any] = sorted(str(name) for name in session.metadata)
    return f"\n  names at hand: {', '.join([*names, 'session'])}"
