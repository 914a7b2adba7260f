"""The cassette of a marked test."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from pytest_templates.run.markers import CassetteMark
from pytest_templates.run.options import OPTIONS, Options, RecordMode
from pytest_templates.support.environment import in_ci

if TYPE_CHECKING:
    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.cassettes.settings import Author
    from pytest_templates.spending.cost_limit import Spending


_KEYS = tuple(
    f"{provider}_API_KEY"
    for provider in ("ANTHROPIC", "CEREBRAS", "CO", "DEEPSEEK", "FIREWORKS", "GOOGLE", "GROQ", "MISTRAL", "OPENAI")
)
_CAUTION = (
    "The environment variable CI is set, so no cassette is begun here, whatever --templates-record says:\n"
    "record it elsewhere and commit it, or unset CI."
)
_RUN = pytest.StashKey["Run"]()
_RUN_ID = "templates_run"


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


class Run:
    """This run, the same in all of its processes: its id tells recordings that belong to it from older ones.

    Args:
        config: Of this process, a worker's or the one that users started.
    """

    def __init__(self, config: pytest.Config) -> None:
        worker = getattr(config, "workerinput", None)
        self._is_worker = worker is not None
        self._options = config.stash[OPTIONS]
        self.id: str = uuid4().hex if worker is None else worker[_RUN_ID]
        config.stash[_RUN] = self

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of xdist."""
        node.workerinput[_RUN_ID] = self.id

    def pytest_unconfigure(self) -> None:
        """Leave nothing behind that was of use for this run only."""
        if self._options.record != "none" and not self._is_worker:
            from pytest_templates.cassettes.storage import merging

            merging.forget(self._options.store, self.id)


def open_for(
    item: pytest.Item,
    mark: CassetteMark,
    options: Options,
    spending: Spending | None,
    complain: Callable[[Exception], None],
) -> OpenCassette:
    """Open the cassette of a test.

    Args:
        item: The test.
        mark: What its marker says.
        options: What the run's options say.
        spending: What the test may spend; ``None`` for any sum.
        complain: Told of every request that can be neither replayed nor sent.

    Raises:
        CassetteError: The file cannot be read.
    """
    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.cassettes.project_rules import rules_for
    from pytest_templates.cassettes.settings import CassetteSettings, overridden_path
    from pytest_templates.cassettes.storage.store import existing

    own = path_for(item, mark, options)
    path = overridden_path(own, options.cassettes, options.overrides)
    refused = options.record != "none" and in_ci() and existing(path, options.store) is None
    settings = CassetteSettings(
        path=path,
        base=own if options.overrides else None,
        overriding=frozenset(override.model for override in options.overrides),
        mode="none" if refused else _mode(mark, options.record),
        ignore=mark.ignore,
        record_command=record_command(item),
        caution=_CAUTION if refused else "",
        before_sending=None if spending is None else spending.check,
        complain=complain,
        store=options.store,
        author=_author(item, mark, options),
        **({} if mark.match_on is None else {"match_on": mark.match_on}),
    )
    return OpenCassette(settings, rules=rules_for(item))


def record_command(item: pytest.Item) -> str:
    """The command that runs a test as it was run now, to be typed where pytest was started; without a record mode."""
    started = item.config.invocation_params.dir
    inside = item.nodeid.partition("::")[1:]
    words = ["pytest", Path(os.path.relpath(item.path, started)).as_posix() + "".join(inside)]
    given = item.config.getoption("--templates-cassettes")
    if given:
        words.append(f"--templates-cassettes={given}")
    words += [override.option for override in item.config.stash[OPTIONS].overrides]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def _mode(mark: CassetteMark, wanted: RecordMode) -> RecordMode:
    """What may be done with a cassette: what a test does not use of a named one may be another's."""
    return "missing" if wanted == "changed" and mark.name is not None else wanted


def _author(item: pytest.Item, mark: CassetteMark, options: Options) -> Author:
    from pytest_templates.cassettes.settings import Author

    if mark.name is None or options.record == "none":
        return Author(item.nodeid)
    items = item.session.items
    place = next((place for place, other in enumerate(items) if other is item), len(items))
    return Author(item.nodeid, item.config.stash[_RUN].id, place)


def path_for(item: pytest.Item, mark: CassetteMark, options: Options) -> Path:
    """The file of a test's cassette, where no template asks another model."""
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
