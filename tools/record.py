"""Record every cassette of this repository anew, from the model that tools/serve_model.py serves.

For Google's wire format tools/google_gateway.py is put in front of it. What the tests of
``connect("local:...")`` replay is recorded from the model that this starts itself.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from serve_model import PORT  # noqa: E402
from test_documentation import PAGES, cassettes_of, codes, name_of, shown_files  # noqa: E402  # the examples are found in one place


def record(folder: Path, *options: str) -> None:
    """Run the tests of a folder, recording."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--templates-record=all", *options]
    subprocess.run(command, cwd=folder, check=True)


def check_model() -> None:
    """Make sure that there is a model to record from."""
    try:
        socket.create_connection(("127.0.0.1", PORT)).close()
    except OSError:
        sys.exit("nothing serves the model: run tools/serve_model.py in another terminal")


def record_page(page: Path) -> None:
    """Record what the examples of a page ask."""
    with tempfile.TemporaryDirectory() as folder:
        for code in codes(page):
            (Path(folder) / name_of(code)).write_text(code, encoding="utf-8")
        for name, text in shown_files(page).items():
            path = Path(folder) / "fixtures" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        record(Path(folder), "-o", "pythonpath=.", f"--templates-cassettes={cassettes_of(page)}")


def record_local() -> None:
    """Record how the model answers that ``connect("local:...")`` starts by itself."""
    record(ROOT, "tests/providers/test_local.py", "-k", "recording")


def record_providers() -> None:
    """Record how models behave through the wire formats of their providers."""
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tools" / "google_gateway.py")], stdout=subprocess.PIPE
    ) as gateway:
        try:
            if gateway.stdout is None or not gateway.stdout.readline():  # it serves from now on
                sys.exit("tools/google_gateway.py does not start")
            record(ROOT, "tests/providers/test_recorded.py")
        finally:
            gateway.terminate()


if __name__ == "__main__":
    check_model()
    record(ROOT / "pytest_templates" / "demo" / "desk")
    for page in PAGES:
        record_page(page)
    record_providers()
    record_local()
