"""Transforms: changes of a session before and after a template."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from antiphon.copies import isolated
from antiphon.errors import InvalidType, naming_template, shown
from antiphon.parameters import check_text
from antiphon.session import Session
from antiphon.threads import is_async, is_plain_function


class SessionTransformer(ABC):
    """A change of a session; a plain function from session to session serves as well."""

    @abstractmethod
    def process(self, session: Session) -> Session:
        """Change the session, or make another; return the one to go on with."""


class UpdateMetadata(SessionTransformer):
    """Sets metadata: ``UpdateMetadata(topic="weather")``. Every session gets values of its own."""

    def __init__(self, **values: Any) -> None:
        self.values = values

    def process(self, session: Session) -> Session:
        """Set the values."""
        session.metadata.update(isolated(self.values))
        return session


class ResetMetadata(SessionTransformer):
    """Removes metadata: the keys given, or all where none is. A key that is not there is no error."""

    def __init__(self, *keys: str) -> None:
        for key in keys:
            check_text(key, "keys")
        self.keys = keys

    def process(self, session: Session) -> Session:
        """Remove the keys."""
        for key in self.keys or tuple(session.metadata):
            session.metadata.pop(key, None)
        return session


class ExtractCodeBlock(SessionTransformer):
    """Puts the first code block of the last message into the metadata.

    Args:
        key: Where in the metadata; ``None`` stands there when the message has no such block.
        lang: The language named at the block's fence; ``None`` takes a block of any language, or of none.
    """

    def __init__(self, key: str, lang: str | None = None) -> None:
        check_text(key, "key")
        if lang is not None:
            check_text(lang, "lang")
        self.key = key
        self.lang = lang

    def process(self, session: Session) -> Session:
        """Find the block; its text comes without the fences and without the line break before the last one."""
        text = session.messages[-1].content if session.messages else ""
        blocks = re.finditer(_CODE_BLOCK, text, re.DOTALL | re.MULTILINE)
        found = (block["code"] for block in blocks if self.lang in {None, block["lang"]})
        session.metadata[self.key] = next(found, None)
        return session


# Fences as in CommonMark 0.31, section 4.5: three or more backticks or tildes, closed by at least as many.
_CODE_BLOCK = (
    r"^[ ]{0,3}(?P<fence>`{3,}|~{3,})[ \t]*(?P<lang>[^\s`]*)[^\n`]*\n(?P<code>.*?)\n?^[ ]{0,3}(?P=fence)[`~]*[ \t]*$"
)

Transform: TypeAlias = SessionTransformer | Callable[[Session], Session]
Transforms: TypeAlias = Transform | Sequence[Transform] | None


def as_transforms(given: Transforms, parameter: str) -> tuple[Transform, ...]:
    """The transforms of a template's parameter, as a tuple.

    Raises:
        InvalidType: Something given is no transform.
    """
    if given is None:
        return ()
    transforms: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
    for transform in transforms:
        _check(transform, parameter)
    return tuple(transforms)


def _check(transform: Any, parameter: str) -> None:
    is_ours = isinstance(transform, SessionTransformer)
    if is_async(transform.process if is_ours else transform):
        raise InvalidType(
            f"{parameter} takes plain functions, which return a session at once, and not an async one: {transform!r}"
        )
    if not is_ours and not is_plain_function(transform):
        raise InvalidType(
            f"{parameter} takes SessionTransformers and functions from session to session, "
            f"not {shown(transform, SessionTransformer)}"
        )


def transformed(session: Session, transforms: Sequence[Transform], parameter: str) -> Session:
    """The session after the transforms of a template's parameter, in their order.

    Raises:
        InvalidType: A transform returned something that is no session.
    """
    for transform in transforms:
        result: object = transform.process(session) if isinstance(transform, SessionTransformer) else transform(session)
        if not isinstance(result, Session):
            raise naming_template(
                InvalidType(
                    f"the {parameter} {_name(transform)} of the template at {session.template_path!r} returned "
                    f"{shown(result, Session)}; a transform returns the session to go on with: "
                    "did you forget to return the session?"
                )
            )
        session.run.moved_to(result)
        session = result
    return session


def _name(transform: Transform) -> str:
    if isinstance(transform, SessionTransformer):
        return f"{type(transform).__name__}.process"
    return str(getattr(transform, "__qualname__", None) or repr(transform))
