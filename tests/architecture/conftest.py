from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def root(pytestconfig: pytest.Config) -> Path:
    return pytestconfig.rootpath


@pytest.fixture(scope="session")
def engine() -> Path:
    return package_folder("antiphon")


@pytest.fixture
def structure(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that measures how the packages are built."""
    monkeypatch.syspath_prepend(root / "tools")
    return import_module("structure")


@pytest.fixture(scope="session")
def packages(engine: Path) -> dict[str, Path]:
    """The folder of each package."""
    return {"antiphon": engine, "pytest_templates": package_folder("pytest_templates")}


def package_folder(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture
def loaded_by(tmp_path: Path) -> Callable[..., set[str]]:
    """The top-level names of all modules that a new interpreter imports, given its arguments."""

    def loaded_by(*arguments: str) -> set[str]:
        command = [sys.executable, "-X", "importtime", *arguments]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        imported = [line.rpartition("|")[2].strip() for line in run.stderr.splitlines() if line.startswith("import ")]
        return {name.partition(".")[0] for name in imported}

    return loaded_by
