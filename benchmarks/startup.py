"""What it costs that the plugin is installed: processor time of interpreters that import it and do nothing else."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from statistics import median

from measuring import show

ROUNDS = 15
PROGRAMS = {
    "python": "pass",
    "pytest": "import pytest",
    "pytest and the plugin": (
        "import pytest, importlib; from pytest_templates.plugin import ROOMS;"
        "[importlib.import_module(name) for name in ROOMS]"
    ),
    "the engine": "import antiphon",
}


def processor_seconds(program: str) -> float:
    """User and system time of an interpreter that runs a program."""
    compiling = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True, env=compiling)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure in turns, and print medians."""
    for program in PROGRAMS.values():
        processor_seconds(program)  # compiles what is not compiled yet
    rounds = [{name: processor_seconds(program) for name, program in PROGRAMS.items()} for _ in range(ROUNDS)]
    show(
        "Starting an interpreter that imports",
        ("", "milliseconds", "times pytest", "milliseconds beyond pytest"),
        (
            (
                name,
                median(one[name] for one in rounds) * 1e3,
                median(one[name] / one["pytest"] for one in rounds),
                median(one[name] - one["pytest"] for one in rounds) * 1e3,
            )
            for name in PROGRAMS
        ),
    )


if __name__ == "__main__":
    main()
