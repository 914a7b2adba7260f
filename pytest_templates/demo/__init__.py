"""A small program with its tests and recordings, to be copied, run and played with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from pytest_templates.demo.planting import guide, plant

_DESK = Path(__file__).parent / "desk"
_MODEL = "smollm2-135m"
_PORT = 8099  # where the desk's models are; the recordings hold the address


def run_demo(folder: Path) -> int:
    """Copy the demo to a new folder and run its tests there, offline.

    Args:
        folder: Where to; it must not exist yet, or be empty.

    Returns:
        The exit status of pytest; 2 where the folder is in use.
    """
    if not _copied_to(folder):
        return 2
    status = _run_tests(folder, "--templates-summary")
    if status == 0:
        print(f"\nThe program and its tests are in {folder}: see README.md there for things to try.")
    return status


def run_broken_demo(folder: Path) -> int:
    """Copy the demo to a new folder, plant faults in it, run its tests, and say how the faults are mended.

    Args:
        folder: Where to; it must not exist yet, or be empty.

    Returns:
        The exit status of pytest: 1, for the tests that fail; 2 where the folder is in use.
    """
    if not _copied_to(folder):
        return 2
    plant(folder)
    status = _run_tests(folder)
    print(f"\n{guide(folder)}")
    return status


def record_demo(folder: Path) -> int:
    """Copy the demo to a new folder without its recordings, and record them anew from a real model on this machine.

    Args:
        folder: Where to; it must not exist yet, or be empty.

    Returns:
        The exit status of pytest; 2 where the folder is in use, or the model is not installed or does not start.
    """
    from antiphon.errors import ConnectionNotPossible
    from antiphon.providers.local import start_server, stop_server

    try:
        server, address = start_server(_MODEL, _PORT)
    except ConnectionNotPossible as error:
        print(error, file=sys.stderr)
        return 2
    try:
        if not _copied_to(folder, "cassettes"):
            return 2
        print(f"{_MODEL} answers at {address}; the tests record what it says.", flush=True)
        status = _run_tests(folder, "--templates-summary", "--templates-record=all")
    finally:
        stop_server(server)
    if status == 0:
        print(f"\nThe recordings are in {folder / 'cassettes'}; `python -m pytest` there replays them.")
    return status


def _copied_to(folder: Path, *left_out: str) -> bool:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        print(f"{folder} exists and is not empty: name another folder, as in `demo DIR`", file=sys.stderr)
        return False
    shutil.copytree(_DESK, folder, ignore=shutil.ignore_patterns("__pycache__", *left_out), dirs_exist_ok=True)
    return True


def _run_tests(folder: Path, *options: str) -> int:
    command = [sys.executable, "-m", "pytest", "-p", "no:asyncio", *options]  # warns of ini files without its option
    return subprocess.run(command, cwd=folder, check=False).returncode  # noqa: S603  # this interpreter
