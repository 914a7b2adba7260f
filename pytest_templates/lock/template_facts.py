"""What is locked of a template and of a model: names, settings, and hashes of texts."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from pydantic_core import to_jsonable_python

from antiphon import Fact, Model, ModelSettings, Template
from pytest_templates.lock.comparison import KINDS
from pytest_templates.redaction.policy import is_secret_header, is_secret_parameter
from pytest_templates.redaction.secrets import PLACEHOLDER, secrets_of
from pytest_templates.scripting.model import ScriptedModel
from pytest_templates.snapshots.conversation import StableIds
from pytest_templates.support.text import as_text, cut

_DIGITS: Final = 12
_OPENING: Final = 60  # characters
# invisible characters, and those that change the direction of others: the same in every version of Unicode
_INVISIBLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def labelled(name: str, text: str, *more: str) -> str:
    """A name, a hash and the first words of a text: ``user 0a4c52d7e913: What is this about?``.

    Args:
        name: What the text is.
        text: The text.
        *more: What is hashed as well, and not shown.
    """
    words = cut(_INVISIBLE.sub("", " ".join(without_secrets(text).split())), _OPENING)
    return f"{name} {digest(text, *more)}: {words}".removesuffix(": ")


def digest(*texts: str) -> str:
    """The hash of some texts, in hexadecimal digits."""
    return sha256("\0".join(map(without_secrets, texts)).encode()).hexdigest()[:_DIGITS]


def without_secrets(text: str) -> str:
    """A text without secrets, and without ids and times that differ from run to run."""
    return StableIds().text(secrets_of().replace(as_text(text)))


def canonical(value: Any) -> str:
    """A plain value as JSON that is the same wherever it is written."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


_LONGEST: Final = 60  # characters; of longer settings the hash is locked
_HEADERS: Final = "extra_headers"


def model_facts(model: object) -> Iterator[tuple[str, str]]:
    """The name and the settings of a model, by kind; nothing of a scripted one."""
    if not isinstance(model, Model) or isinstance(model.origin, ScriptedModel):
        return
    yield "model", without_secrets(model.name)
    settings = getattr(model, "settings", None)
    given = settings.model_dump(exclude_none=True) if isinstance(settings, ModelSettings) else {}
    if given:
        yield "settings", ", ".join(f"{name}={_shown(name, given[name])}" for name in sorted(given))


def _shown(name: str, value: Any) -> str:
    if name == _HEADERS and isinstance(value, dict):
        return canonical(sorted(value))  # their values are keys and ids, never words of a prompt
    text = without_secrets(
        canonical(_without_secrets({name: to_jsonable_python(value, bytes_mode="base64", fallback=_kind)})[name])
    )
    return text if len(text) <= _LONGEST else digest(text)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: PLACEHOLDER if _is_secret(str(name)) else _without_secrets(inner) for name, inner in value.items()
        }
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value


def _is_secret(name: str) -> bool:
    return is_secret_parameter(name) or is_secret_header(name)


def _kind(value: object) -> str:
    return type(value).__name__


_ENGINE: Final = "antiphon"


def facts_of(template: Template) -> Iterator[tuple[str, str]]:
    """What is known of a template before a model answers, by kind."""
    for fact in template.facts():
        yield from _locked(fact)
    yield from _code(type(template))


def _locked(fact: Fact) -> Iterator[tuple[str, str]]:
    kind = fact.kind if fact.kind in KINDS else "text"
    details = [detail if isinstance(detail, str) else canonical(detail) for detail in fact.details]
    if fact.text is not None:
        yield kind, labelled(fact.name or fact.kind, fact.text, *details)
    elif details:
        yield kind, f"{fact.name or fact.kind} {digest(*details)}"
    yield from model_facts(fact.model)


def _code(kind: type) -> Iterator[tuple[str, str]]:
    """The string literals in a class of the user's that renders by itself."""
    if _is_ours(kind._render):  # type: ignore[attr-defined]  # every template has one
        return
    own = [cls for cls in kind.__mro__ if issubclass(cls, Template) and not _is_ours(cls)]
    try:
        literals = [text for cls in own for text in _literals(_source(cls))]
    except (OSError, TypeError, SyntaxError) as error:
        yield "code", f"{kind.__name__} cannot be read: {type(error).__name__}"
    else:
        yield "code", labelled(kind.__name__, max(literals, key=len, default=""), *literals)


def _source(cls: type) -> str:
    """The source of a class; for one made by ``exec`` Python 3.13 would give other lines of its module."""
    codes = [value.__code__ for value in vars(cls).values() if inspect.isfunction(value)]
    if any(code.co_filename.startswith("<") for code in codes):
        raise OSError("it has no file")
    return inspect.getsource(cls)


def _is_ours(code: Any) -> bool:
    return bool(code.__module__.partition(".")[0] == _ENGINE)


def _literals(source: str) -> list[str]:
    """The string literals in some code, without its docstrings; the code may be indented."""
    tree = ast.parse(f"if True:\n{source}" if source[:1].isspace() else source)
    documented = {id(_docstring(node)) for node in ast.walk(tree)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [str(node.value) for node in texts if id(node) not in documented]


def _docstring(node: ast.AST) -> ast.AST | None:
    first = next(iter(getattr(node, "body", None) or ()), None) if isinstance(node, _DOCUMENTED) else None
    return first.value if isinstance(first, ast.Expr) else None


_DOCUMENTED: Final = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
