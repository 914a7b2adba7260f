"""Innocent programs, of the kinds that frameworks for language models show: no mode of the guard blames one."""

from __future__ import annotations

import re

# An inner run takes back what it imported: what cannot be imported twice, or is slow to import, is imported once.
import attrs  # noqa: F401
import numpy as np  # noqa: F401
import pandas as pd  # noqa: F401
import polars as pl  # noqa: F401
import pytest
import sqlalchemy.orm  # noqa: F401


@pytest.fixture
def innocents(project, fixtures_dir):
    """How many innocent programs there are; they stand in the project."""
    files = sorted((fixtures_dir / "innocents").glob("test_*.py"))
    for file in files:
        project.copy(f"innocents/{file.name}", file.name)
    return sum(len(re.findall(r"^def test_", file.read_text(encoding="utf-8"), re.MULTILINE)) for file in files)


@pytest.mark.parametrize("mode", ["on", "precise"])
def test_no_innocent_program_is_blamed(project, innocents, mode):
    result = project.run(f"--templates-isolation={mode}")

    assert innocents >= 60
    result.assert_outcomes(passed=innocents)
    result.stdout.fnmatch_lines(["templates: * subroutines checked"])
