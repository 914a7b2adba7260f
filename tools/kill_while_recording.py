"""Record while processes are killed at random, and report whether anything was lost or doubled.

    python tools/kill_while_recording.py [--tests 200] [--kills 40] [--rounds 40] [--seed 1]

Three parts, all against a server on this machine that counts:

1. A session of many tests with ``pytest -n 2 --templates-record=missing``, whose workers (and now and then the whole
   run) are killed at random, is run again until it is done.
2. Two runs record 20 different requests each into one cassette, at once.
3. A process that replaces a cassette as fast as it can is killed at random.

Exit status 1 when an answer that a program received is in no cassette, or one is there twice, or a file is damaged.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.storage.store import load_cassette

TURNS = 5  # questions a test asks
RECORD = [sys.executable, "-m", "pytest", "-q", "-pno:cacheprovider", "--templates-record=missing"]
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
PROGRAM = """
import json
import os
from pathlib import Path
from urllib.request import Request, urlopen

Path("processes", str(os.getpid())).touch()

def ask(question):
    headers = {"content-type": "application/json"}
    with urlopen(Request(os.environ["CHAT_URL"], json.dumps({"question": question}).encode(), headers)) as reply:
        answer = json.load(reply)["answer"]
    with open(f"received-{os.getpid()}", "a") as file:
        file.write(answer + "\\n")
"""
SESSION = """
import pytest
from program import ask

@pytest.mark.llm_cassette
@pytest.mark.parametrize("number", range({tests}))
def test_it(number):
    for turn in range({turns}):
        ask(f"{{number}}.{{turn}}")
"""
SHARED = """
import os
import pytest
from program import ask

@pytest.mark.llm_cassette("shared")
@pytest.mark.parametrize("number", range(20))
def test_it(number):
    ask(f"{os.environ['RUN']}.{number}")
"""
WRITER = """
import sys
from pathlib import Path
from pytest_templates.cassettes.storage.store import write_cassette

texts = [Path(name).read_text() for name in sys.argv[2:]]
while True:
    for text in texts:
        write_cassette(Path(sys.argv[1]), text)
        print(flush=True)
"""


class Server:
    """Answers every question with another answer, after some milliseconds.

    Attributes:
        asked: The questions.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._numbers = count()

    def answer(self, question: str) -> str:
        """The next answer."""
        self.asked.append(question)
        time.sleep(random.uniform(0.005, 0.05))
        return f"{question} #{next(self._numbers)}"


@contextmanager
def serving() -> Iterator[Server]:
    """A server, found by programs in the environment variable CHAT_URL."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = json.dumps({"answer": server.answer(body["question"])}).encode()
            with suppress(OSError):  # the client was killed
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, daemon=True).start()
        os.environ["CHAT_URL"] = f"http://127.0.0.1:{http.server_port}/"
        yield server
        http.shutdown()


def project(folder: Path, tests: str) -> None:
    """Make a project with one test module."""
    (folder / "processes").mkdir(parents=True)
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    (folder / "program.py").write_text(PROGRAM)
    (folder / "test_it.py").write_text(tests)


class Killer:
    """Kills processes of a run, at random.

    Attributes:
        workers: How many workers were killed.
        runs: How many whole runs were killed.
    """

    def __init__(self, folder: Path, kills: int) -> None:
        self._folder = folder
        self._kills = kills
        self.workers = 0
        self.runs = 0

    def watch(self, run: subprocess.Popen[bytes]) -> int:
        """Kill while the run lasts; returns its exit status."""
        while run.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                run.wait(random.expovariate(1.5))
            workers = self._workers(run.pid)
            if run.poll() is None and workers and self.workers + self.runs < self._kills:
                self._kill(run, random.choice(workers))
        return run.returncode

    def _kill(self, run: subprocess.Popen[bytes], worker: int) -> None:
        if random.random() < 0.1:
            os.killpg(run.pid, signal.SIGKILL)
            self.runs += 1
        else:
            os.kill(worker, signal.SIGKILL)
            self.workers += 1

    def _workers(self, run: int) -> list[int]:
        """The processes of this run that have loaded the program; they belong to its process group."""
        found = []
        for file in (self._folder / "processes").iterdir():
            with suppress(ProcessLookupError):
                if os.getpgid(int(file.name)) == run and int(file.name) != run:
                    found.append(int(file.name))
        return found


def session(folder: Path, server: Server, tests: int, kills: int) -> bool:
    """Part 1."""
    project(folder, SESSION.format(tests=tests, turns=TURNS))
    killer, runs, status = Killer(folder, kills), 0, -1
    while status != 0 and runs < kills + 10:
        runs += 1
        command = [*RECORD, "-n2", "--max-worker-restart=1000"]
        with subprocess.Popen(command, cwd=folder, **QUIET, start_new_session=True) as run:
            status = killer.watch(run)
    received = {line for file in folder.glob("received-*") for line in file.read_text().split("\n") if line}
    kept = Counter(answers(folder))
    lost, twice = received - kept.keys(), [answer for answer, times in kept.items() if times > 1]
    again = len(server.asked) - len(set(server.asked))
    print(
        f"session: {tests} tests of {TURNS} calls, {killer.workers} workers and {killer.runs} runs killed, {runs} runs"
    )
    print(f"  {len(server.asked)} requests served, {again} asked again; {len(kept)} answers kept")
    print(f"  received and lost: {len(lost)}; twice: {len(twice)}; exit status {status}")
    left = [path for path in (folder / "cassettes").rglob("*") if path.is_file() and path.suffix != ".yaml"]
    print(f"  files left behind: {len(left)}")
    return status == 0 and len(kept) == tests * TURNS and not lost and not twice and not left


def shared(folder: Path) -> bool:
    """Part 2."""
    project(folder, SHARED)
    runs = [subprocess.Popen(RECORD, cwd=folder, **QUIET, env={**os.environ, "RUN": name}) for name in "ab"]
    statuses = [run.wait() for run in runs]
    kept = Counter(answers(folder))
    print(f"shared: two runs of 20 tests into one cassette: {len(kept)} of 40 kept, {sum(kept.values())} in all")
    return statuses == [0, 0] and len(kept) == sum(kept.values()) == 40


def replaced(folder: Path, rounds: int) -> bool:
    """Part 3."""
    folder.mkdir()
    headers = (("content-type", "text/plain"),)
    one = Interaction(None, None, RecordedRequest("GET", "u", (), b""), RecordedResponse(200, "", headers, b"x" * 500))
    texts = [to_text([one] * 200), to_text([one] * 2000)]
    for number, text in enumerate(texts):
        (folder / str(number)).write_text(text)
    cassette, found = folder / "cassettes/one.yaml", Counter[int]()
    for _ in range(rounds):
        command = [sys.executable, "-c", WRITER, str(cassette), str(folder / "0"), str(folder / "1")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            writer.stdout.readline()
            time.sleep(random.uniform(0, 0.05))
            writer.kill()
        text = cassette.read_text()
        found[texts.index(text) if text in texts else -1] += 1
    print(f"replaced: {rounds} kills: {found[0]} times the one, {found[1]} the other, {found[-1]} damaged")
    return not found[-1]


def answers(folder: Path) -> Iterator[str]:
    """Every answer in every cassette."""
    for file in (folder / "cassettes").rglob("*.yaml"):
        yield from (json.loads(one.response.body)["answer"] for one in load_cassette(file))


def main() -> None:
    """Do all of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, number in {"tests": 200, "kills": 40, "rounds": 40, "seed": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    given = parser.parse_args()
    random.seed(given.seed)
    with tempfile.TemporaryDirectory() as folder, serving() as server:
        fine = [
            session(Path(folder, "session"), server, given.tests, given.kills),
            shared(Path(folder, "shared")),
            replaced(Path(folder, "replaced"), given.rounds),
        ]
    sys.exit(not all(fine))


if __name__ == "__main__":
    main()
