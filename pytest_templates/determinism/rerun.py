"""Running tests again in another process, as on another machine on another day."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from random import randrange
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from pytest_templates.determinism.roles import FOLDER, PLAN, RESULT, Outcome

_ZONES: Final = (("Etc/GMT-14", 14), ("Etc/GMT+12", -12))  # with their hours from UTC: it is never the same day in both
_SEEDS: Final = 2**32  # of hashes, as PYTHONHASHSEED takes them
_SHOWN: Final = 3000  # characters of the output of a run that did not end well


class ChangedEnvironment:
    """What is different in the second run, as it may be on another machine on another day.

    Args:
        hash_seed: The seed of the hashes of texts, on which the order of sets depends.
        zone: A time zone in which it is another day.
    """

    def __init__(self, hash_seed: int, zone: str) -> None:
        self.variables = {"PYTHONHASHSEED": str(hash_seed), "TZ": zone}

    @classmethod
    def choose(cls) -> ChangedEnvironment:
        """One in which both are different from those of this process."""
        today = datetime.now().astimezone()
        zone = next(name for name, hours in _ZONES if _day(today, hours) != today.date())
        return cls(randrange(1, _SEEDS), zone)  # noqa: S311 - no secret: any will do

    @property
    def description(self) -> str:
        """What was different, as it is typed to have it again."""
        given = " ".join(f"{name}={value}" for name, value in self.variables.items())
        return f"The second run was another process, with {given}."


def run_again(config: pytest.Config, planned: Iterable[str], environment: ChangedEnvironment) -> dict[str, Outcome]:
    """The outcomes of tests in another process, by node id; tests that it does not have are missing.

    Ends this run if the other one comes to no end.
    """
    with TemporaryDirectory(prefix="templates-twice-") as name:
        folder = Path(name)
        (folder / PLAN).write_text(json.dumps(list(planned)), encoding="utf-8")
        process = subprocess.run(  # noqa: S603 - the command that the user has typed
            [sys.executable, "-m", "pytest", *config.invocation_params.args, *_own_cache(config, folder)],
            cwd=config.invocation_params.dir,
            env={**os.environ, **environment.variables, FOLDER: name},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if (folder / RESULT).exists():
            outcomes: dict[str, Outcome] = json.loads((folder / RESULT).read_text(encoding="utf-8"))
            return outcomes
    from pytest_templates.redaction.secrets import secrets_of

    output = secrets_of().replace(process.stdout.decode("utf-8", "replace"))[-_SHOWN:]
    pytest.exit(f"the second run of --templates-twice came to no end; it said:\n{output}", returncode=1)


def _own_cache(config: pytest.Config, folder: Path) -> list[str]:
    """The arguments by which the other process has a cache of its own, where pytest has one."""
    return ["-o", f"cache_dir={folder / 'cache'}"] if config.pluginmanager.has_plugin("cacheprovider") else []


def _day(moment: datetime, hours: int) -> date:
    return moment.astimezone(timezone(timedelta(hours=hours))).date()
