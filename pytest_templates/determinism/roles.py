"""Which of the two runs of ``--templates-twice`` a process belongs to.

The second run is another pytest with the same arguments. An environment variable names the folder with its plan: the
tests that are to be run again. It writes their outcomes to the same folder, and nothing anywhere else: our options that
make files have another value there (``repeated`` of `run.options.Option`), those of pytest are changed here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

import pytest

from pytest_templates.run.options import REPEATED
from pytest_templates.run.processes import worker_input
from pytest_templates.run.report_data import ReportData

if TYPE_CHECKING:
    from pytest_templates.cassettes.reading.calls import RecordedCall

FOLDER: Final = "_PYTEST_TEMPLATES_SECOND_RUN"  # in the environment, and in the input of workers of xdist
PLAN: Final = "plan.json"  # in that folder
RESULT: Final = "result.json"

_SECOND: Final = pytest.StashKey[Path]()
_CHANGED: Final = {
    "lf": False,  # these would select other tests than in the first run
    "failedfirst": False,
    "newfirst": False,
    "stepwise": False,
    "stepwise_skip": False,
    "stepwise_reset": False,
    "maxfail": 0,
    "usepdb": False,  # its input is closed
    "trace": False,
    **dict.fromkeys(("update_snapshots", "update_new_snapshots_only"), False),  # these would write files: syrupy's
    **dict.fromkeys(("xmlpath", "pastebin", "basetemp"), None),  # and pytest's own
    "log_file": os.devnull,
}


class Outcome(TypedDict):
    """The outcome of a test in its second run.

    Attributes:
        calls: The calls of its models.
        failure: Why it did not pass; ``""`` if it did.
    """

    calls: list[RecordedCall]
    failure: str


RECORDED_CALLS: Final = ReportData[list["RecordedCall"]]("recorded_calls")  # of the models of a test


def enter(config: pytest.Config) -> None:
    """Find out whether this process belongs to the second run, before any option is read."""
    given = worker_input(config).get(FOLDER) or os.environ.pop(FOLDER, None)
    if given is None:
        return
    config.stash[_SECOND] = Path(given)
    write_nothing(config)


def write_nothing(config: pytest.Config) -> None:
    """Let a run repeat what another has done: it selects what it is given, records nothing and writes no files."""
    config.stash[REPEATED] = True
    for name, value in _CHANGED.items():
        if hasattr(config.option, name):
            setattr(config.option, name, value)


def folder_of_second(config: pytest.Config) -> Path | None:
    """The folder with the plan of the second run; ``None`` in the first."""
    return config.stash.get(_SECOND, None)
