"""How old files are: since they were committed, or since they were written where git does not know them as they are."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pytest_templates.cassettes.store import Store

_UNITS: Final = (("year", 365 * 86400), ("month", 30 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60))


def times_of(paths: Sequence[Path], store: Store) -> dict[Path, float]:
    """When cassettes got their content, in seconds since 1970; of those behind a URL it is not known."""
    if not store.is_local:
        return {}
    committed = _committed(store.folder)
    return {path: committed.get(path.resolve(), path.stat().st_mtime) for path in paths}


def age(seconds: float) -> str:
    """A time span in its largest unit."""
    for unit, length in _UNITS:
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "now"


def _committed(folder: Path) -> dict[Path, float]:
    """The times of the last commits of files that were not changed since."""
    top = _git(folder, "rev-parse", "--show-toplevel").strip()
    changed = set(_git(folder, "diff", "--name-only", "-z", "HEAD", "--", ".").split("\0"))
    times: dict[Path, float] = {}
    for commit in _git(folder, "log", "--format=%x01%ct", "--name-only", "-z", "--no-renames", "--", ".").split("\1"):
        time, *names = commit.replace("\n", "\0").split("\0")
        for name in names:
            if name and name not in changed:
                times.setdefault(Path(top, name).resolve(), float(time))
    return times


def _git(folder: Path, *arguments: str) -> str:
    """What git says; nothing where there is no git, no repository or no commit."""
    command = ["git", *arguments]  # the one that the user has
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, check=True)  # noqa: S603 - words of this module
    except (OSError, subprocess.CalledProcessError):
        return ""
    return run.stdout.decode("utf-8", "surrogateescape")
