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
from pathlib import Path
from typing import Self
from xml.etree import ElementTree

import pytest

from pytest_templates import errors

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "clients.md"

# Clients, whose tests in fixtures/clients go through one recording run and one replay, and the servers they ask.
RUNS = {
    "libraries": (
        (
            *("aiohttp", "http.client", "httpx", "httpx2", "requests", "urllib.request", "urllib3"),
            *("asyncio", "grpc", "httpcore", "socket", "websockets"),
        ),
        ("http", "grpc", "websockets"),
    ),
    "litellm": (("litellm",), ("openai", "anthropic", "mistral")),
    "sdks": (
        ("anthropic", "boto3", "cohere", "google-genai", "huggingface_hub", "mistralai", "openai"),
        ("anthropic", "aws", "cohere", "google", "huggingface", "mistral", "openai", "websockets"),
    ),
}
ENVIRON = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else its import asks for it
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_XET": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
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
    """A user's project with the tests of some clients."""

    def __init__(self, folder: Path, fixtures: Path, clients: tuple[str, ...]) -> None:
        self.folder = folder
        self.clients = {module_of(client): client for client in clients}
        for name in ("conftest", *self.clients):
            shutil.copy(fixtures / "clients" / f"{name}.py", folder)
        ini = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
        (folder / "pytest.ini").write_text(ini, encoding="utf-8")

    def run(self, environ: Mapping[str, str], *options: str) -> dict[Call, Outcome]:
        """Run the tests in a process of their own."""
        kept = {name: value for name, value in os.environ.items() if name not in ("CI", "BUILD_NUMBER")}
        without = [f"-pno:{name}" for name in ("cacheprovider", "anyio", "hypothesispytest", "xdist")]
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--tb=short", "--junitxml=report.xml", *without, *options],
            cwd=self.folder,
            env={**kept, **ENVIRON, "HF_HOME": str(self.folder / "hf"), **environ},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        return dict(self._outcome(case) for case in ElementTree.parse(self.folder / "report.xml").iter("testcase"))

    def _outcome(self, case: ElementTree.Element) -> tuple[Call, Outcome]:
        faults = [f"{one.get('message')}\n{one.text}" for one in case if one.tag in ("failure", "error")]
        seen = [one.get("value", "") for one in case.iter("property") if one.get("name") == "seen"]
        call = case.attrib["name"].removeprefix("test_").replace("_", " ")
        return (self.clients[case.attrib["classname"]], call), Outcome(not faults, "\n".join(seen), "\n".join(faults))

    def cassettes(self) -> bytes:
        return b"\n".join(path.read_bytes() for path in (self.folder / "cassettes").rglob("*.yaml"))


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


def differences(call: Call, row: Row, recorded: Outcome, replayed: Outcome) -> Iterator[str]:
    """What of a row is not true."""
    for what, said, outcome in (("recorded", row.recorded, recorded), ("replayed", row.replayed, replayed)):
        if said and not outcome.passed:
            yield f"is not {what}: {outcome.text}"
        if not said and not outcome.refused:
            yield f"is not refused where it should be {what}: {outcome.text or 'passed'}"
        if not said and outcome.refused:
            wanted = [call[0], *re.findall(r"`([^`]+)`", row.advice)]
            yield from (
                f"is refused without a word of {word}: {outcome.text}" for word in wanted if word not in outcome.text
            )
    if recorded.passed and replayed.passed and recorded.seen != replayed.seen:
        yield f"gave {recorded.seen} while it was recorded, and in replay {replayed.seen}"


@pytest.mark.parametrize("name", RUNS)
def test_what_the_page_says_of_clients_is_true(name: str, tmp_path: Path, fixtures_dir: Path) -> None:
    clients, servers = RUNS[name]
    project = Project(tmp_path, fixtures_dir, clients)
    with serving(fixtures_dir, servers) as addresses:
        recorded = project.run({**addresses, **keys("k7Qw3RecX9xLr2TzVb6NmYcD")}, "--templates-record=all")
    replayed = project.run({**addresses, **keys("p4Zs8RepJ5uHq1WfGt3KoBaE")})

    rows = {call: row for call, row in Row.all_of(PAGE.read_text(encoding="utf-8")).items() if call[0] in clients}
    assert rows.keys() == recorded.keys() == replayed.keys()
    wrong = [
        f"{' '.join(call)} {difference}"
        for call, row in rows.items()
        for difference in differences(call, row, recorded[call], replayed[call])
    ]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)
    assert b"3RecX9xLr2Tz" not in project.cassettes()


def test_each_client_of_the_page_has_tests(fixtures_dir: Path) -> None:
    clients = {client for client, _ in Row.all_of(PAGE.read_text(encoding="utf-8"))}

    assert clients == {client for clients, _ in RUNS.values() for client in clients}
    assert sorted(map(module_of, clients)) == sorted(path.stem for path in (fixtures_dir / "clients").glob("test_*.py"))
