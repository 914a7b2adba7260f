"""The recorders that are compared, each as its users run it: as a plugin of pytest, with its defaults."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_PLUGINS = ("templates", "recording", "cassetter")  # what pytest calls them


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
    """

    name: str
    plugin: str
    marker: str
    shared: str
    record: str
    missing: str
    replay: tuple[str, ...]
    opening: str


OURS = Peer(
    name="antiphon",
    plugin="templates",
    marker="@pytest.mark.llm_cassette",
    shared='@pytest.mark.llm_cassette("shared")',
    record="--templates-record=all",
    missing="--templates-record=missing",
    replay=("--templates-record=none",),
    opening="open_cassette(CassetteSettings(path, mode='all'))",
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
)
PEERS = (OURS, VCRPY, CASSETTER)

_HEAD = """
import asyncio, base64, contextvars, gzip, json, os, sys, threading, time, urllib.parse
from contextlib import suppress
from pathlib import Path
import httpx, pytest
from openai import OpenAI

URL = os.environ["MODEL_URL"]
client = OpenAI(base_url=URL + "/v1", api_key="sk-comparison-0123456789abcdef", max_retries=0)

def ask(text, model="m", **options):
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model=model, messages=messages, **options).choices[0].message.content
"""


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
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.name != "test_calls.py"]
        return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in files)
