"""``python -m pytest_templates demo``: a small program with tests and recordings to copy, run and break."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from pytest_templates.support.text import command_line, counted, table, terminal_width


@dataclass(frozen=True, slots=True)
class PlantedFault:
    """A fault that is planted in one place of the demo.

    Attributes:
        kind: What it is an example of.
        file: The file, relative to the demo's folder.
        sound: The text that it replaces, which occurs once.
        faulty: The text with the fault: a line of comment, and the fault below.
        seen_as: What pytest prints of it.
        remedy: How it is mended.
    """

    kind: str
    file: str
    sound: str
    faulty: str
    seen_as: str
    remedy: str


FAULTS: Final = (
    PlantedFault(
        kind="wrong model",
        file="support_desk.py",
        sound="""\
            AssistantTemplate(model=model, template_id="note"),
""",
        faulty="""\
            # Planted fault: the note names no model, so that the runner's own writes it.
            AssistantTemplate(template_id="note"),
""",
        seen_as="models are not as expected",
        remedy="give the template its model=model again",
    ),
    PlantedFault(
        kind="mutating subroutine",
        file="support_desk.py",
        sound="""\
        del session.metadata["customer"]
""",
        faulty="""\
        # Planted fault: this takes the customer out of the conversation, and not out of research's copy.
        del parent_session.metadata["customer"]
""",
        seen_as="IsolationViolation",
        remedy="take it out of session.metadata again",
    ),
    PlantedFault(
        kind="changed prompt",
        file="prompts/triage.jinja",
        sound="""\
What is this request about? Answer with one word: delivery, refund or other.
""",
        faulty="""\
{#- Planted fault: the model was asked to answer "with one word" when its answer was recorded. -#}
What is this request about? Answer in a word: delivery, refund or other.
""",
        seen_as="CassetteMiss",
        remedy='write "with one word" again',
    ),
    PlantedFault(
        kind="unscripted call",
        file="support_desk.py",
        sound="""\
            research(models.research),
""",
        faulty="""\
            # Planted fault: one call of a model more than the script of the tests has answers for.
            AssistantTemplate(model=models.answer, template_id="apology"),
            research(models.research),
""",
        seen_as="UnscriptedCall",
        remedy="take the template 'apology' out again",
    ),
)


def plant(folder: Path) -> None:
    """Plant the faults in a copy of the demo.

    Raises:
        ValueError: The text that a fault replaces does not occur exactly once.
    """
    for fault in FAULTS:
        file = folder / fault.file
        text = file.read_text(encoding="utf-8")
        if text.count(fault.sound) != 1:
            raise ValueError(f"{file} holds {text.count(fault.sound)} places for the fault {fault.kind!r}, and not one")
        file.write_text(text.replace(fault.sound, fault.faulty), encoding="utf-8")


def guide(folder: Path, run_tests: str) -> str:
    """A table of the faults that are left: where each is planted, how pytest shows it, and how it is mended.

    Args:
        folder: The copy of the demo.
        run_tests: The command that runs its tests in that folder.
    """
    heads = ("fault", "planted in", "seen above as", "to mend it")
    left = [(fault, line) for fault in FAULTS if (line := _line(folder, fault)) is not None]
    rows = [(fault.kind, f"{fault.file}:{line}", fault.seen_as, fault.remedy) for fault, line in left]
    return (
        f"The program in {folder} has {counted(len(left), 'fault')}, each below a comment that begins with "
        f'"Planted fault":\n\n{table(heads, rows, width=terminal_width())}\n\n'
        f"Mend them one by one, and run `{run_tests}` in {folder} after each: at last all tests pass.\n"
        "One fault may fail several tests, and hide another, which shows when it is mended."
    )


def _line(folder: Path, fault: PlantedFault) -> int | None:
    """The line below the comment, counted from 1; ``None`` where the fault is not there."""
    before, found, _ = (folder / fault.file).read_text(encoding="utf-8").partition(fault.faulty)
    return before.count("\n") + 2 if found else None


_DESK = Path(__file__).parent / "desk"
_MODEL = "smollm2-135m"
_PORT = 8099  # of the desk's models; the recordings hold the address
_REPORT: Final = "report.html"
_REPORTED: Final = f"--templates-report={_REPORT}"
_OF_COPY: Final = ("pytest.ini", "tests/test_support_desk.py", *sorted({fault.file for fault in FAULTS}))
_PYTEST = (sys.executable, "-m", "pytest")  # also where no virtual environment is active


def run_demo(folder: Path) -> int:
    """Copy the demo to a new folder and run its tests there, offline; or run them in a folder that holds it already.

    Args:
        folder: The folder; it does not exist yet, is empty, or holds a copy of the demo, which is left as it is.

    Returns:
        The exit status of pytest; 2 where the folder is in use.
    """
    if not _is_copy(folder) and not _copied_to(folder):
        return 2
    status = _run_tests(folder, "--templates-summary", _REPORTED)
    _name_report(folder)
    if status == 0:
        print(f"\nThe program and its tests are in {folder}: see README.md there for things to try.")
        print(f"The tests run again, in that folder, by: {command_line(_PYTEST)}")
    return status


def run_broken_demo(folder: Path) -> int:
    """Copy the demo to a new folder, plant faults in it, run its tests, and print how the faults are mended.

    Args:
        folder: The folder; it does not exist yet, is empty, or holds a copy with faults, which is left as it is.

    Returns:
        The exit status of pytest: 1, for the tests that fail; 2 where the folder is in use.
    """
    if not (_is_copy(folder) and any(_line(folder, fault) is not None for fault in FAULTS)):
        if not _copied_to(folder):
            return 2
        plant(folder)
    status = _run_tests(folder, _REPORTED)
    _name_report(folder)
    print(f"\n{guide(folder, command_line(_PYTEST))}")
    return status


def record_demo(folder: Path) -> int:
    """Copy the demo to a new folder without its recordings, and record them anew from a real model on this machine.

    Args:
        folder: The new folder; it must not exist yet, or be empty.

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
        print(f"\nThe recordings are in {folder / 'cassettes'}; `{command_line(_PYTEST)}` there replays them.")
    return status


def _is_copy(folder: Path) -> bool:
    """Whether a folder holds the demo already, as it was copied or as somebody has changed it since."""
    return all((folder / file).is_file() for file in _OF_COPY)


def _name_report(folder: Path) -> None:
    report = folder / _REPORT
    if report.is_file():
        print(f"\nWhat was said in each test, and what it took, is in {report}: open it in a browser.")


def _copied_to(folder: Path, *left_out: str) -> bool:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        print(f"{folder} exists and is not empty: name another folder, as in `demo DIR`", file=sys.stderr)
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
        shutil.copytree(_DESK, folder, ignore=shutil.ignore_patterns("__pycache__", *left_out), dirs_exist_ok=True)
    except OSError as error:
        print(f"{folder} cannot be written: {error.strerror or error}", file=sys.stderr)
        return False
    return True


def _run_tests(folder: Path, *options: str) -> int:
    command = [*_PYTEST, "-p", "no:asyncio", *options]  # warns of ini files without its option
    return subprocess.run(command, cwd=folder, check=False).returncode  # noqa: S603  # this interpreter
