"""What is locked of a template: what it says as it is written, and what it asks for beside that."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any, Final

from antiphon import SubroutineTemplate, Template, Tool, ToolingTemplate, UserTemplate
from antiphon.rendering import Text
from antiphon.request import Request
from pytest_templates.lock.models import model_facts
from pytest_templates.lock.naming import canonical, digest, named

_ENGINE: Final = "antiphon"


def facts_of(template: Template) -> Iterator[tuple[str, str]]:
    """What is known of a template before anybody answers it, by kind."""
    yield from _texts(template)
    yield from _code(type(template))
    if isinstance(template, ToolingTemplate):
        yield from (("tool", _tool(tool)) for tool in template.tools)
    output_type = getattr(template, "output_type", None)
    if output_type is not None:
        yield "output", _output(output_type)
    if isinstance(template, SubroutineTemplate):
        yield from _subroutine(template)


def _texts(template: Template) -> Iterator[tuple[str, str]]:
    text = getattr(template, "_text", None)
    if isinstance(text, Text):
        as_it_stands = ["as it stands"] if "{" in text.written and not text.is_filled_in else []
        yield "text", named(_role(template), text.written, *as_it_stands)
        yield from (("include", named(name, said)) for name, said in text.included.items())
    elif isinstance(template, UserTemplate) and template.default is not None:
        yield "text", named("user, by default", template.default)


def _role(template: Template) -> str:
    usual = "user" if isinstance(template, UserTemplate) else "assistant"
    return str(getattr(template, "role", usual))


def _tool(tool: Tool[..., Any]) -> str:
    return named(tool.name, tool.description, canonical(tool.parameters))


def _output(output_type: Any) -> str:
    name = output_type.__name__ if isinstance(output_type, type) else "type"
    return f"{name} {digest(canonical(Request(output_type=output_type).output_schema))}"


def _subroutine(template: SubroutineTemplate) -> Iterator[tuple[str, str]]:
    prompt = getattr(template.squash_strategy, "prompt", None)
    if isinstance(prompt, str):
        yield "squash", named(type(template.squash_strategy).__name__, prompt)
    yield from model_facts(template.model if template.runner is None else template.runner.model)


def _code(kind: type) -> Iterator[tuple[str, str]]:
    """What stands in quotation marks in a class of the user's that says something by itself."""
    if _is_ours(kind._render):  # type: ignore[attr-defined]  # every template has one
        return
    own = [cls for cls in kind.__mro__ if issubclass(cls, Template) and not _is_ours(cls)]
    try:
        words = [word for cls in own for word in _words(_source(cls))]
    except (OSError, TypeError, SyntaxError) as error:
        yield "code", f"{kind.__name__} cannot be read: {type(error).__name__}"
    else:
        yield "code", named(kind.__name__, max(words, key=len, default=""), *words)


def _source(cls: type) -> str:
    """The source of a class; of one made by ``exec`` Python 3.13 finds other lines of its module."""
    codes = [value.__code__ for value in vars(cls).values() if inspect.isfunction(value)]
    if any(code.co_filename.startswith("<") for code in codes):
        raise OSError("it has no file")
    return inspect.getsource(cls)


def _is_ours(named: Any) -> bool:
    return bool(named.__module__.partition(".")[0] == _ENGINE)


def _words(source: str) -> list[str]:
    """The texts in some code, without its docstrings; an indented class is one all the same."""
    tree = ast.parse(f"if True:\n{source}" if source[:1].isspace() else source)
    documented = {id(_docstring(node)) for node in ast.walk(tree)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [str(node.value) for node in texts if id(node) not in documented]


def _docstring(node: ast.AST) -> ast.AST | None:
    first = next(iter(getattr(node, "body", None) or ()), None) if isinstance(node, _DOCUMENTED) else None
    return first.value if isinstance(first, ast.Expr) else None


_DOCUMENTED: Final = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
