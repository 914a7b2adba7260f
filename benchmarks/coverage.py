"""What --templates-coverage costs a suite of 1,000 tests: processor time of whole runs, with and without it."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from measuring import show

TESTS = 1_000
ROUNDS = 11
SUITE = f"""
import pytest
from antiphon import *

def desk():
    quick = AssistantTemplate(template_id="quick")
    again = AssistantTemplate(template_id="again")
    stop = IfTemplate(lambda session: "x" in session.last.content, BreakTemplate())
    urgent = IfTemplate(lambda session: session.metadata["number"] % 2 == 0, quick, UserTemplate("No hurry."))
    turns = LoopTemplate([again, stop], exit_loop_count=3, template_id="turns")
    return LinearTemplate([UserTemplate("Hello."), urgent, turns], template_id="desk")

@pytest.mark.parametrize("number", range({TESTS}))
def test_desk(number, scripted_model):
    model = scripted_model(allow_unused=True)
    model.on(template="*").reply("a", times=None)
    Runner(model, template=desk()).run(Session(metadata={{"number": number}}))
"""


def processor_seconds(folder: Path, *options: str) -> tuple[float, str]:
    """User and system time of a run, and its output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    run = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, run.stdout


def main() -> None:
    """Measure in turns, and print medians."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_desk.py").write_text(SUITE, encoding="utf-8")
        processor_seconds(folder)  # compiles what is not compiled yet
        rounds = [
            (processor_seconds(folder)[0], processor_seconds(folder, "--templates-coverage")) for _ in range(ROUNDS)
        ]
    show(
        f"A suite of {TESTS:,} tests",
        ("", "seconds", "times without"),
        (
            ("without coverage", median(without for without, _ in rounds), 1.0),
            (
                "with coverage",
                median(cost for _, (cost, _) in rounds),
                median(c / without for without, (c, _) in rounds),
            ),
        ),
    )
    print("\n".join(line for line in rounds[0][1][1].splitlines() if "rendered" in line or "never" in line))


if __name__ == "__main__":
    main()
