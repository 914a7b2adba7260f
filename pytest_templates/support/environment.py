"""The environment of a run: continuous integration, installed packages, user code and library code, API keys."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest


def in_ci() -> bool:
    """Whether this is continuous integration, where nothing is written that people have to commit."""
    return bool(known_ci())


def known_ci() -> str:
    """By what continuous integration is known here, in words; ``""`` where this is none.

    The environment variable ``CI`` decides where it is set, also to a word for no. Not every server sets it (Jenkins,
    TeamCity and Azure Pipelines do not): `ci_info` knows them by what they set.
    """
    said = os.environ.get("CI", "").strip().lower()
    if said:
        return "" if said in {"0", "false", "no", "off"} else "the environment variable CI is set"
    from ci_info import name

    server = name()
    return f"{server} is recognised" if server else ""


_STANDARD_LIBRARY: Final = Path(os.__file__).parent
_OURS: Final = frozenset({"antiphon", "pytest_templates"})


def is_users(module: str, file: str) -> bool:
    """Whether code is the user's: neither installed, nor of the standard library, nor ours.

    Args:
        module: The name of its module; ``""`` for none.
        file: The file that it was compiled from.
    """
    path = Path(file)
    installed = "site-packages" in path.parts or path.is_relative_to(_STANDARD_LIBRARY)
    return not installed and module.partition(".")[0] not in _OURS


@lru_cache(maxsize=1024)
def is_users_module(name: str) -> bool:
    """Whether a loaded module is the user's; one without a file is not."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is not None and is_users(name, file)


HOW_TO_INSTALL: Final = 'pip install "antiphon[pytest]"'
HOW_TO_REACH: Final = 'pip install "antiphon[pytest,remote]"'


def require_packages(what: str, *packages: str) -> None:
    """Fail the test where a package is missing; the text says what to install.

    Args:
        what: What needs the packages, in words.
        packages: Their names in import statements.
    """
    __tracebackhide__ = True
    missing = [name for name in packages if not _is_installed(name)]
    if missing:
        which = "which is" if len(missing) == 1 else "which are"
        pytest.fail(f"{what} needs {', '.join(missing)}, {which} not installed: {HOW_TO_INSTALL}", pytrace=False)


@cache
def _is_installed(package: str) -> bool:
    return find_spec(package) is not None


_PROVIDERS: Final = (
    *("ANTHROPIC", "CEREBRAS", "CO", "DEEPSEEK", "FIREWORKS"),
    *("GOOGLE", "GROQ", "MISTRAL", "OPENAI", "XAI"),
)
_KEYS: Final = tuple(f"{provider}_API_KEY" for provider in _PROVIDERS)


@contextmanager
def placeholder_keys() -> Iterator[None]:
    """Set missing API keys to placeholders: clients insist on a key, also where nothing is sent, as in a replay."""
    missing = [name for name in _KEYS if name not in os.environ]
    os.environ.update(dict.fromkeys(missing, "no-key-in-replay"))
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)
