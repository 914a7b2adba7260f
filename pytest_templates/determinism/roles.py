"""The roles of a process under ``--templates-twice``: it runs the tests for the first or for the second time.

The second run is another pytest with the same arguments. It is told by the environment what it is, and where its plan
lies: the tests that are to be run again. What came of them it leaves there.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_templates.run.options import OPTIONS, Options

FOLDER: Final = "_PYTEST_TEMPLATES_SECOND_RUN"  # in the environment, and in what xdist tells its workers
PLAN: Final = "plan.json"  # in the folder
RESULT: Final = "result.json"
_SECOND = pytest.StashKey[Path]()
_NOT_AGAIN: Final = {
    "lf": False,  # these choose other tests than the first run had
    "failedfirst": False,
    "newfirst": False,
    "stepwise": False,
    "maxfail": 0,
    "usepdb": False,  # nobody could type
    "trace": False,
    "update_snapshots": False,  # syrupy's
}


def enter(config: pytest.Config) -> None:
    """Learn whether this process is of the second run, before other plugins look at their options."""
    given = getattr(config, "workerinput", {}).get(FOLDER) or os.environ.pop(FOLDER, None)
    if given is None:
        return
    config.stash[_SECOND] = Path(given)
    for name, value in _NOT_AGAIN.items():
        if hasattr(config.option, name):
            setattr(config.option, name, value)


def is_second(config: pytest.Config) -> bool:
    """Whether this process is of the second run."""
    return _SECOND in config.stash


def options_for(config: pytest.Config, options: Options) -> Options:
    """The options of this process: the second run replays, and says and writes nothing of its own."""
    if _SECOND not in config.stash:
        return options
    return replace(
        options,
        record="none",
        summary=False,
        unused="ignore",
        live=False,
        max_cost=None,
        coverage=False,
        fail_under=None,
        budget=None,
        json=None,
    )


def play(config: pytest.Config) -> None:
    """Take the role of this process."""
    if not config.stash[OPTIONS].twice:
        return
    is_worker = hasattr(config, "workerinput")
    plays: list[Any] = []
    if _SECOND in config.stash:
        from pytest_templates.determinism.plugin import Planned, Second

        plays = [Planned(config.stash[_SECOND])] + ([] if is_worker else [Second(config.stash[_SECOND])])
    elif not is_worker:
        from pytest_templates.determinism.plugin import First

        plays = [First(config)]
    for part in plays:
        config.pluginmanager.register(part, f"templates-{type(part).__name__.lower()}")
