"""The cassette of a marked test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_templates.markers import CassetteMark
from pytest_templates.options import Options

if TYPE_CHECKING:
    from pytest_templates.cassettes.library import OpenCassette


_KEYS = tuple(
    f"{provider}_API_KEY"
    for provider in ("ANTHROPIC", "CEREBRAS", "CO", "DEEPSEEK", "FIREWORKS", "GOOGLE", "GROQ", "MISTRAL", "OPENAI")
)
_SAVED = pytest.StashKey[set[Path]]()


@contextmanager
def placeholder_keys() -> Iterator[None]:
    """Let clients be made that insist on a key, while nothing is sent: a replay needs none."""
    missing = [name for name in _KEYS if name not in os.environ]
    os.environ.update(dict.fromkeys(missing, "no-key-in-replay"))
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


def save(item: pytest.Item, cassette: OpenCassette) -> None:
    """Save the cassette of a test that passed.

    Raises:
        CassetteError: The file cannot be written, or would hold a secret.
    """
    cassette.save()
    item.config.stash.setdefault(_SAVED, set()).add(cassette.path)


def open_for(item: pytest.Item, mark: CassetteMark, options: Options) -> AbstractContextManager[OpenCassette]:
    """Open the cassette of a test.

    Raises:
        CassetteError: The file cannot be read.
    """
    from pytest_templates.cassettes.library import open_cassette
    from pytest_templates.cassettes.settings import CassetteSettings
    from pytest_templates.customs import rules_for

    path = path_for(item, mark, options)
    again, mode = path in item.config.stash.get(_SAVED, set()), options.record
    settings = CassetteSettings(
        path=path,
        mode="missing" if mode == "all" and again else mode,  # what another test has just recorded is kept
        ignore=mark.ignore,
        record_command=f'pytest "{item.nodeid}" --templates-record=missing',
        **({} if mark.match_on is None else {"match_on": mark.match_on}),
    )
    return open_cassette(settings, rules=rules_for(item))


def path_for(item: pytest.Item, mark: CassetteMark, options: Options) -> Path:
    """The file of a test's cassette."""
    from pytest_templates.cassettes.settings import cassette_path

    if mark.name is not None:
        return options.cassettes / f"{mark.name}.yaml"
    return cassette_path(options.cassettes, module_of(item), _name(item))


def module_of(node: pytest.Item | pytest.File) -> Path:
    """The path of a test's module from the root directory; just its name where it lies elsewhere."""
    root = node.config.rootpath
    return node.path.relative_to(root) if node.path.is_relative_to(root) else Path(node.path.name)


def _name(item: pytest.Item) -> str:
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    return ".".join([*classes, item.name])
