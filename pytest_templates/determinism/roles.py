"""Which of the two runs of ``--templates-twice`` a process belongs to.

The second run is another pytest with the same arguments. It is told by the environment what it is, and where its plan
lies: the tests that are to be run again. What came of them it leaves there.
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

FOLDER: Final = "_PYTEST_TEMPLATES_SECOND_RUN"  # in the environment, and in what xdist tells its workers
PLAN: Final = "plan.json"  # in that folder
RESULT: Final = "result.json"

_SECOND: Final = pytest.StashKey[Path]()
_CHANGED: Final = {
    "lf": False,  # these choose other tests than the first run had
    "failedfirst": False,
    "newfirst": False,
    "stepwise": False,
    "maxfail": 0,
    "usepdb": False,  # nobody could type
    "trace": False,
    "update_snapshots": False,  # syrupy's
}


class Outcome(TypedDict):
    """What became of a test in its second run.

    Attributes:
        calls: Of its models.
        failure: Why it did not pass; ``""`` where it did.
    """

    calls: list[RecordedCall]
    failure: str


RECORDED_CALLS: Final = ReportData[list["RecordedCall"]]("recorded_calls")  # of the models of a test


def enter(config: pytest.Config) -> None:
    """Learn whether this process is of the second run, before anybody looks at their options."""
    given = worker_input(config).get(FOLDER) or os.environ.pop(FOLDER, None)
    if given is None:
        return
    config.stash[_SECOND] = Path(given)
    config.stash[REPEATED] = True
    for name, value in _CHANGED.items():
        if hasattr(config.option, name):
            setattr(config.option, name, value)


def folder_of_second(config: pytest.Config) -> Path | None:
    """Where the plan of the second run lies; ``None`` in the first."""
    return config.stash.get(_SECOND, None)
