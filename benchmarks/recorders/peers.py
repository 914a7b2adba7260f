"""The recorders that are compared, each as its users run it: as a plugin of pytest, with its defaults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

_PLUGINS = ("templates", "recording", "cassetter")  # what pytest calls them
_CONFIG = """import pytest


@pytest.fixture(scope="module")
def vcr_config():
    return {"ignore_hosts": ["HOST"]}
"""


@dataclass(frozen=True)
class Peer:
    """A recorder.

    Attributes:
        name: What the table calls it.
        plugin: What pytest calls it.
        marker: The line above a test whose calls are recorded.
        shared: The line above tests that share the cassette ``shared``.
        record: The option that records everything anew.
        missing: The option that records what has no recording.
        replay: The options of a replay, with whatever guards the network.
        opening: An expression that opens a cassette at ``path`` without pytest, to record.
        ignoring: The file, and its text, by which tests leave the host HOST alone.
        importing: The arguments of Python that take the cassettes of vcrpy in the folder ``theirs`` over into ``ours``;
            none where they are played as they are.
    """

    name: str
    plugin: str
    marker: str
    shared: str
    record: str
    missing: str
    replay: tuple[str, ...]
    opening: str
    ignoring: tuple[str, str]
    importing: tuple[str, ...]


OURS = Peer(
    name="antiphon",
    plugin="templates",
    marker="@pytest.mark.llm_cassette",
    shared='@pytest.mark.llm_cassette("shared")',
    record="--templates-record=all",
    missing="--templates-record=missing",
    replay=("--templates-record=none",),
    opening="open_cassette(CassetteSettings(path, mode='all'))",
    ignoring=("pytest.ini", "[pytest]\ntemplates_ignore_hosts = HOST\n"),
    importing=("-m", "pytest_templates", "cassettes", "import", "theirs", "-o", "ours"),
)
VCRPY = Peer(
    name="vcrpy + pytest-recording",
    plugin="recording",
    marker="@pytest.mark.vcr",
    shared='@pytest.mark.vcr\n@pytest.mark.default_cassette("shared.yaml")',
    record="--record-mode=rewrite",
    missing="--record-mode=new_episodes",
    replay=("--record-mode=none", "--block-network", "--allowed-hosts=127.0.0.1"),
    opening="vcr.use_cassette(str(path), record_mode='all')",
    ignoring=("conftest.py", _CONFIG),
    importing=(),
)
CASSETTER = Peer(
    name="cassetter",
    plugin="cassetter",
    marker="@pytest.mark.vcr",
    shared='@pytest.mark.vcr\n@pytest.mark.default_cassette("shared.yaml")',
    record="--record-mode=rewrite",
    missing="--record-mode=new_episodes",
    replay=("--record-mode=none",),
    opening="cassetter.use_cassette(path, record_mode='all')",
    ignoring=("conftest.py", _CONFIG),
    importing=("-m", "cassetter.cli", "convert", "theirs", "ours", "--to", "yaml"),
)
PEERS = (OURS, VCRPY, CASSETTER)

_HEAD = """
import asyncio, base64, contextvars, gzip, json, os, sys, threading, time, urllib.parse
from contextlib import suppress
from pathlib import Path
import httpx, pytest
from openai import OpenAI

CASES = json.loads(os.environ.get("CASES", "{}"))
URL = os.environ["MODEL_URL"]
client = OpenAI(base_url=URL + "/v1", api_key="sk-comparison-0123456789abcdef", max_retries=0)

# Keep what a program got in its first run, and compare it with what it gets later.
def same(value):
    kept = Path("seen", os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0])
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(repr(value))
    assert kept.read_text() == repr(value)

def ask(text, model="m", **options):
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model=model, messages=messages, **options).choices[0].message.content
"""


@dataclass(frozen=True)
class Cases:
    """The tests that passed while they were recorded, and in replay, as ``test_it[name]``; and the files."""

    recorded: set[str]
    replayed: set[str]
    files: list[Path]

    def same(self, names: Iterable[str]) -> str:
        """How many of them were recorded and replayed."""
        whole = [f"test_it[{name}]" for name in names]
        return f"{len(self.recorded & self.replayed & {*whole})} of {len(whole)}"


@dataclass(frozen=True)
class Project:
    """A folder with one test module, run under one recorder against a loopback model."""

    peer: Peer
    folder: Path
    url: str

    def write(self, code: str, *, shared: bool = False) -> None:
        """Write the test module; ``MARK`` stands for the recorder's marker."""
        mark = self.peer.shared if shared else self.peer.marker
        (self.folder / "test_calls.py").write_text(_HEAD + code.replace("MARK", mark), encoding="utf-8")

    def command(self, *options: str) -> list[str]:
        """The command that runs the tests."""
        others = [f"-pno:{name}" for name in _PLUGINS if name != self.peer.plugin]
        return [sys.executable, "-m", "pytest", "-q", "-s", "-pno:cacheprovider", "-pno:randomly", *others, *options]

    def environment(self, **environ: str) -> dict[str, str]:
        """The environment of a run."""
        kept = {name: value for name, value in os.environ.items() if name != "CI"}
        return {**kept, "MODEL_URL": self.url, "PYTHONDONTWRITEBYTECODE": "1", **environ}

    def run(self, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the tests to their end."""
        return subprocess.run(
            self.command(*options),
            cwd=self.folder,
            env=self.environment(**environ),
            text=True,
            capture_output=True,
            check=False,
            timeout=120,
        )

    def passed(self, *options: str, **environ: str) -> set[str]:
        """Run the tests to their end; the names of those that passed."""
        report = self.folder / "report.xml"
        self.run(*options, f"--junitxml={report}", **environ)
        cases = list(ElementTree.parse(report).iter("testcase"))
        report.unlink()
        wrong = {case.get("name", "") for case in cases if any(one.tag in ("failure", "error") for one in case)}
        return {case.get("name", "") for case in cases} - wrong

    def cases(self, code: str, cases: dict[str, object], replayed: dict[str, object] | None = None) -> Cases:
        """Write tests that take a ``name`` of CASES, record them, and replay them, maybe with other cases."""
        self.write("MARK\n@pytest.mark.parametrize('name', sorted(CASES))\n" + code)
        recorded = self.passed(self.peer.record, CASES=json.dumps(cases))
        return Cases(recorded, self.passed(*self.peer.replay, CASES=json.dumps(replayed or cases)), self.cassettes())

    def start(self, *options: str, **environ: str) -> subprocess.Popen[str]:
        """Start the tests."""
        return subprocess.Popen(
            self.command(*options),
            cwd=self.folder,
            env=self.environment(**environ),
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def cassettes(self) -> list[Path]:
        """The files that were recorded."""
        return sorted(path for path in self.folder.rglob("*.yaml") if path.is_file())

    def on_disk(self) -> bytes:
        """Everything below the folder but the test module, names included."""
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        files = [path for path in paths if path.name != "test_calls.py" and path.parent.name != "seen"]
        return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in files)
