"""What docs/clients.md says is true: a call is recorded, and replayed with its server gone, or it is refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any, Self

import pytest

from pytest_templates import errors

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "clients.md"


@dataclass(frozen=True)
class Run:
    """Clients whose tests are recorded in one run, and replayed in another.

    Attributes:
        clients: What the page calls them; their tests lie in fixtures/clients.
        servers: What they ask, by the names of the modules in fixtures/clients/servers.
        reachable: Whether the servers are there in replay, too: else a call that passes by would fail on this machine.
    """

    clients: tuple[str, ...]
    servers: tuple[str, ...]
    reachable: bool = False


RUNS = {
    "clients": Run(
        (
            *("aiohttp", "http.client", "httpx", "httpx2", "requests", "urllib.request", "urllib3"),
            *("anthropic", "boto3", "cohere", "google-genai", "huggingface_hub", "litellm", "mistralai", "openai"),
        ),
        ("anthropic", "aws", "cohere", "google", "http", "huggingface", "mistral", "openai"),
    ),
    "protocols": Run(
        ("asyncio", "grpc", "httpcore", "socket", "websockets"), ("http", "grpc", "websockets"), reachable=True
    ),
}
ENVIRON = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else its import asks for it
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_XET": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
RECORDING = ("--templates-record=all", "--templates-record-check=off")  # the run in replay is the check
# Runs pytest for each line that it gets: importing the clients takes most of the time, and is done once. What was
# imported stays: looking for garbage in it took a quarter of the rest.
RUNNER = """
import gc, json, os, sys, pytest
gc.set_threshold(50_000, 20, 50)
class Imported:
    def pytest_collection_finish(self):
        gc.freeze()
for line in sys.stdin:
    run = json.loads(line)
    os.environ.update(run["environ"])
    pytest.main(run["options"], plugins=[Imported()])
    print(flush=True)
    print("over", flush=True)
"""
FAMILY = [name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)]

Call = tuple[str, str]  # the client, and what it is asked for


@dataclass(frozen=True)
class Row:
    """What the page says of a call; ``advice`` is what to do where it is refused."""

    recorded: bool
    replayed: bool
    advice: str

    PATTERN = re.compile(r"^\| `([\w.-]+)` \| ([\w ]+) \| (yes|no) \| (yes|no) \| (.*?) *\|$", re.MULTILINE)

    @classmethod
    def all_of(cls, page: str) -> dict[Call, Self]:
        found = cls.PATTERN.findall(page)
        return {
            (client, call): cls(first == "yes", second == "yes", advice)
            for client, call, first, second, advice in found
        }


@dataclass(frozen=True)
class Outcome:
    """How an inner test ended; ``seen`` is what the program got from its client."""

    passed: bool
    seen: str
    text: str

    @property
    def refused(self) -> bool:
        return not self.passed and any(re.search(rf"\b{name}\b", self.text) for name in FAMILY)


class Project:
    """A user's project with the tests of some clients, and the process that runs them."""

    def __init__(self, folder: Path, clients: tuple[str, ...], process: subprocess.Popen[str]) -> None:
        self.folder = folder
        self.clients = {module_of(client): client for client in clients}
        self._process = process

    def run(self, environ: Mapping[str, str], *options: str) -> dict[Call, Outcome]:
        """Run the tests."""
        reports = self.folder / "reports"
        reports.unlink(missing_ok=True)
        others = ("cacheprovider", "anyio", "hypothesispytest", "langsmith_plugin", "xdist")
        without = [f"-pno:{name}" for name in others]
        run = {"environ": environ, "options": ["-q", "--tb=short", *without, *options]}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(run), file=self._process.stdin, flush=True)
        said = "".join(takewhile(lambda line: line != "over\n", self._process.stdout))
        assert reports.exists(), said
        lines = reports.read_text(encoding="utf-8").splitlines()
        return dict(self._outcomes([json.loads(line) for line in lines]))

    def _outcomes(self, reports: list[dict[str, Any]]) -> Iterator[tuple[Call, Outcome]]:
        """What the phases of each test say together."""
        for test, phases in groupby(reports, lambda report: str(report["id"])):
            module, _, name = test.partition(".py::test_")
            said = list(phases)
            wrong = [phase["text"] for phase in said if not phase["passed"]]
            seen = dict(said[-1]["seen"]).get("seen", "")
            yield (self.clients[module], name.replace("_", " ")), Outcome(not wrong, seen, "\n".join(wrong))

    def cassettes(self) -> bytes:
        return b"\n".join(path.read_bytes() for path in (self.folder / "cassettes").rglob("*.yaml"))


@contextmanager
def running(folder: Path, fixtures: Path, clients: tuple[str, ...]) -> Iterator[Project]:
    """A project in a folder, whose tests can be run."""
    for name in ("conftest", *map(module_of, clients)):
        shutil.copy(fixtures / "clients" / f"{name}.py", folder)
    ini = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    (folder / "pytest.ini").write_text(ini, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "BUILD_NUMBER")}
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER],
        cwd=folder,
        env={**kept, **ENVIRON, "HF_HOME": str(folder / "hf")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield Project(folder, clients, process)


def module_of(client: str) -> str:
    return "test_" + re.sub(r"\W", "_", client)


def keys(secret: str) -> dict[str, str]:
    """What programs find their keys in."""
    named = dict.fromkeys(("MISTRAL_API_KEY", "CO_API_KEY", "GEMINI_API_KEY", "AWS_SECRET_ACCESS_KEY"), secret)
    shaped = {"OPENAI_API_KEY": f"sk-{secret}", "ANTHROPIC_API_KEY": f"sk-ant-{secret}", "HF_TOKEN": f"hf_{secret}"}
    return {**named, **shaped, "AWS_ACCESS_KEY_ID": f"AKIA{secret[:16].upper()}"}


@contextmanager
def serving(fixtures: Path, names: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Servers in a process of their own: what they are asked afterwards reaches nobody."""
    command = [sys.executable, str(fixtures / "clients" / "servers"), *names]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        yield {f"{name.upper()}_URL": address for name, address in addresses.items()}
        process.kill()


def differences(row: Row, recorded: Outcome, replayed: Outcome) -> Iterator[str]:
    """What of a row is not true."""
    for what, said, outcome in (("recorded", row.recorded, recorded), ("replayed", row.replayed, replayed)):
        if said and not outcome.passed:
            yield f"is not {what}: {outcome.text}"
        if not said and not outcome.refused:
            yield f"is not refused where it should be {what}: {outcome.text or 'passed'}"
        if not said and outcome.refused:
            missing = [word for word in re.findall(r"`([^`]+)`", row.advice) if word not in outcome.text]
            yield from (f"is refused without a word of {word}: {outcome.text}" for word in missing)
    if recorded.passed and replayed.passed and recorded.seen != replayed.seen:
        yield f"gave {recorded.seen} while it was recorded, and in replay {replayed.seen}"


@pytest.mark.parametrize("name", RUNS)
def test_what_the_page_says_of_clients_is_true(name: str, tmp_path: Path, fixtures_dir: Path) -> None:
    run = RUNS[name]
    others = keys("p4Zs8RepJ5uHq1WfGt3KoBaE")
    with running(tmp_path, fixtures_dir, run.clients) as project:
        with serving(fixtures_dir, run.servers) as addresses:
            recorded = project.run({**addresses, **keys("k7Qw3RecX9xLr2TzVb6NmYcD")}, *RECORDING)
            replayed = project.run({**addresses, **others}) if run.reachable else {}
        replayed = replayed or project.run({**addresses, **others})

    rows = {call: row for call, row in Row.all_of(PAGE.read_text(encoding="utf-8")).items() if call[0] in run.clients}
    assert rows.keys() == recorded.keys() == replayed.keys()
    wrong = [
        f"{' '.join(call)} {difference}"
        for call, row in rows.items()
        for difference in differences(row, recorded[call], replayed[call])
    ]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)
    assert b"3RecX9xLr2Tz" not in project.cassettes()


def test_each_client_of_the_page_has_tests(fixtures_dir: Path) -> None:
    clients = {client for client, _ in Row.all_of(PAGE.read_text(encoding="utf-8"))}

    assert clients == {client for run in RUNS.values() for client in run.clients}
    assert sorted(map(module_of, clients)) == sorted(path.stem for path in (fixtures_dir / "clients").glob("test_*.py"))
