"""A small program with its tests and recordings, to be copied, run and played with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

_DESK = Path(__file__).parent / "desk"


def run_demo(folder: Path) -> int:
    """Copy the demo to a new folder and run its tests there.

    Args:
        folder: Where to; it must not exist yet, or be empty.

    Returns:
        The exit status of pytest; 2 where the folder is in use.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        print(f"{folder} exists and is not empty: name another folder, as in `demo DIR`", file=sys.stderr)
        return 2
    shutil.copytree(_DESK, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    tests = subprocess.run([sys.executable, "-m", "pytest", "--templates-summary"], cwd=folder, check=False)
    if tests.returncode == 0:
        print(f"\nThe program and its tests are in {folder}: see README.md there for things to try.")
    return tests.returncode
