"""The cassette of a marked test."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_templates.markers import CassetteMark
from pytest_templates.options import Options, RecordMode

if TYPE_CHECKING:
    from pytest_templates.cassettes.library import OpenCassette
    from pytest_templates.costs import Spending


_KEYS = tuple(
    f"{provider}_API_KEY"
    for provider in ("ANTHROPIC", "CEREBRAS", "CO", "DEEPSEEK", "FIREWORKS", "GOOGLE", "GROQ", "MISTRAL", "OPENAI")
)
_CAUTION = (
    "The environment variable CI is set, so no cassette is begun here, whatever --templates-record says:\n"
    "record it elsewhere and commit it, or unset CI."
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


def open_for(
    item: pytest.Item, mark: CassetteMark, options: Options, spending: Spending | None
) -> AbstractContextManager[OpenCassette]:
    """Open the cassette of a test.

    Args:
        item: The test.
        mark: What its marker says.
        options: What the run's options say.
        spending: What the test may spend; ``None`` for any sum.

    Raises:
        CassetteError: The file cannot be read.
    """
    from pytest_templates.cassettes.library import open_cassette
    from pytest_templates.cassettes.settings import CassetteSettings, cassette_path
    from pytest_templates.customs import rules_for

    if mark.name is None:
        path = cassette_path(options.cassettes, _module(item), _name(item))
    else:
        path = options.cassettes / f"{mark.name}.yaml"
    refused = options.record != "none" and _in_ci() and not path.exists()
    settings = CassetteSettings(
        path=path,
        mode="none" if refused else _mode(item, mark, path, options.record),
        ignore=mark.ignore,
        record_command=record_command(item),
        caution=_CAUTION if refused else "",
        before_sending=None if spending is None else spending.check,
        **({} if mark.match_on is None else {"match_on": mark.match_on}),
    )
    return open_cassette(settings, rules=rules_for(item))


def record_command(item: pytest.Item) -> str:
    """The command that runs a test as it was run now, to be typed where pytest was started; without a record mode."""
    started = item.config.invocation_params.dir
    inside = item.nodeid.partition("::")[1:]
    words = ["pytest", Path(os.path.relpath(item.path, started)).as_posix() + "".join(inside)]
    given = item.config.getoption("--templates-cassettes")
    if given:
        words.append(f"--templates-cassettes={given}")
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def _mode(item: pytest.Item, mark: CassetteMark, path: Path, wanted: RecordMode) -> RecordMode:
    """What may be done with a cassette: what belongs to other tests is kept."""
    if wanted == "all" and path in item.config.stash.get(_SAVED, set()):
        return "missing"  # another test has just recorded it
    if wanted == "changed" and mark.name is not None:
        return "missing"  # what this test does not use may be another's
    return wanted


def _in_ci() -> bool:
    return os.environ.get("CI", "").strip().lower() not in {"", "0", "false", "no", "off"}


def _module(item: pytest.Item) -> Path:
    """The path of the test's module from the root directory; just its name where it lies elsewhere."""
    root = item.config.rootpath
    return item.path.relative_to(root) if item.path.is_relative_to(root) else Path(item.path.name)


def _name(item: pytest.Item) -> str:
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    return ".".join([*classes, item.name])
