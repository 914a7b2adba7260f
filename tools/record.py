"""Record every cassette of this repository anew, from the model that tools/serve_model.py serves.

For Google's wire format tools/google_gateway.py is put in front of it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from test_documentation import PAGES, cassettes_of, codes, name_of  # noqa: E402  # the examples are found in one place


def record(folder: Path, *options: str) -> None:
    """Run the tests of a folder, recording."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--templates-record=all", *options]
    subprocess.run(command, cwd=folder, check=True)


def record_page(page: Path) -> None:
    """Record what the examples of a page ask."""
    with tempfile.TemporaryDirectory() as folder:
        for code in codes(page):
            (Path(folder) / name_of(code)).write_text(code, encoding="utf-8")
        record(Path(folder), "-o", "pythonpath=.", f"--templates-cassettes={cassettes_of(page)}")


def record_providers() -> None:
    """Record how models behave through the wire formats of their providers."""
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tools" / "google_gateway.py")], stdout=subprocess.PIPE
    ) as gateway:
        try:
            if gateway.stdout is not None:
                gateway.stdout.readline()  # it serves from now on
            record(ROOT, "tests/providers/test_recorded.py")
        finally:
            gateway.terminate()


if __name__ == "__main__":
    record(ROOT / "pytest_templates" / "demo" / "desk")
    for page in PAGES:
        record_page(page)
    record_providers()
