from __future__ import annotations

import json
import multiprocessing
import multiprocessing.forkserver  # an inner run would take it back, and with it the process that it has started
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from pkgutil import walk_packages
from runpy import run_path
from tempfile import TemporaryFile
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
from _pytest.config import default_plugins
from _pytest.fixtures import FixtureManager
from execnet.gateway_base import Popen2IO
from execnet.gateway_io import popen_bootstrapline

import antiphon
import pytest_templates
from antiphon import connect
from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse

# An inner run takes back what it imported: what is slow to import is imported once.
connect("openai:m", base_url="http://127.0.0.1/v1", api_key="x")

INI = "[pytest]\npythonpath = .\nasyncio_default_fixture_loop_scope = function\n"

_PROGRAM = run_path(str(Path(__file__).parents[2] / "fixtures" / "programs" / "program.py"))
_NAMES = {
    "antiphon": {*antiphon.__all__},
    "program": {name for name in _PROGRAM if not name.startswith("_")},
    "pytest_templates": {*pytest_templates.__all__},
}


def prelude(text: str) -> str:
    """The imports of a test module: of all names that it mentions, on as many lines for any text.

    It might import everything, but pytest looks at each name of a module, which took as long as the tests.
    """
    words = {*re.findall(r"\w+", text)}
    imports = [(module, sorted(names & words)) for module, names in _NAMES.items()]
    lines = ["", "import pytest", "", "import antiphon"]
    return "\n".join(
        [*lines, *(f"from {module} import {', '.join(used)}" if used else "" for module, used in imports), ""]
    )


class Project:
    """A user's project: a small program, tests for it, and runs of pytest over these."""

    def __init__(self, pytester: pytest.Pytester, fixtures: Path) -> None:
        self.pytester = pytester
        self.path: Path = pytester.path
        self.fixtures = fixtures
        self.ini()
        self.copy("programs/program.py", "program.py")

    def ini(self, text: str = "") -> None:
        """What else the ini file says."""
        self.file("pytest.ini", INI + dedent(text))

    def file(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    def copy(self, name: str, to: str) -> Path:
        """A file of fixtures/."""
        path = self.path / to
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.fixtures / name, path)
        return path

    def tests(self, text: str, name: str = "test_it.py") -> None:
        """A test module that has imported everything there is."""
        self.file(name, prelude(text) + dedent(text))

    def run(self, *arguments: object) -> pytest.RunResult:
        """Run the tests in this process."""
        return self.pytester.runpytest_inprocess("-pno:cacheprovider", *map(str, arguments))

    def run_alone(self, *arguments: object) -> pytest.RunResult:
        """Run the tests in a process of their own."""
        return self.pytester.runpytest_subprocess("-pno:cacheprovider", *map(str, arguments))

    @staticmethod
    def says(result: pytest.RunResult, *texts: str) -> None:
        """The run's output holds these texts as they are, in this order."""
        output, end = str(result.stdout), 0
        for text in texts:
            start = output.find(text, end)
            where = " after what comes before it" if text in output else ""
            assert start >= 0, f"{text!r} is not said{where}"
            end = start + len(text)

    def run_forked(self, *arguments: object) -> pytest.RunResult:
        """Run the tests in a process of their own, which has imported already what others import when they start."""
        done = run_forked([*PYTEST, "-pno:cacheprovider", *map(str, arguments)], text=True)
        return pytest.RunResult(done.returncode, done.stdout.splitlines(), done.stderr.splitlines(), 0.0)

    def start_forked(self, terminal: int, *arguments: object, environ: dict[str, str]) -> Any:
        """Start to run the tests in such a process, with a terminal for its streams."""
        streams = [Connection(os.dup(terminal)) for _ in range(3)]
        return fork(RUN_PYTEST, *streams, environ=environ, arguments=["-pno:cacheprovider", *map(str, arguments)])

    def outcomes(self, *arguments: object) -> dict[str, int]:
        return self.run(*arguments).parseoutcomes()


_parse_fixtures = FixtureManager.parsefactories
_without_fixtures: set[object] = set()


def parse_fixtures(manager: FixtureManager, *args: Any, **options: Any) -> None:
    """Look for fixtures in each plugin once: an inner run took a quarter of its time to find that most have none."""
    holder = options.get("holder")
    plugin = holder.__name__ if isinstance(holder, ModuleType) else type(holder)
    if plugin in _without_fixtures:
        return
    known = _number_of_fixtures(manager)
    _parse_fixtures(manager, *args, **options)
    module = plugin if isinstance(plugin, str) else plugin.__module__
    stays = module.startswith(("_pytest.", "pytest_templates.", "xdist."))
    if stays and _number_of_fixtures(manager) == known:
        _without_fixtures.add(plugin)


def _number_of_fixtures(manager: FixtureManager) -> int:
    return sum(len(found) for nodes in manager._arg2node2fixturedefs.values() for found in nodes.values())


FixtureManager.parsefactories = parse_fixtures  # type: ignore[method-assign]

PRELOADED = [
    *("xdist.remote", "pytest_asyncio.plugin", "syrupy", "vcr"),
    *("pydantic_ai.models.openai", "antiphon.providers.local"),
    *(f"_pytest.{name}" for name in default_plugins),
    *(module.name for module in walk_packages(pytest_templates.__path__, "pytest_templates.")),
]

# What a process does that is forked: it has the streams and the environment of whoever wants it.
FORKED = """
import atexit, gc, os, sys, time
from _pytest.assertion.rewrite import AssertionRewritingHook
AssertionRewritingHook._warn_already_imported = lambda hook, name: None  # that of plugins: they are, on purpose
gc.freeze()  # what was imported is not looked at again and again
for number, stream in enumerate(streams):
    os.dup2(stream.fileno(), number)
    stream.close()
sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")
os.environ.clear()
os.environ.update(environ)
time.tzset()
try:
    exec(program)
finally:
    atexit._run_exitfuncs()
"""
PYTEST = [sys.executable, "-m", "pytest"]
STARTED = subprocess.run
RUN_PYTEST = """
import runpy
sys.argv[1:] = arguments
runpy.run_module("pytest", run_name="__main__", alter_sys=True)
"""


def fork(program: str, *streams: Connection, environ: dict[str, str] | None = None, **scope: Any) -> Any:
    """A process that runs a program, forked from one that has imported what such programs import.

    That took each of them as long as what it was to do. It has the hash seed of that process, whatever its environment
    says: another one than this process.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONHASHSEED", raising=False)
        multiprocessing.forkserver.ensure_running()
    scope |= {"program": program, "streams": streams, "environ": environ or dict(os.environ)}
    process = context.Process(target=exec, args=(FORKED, scope))
    process.start()
    for stream in streams:
        stream.close()
    return process


def run_forked(
    command: list[str],
    *,
    run: Any = STARTED,
    env: dict[str, str] | None = None,
    text: bool = False,
    stderr: int | None = None,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """``subprocess.run``, forked where it is a run of pytest, whose output is captured: a second run, or a survey."""
    if command[: len(PYTEST)] != PYTEST:
        return run(command, env=env, text=text, stderr=stderr, **options)  # type: ignore[no-any-return]
    together = stderr == subprocess.STDOUT
    with open(os.devnull) as stdin, TemporaryFile() as out, TemporaryFile() as err:  # noqa: PTH123
        files = [stdin, out, out if together else err]
        streams = [Connection(os.dup(file.fileno()), writable=file is not stdin) for file in files]
        process = fork(RUN_PYTEST, *streams, environ=env, arguments=command[len(PYTEST) :])
        process.join()
        written = [(file.seek(0), file.read())[1] for file in (out, err)]
    said = [one.decode(errors="replace") if text else one for one in written]
    return subprocess.CompletedProcess(command, process.exitcode, *said)


class ForkedWorker(Popen2IO):
    """The process of a worker of pytest-xdist, for execnet: a forked one.

    Args:
        command: What would have been started instead.
        execmodel: How execnet runs threads.
    """

    remoteaddress: str

    def __init__(self, command: list[str], execmodel: Any) -> None:
        assert command[0] == sys.executable
        stdin, written = multiprocessing.Pipe(duplex=False)
        read, stdout = multiprocessing.Pipe(duplex=False)
        stderr = Connection(os.dup(2), readable=False)
        self._process = fork(popen_bootstrapline, stdin, stdout, stderr)
        files = os.fdopen(os.dup(written.fileno()), "wb"), os.fdopen(os.dup(read.fileno()), "rb")
        written.close()
        read.close()
        self._status: int | None = None
        super().__init__(*files, execmodel=execmodel)

    def wait(self) -> int | None:
        """Wait until it has ended. Its files are closed then: execnet keeps this object to the end."""
        if self._status is None:
            self._process.join()
            self._status = self._process.exitcode
            self._process.close()
            self.close_read()
            self.close_write()
        return self._status

    def kill(self) -> None:
        """End it."""
        if self._status is None:
            self._process.kill()


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, fixtures_dir: Path) -> Project:
    # In CI pytest words its summary in another way, and the plugin tells GitHub what it found.
    for name in ("CI", "BUILD_NUMBER", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    # They import trio, all of Hypothesis and, where it is installed, LangSmith: most of the time of a short run.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-pno:anyio -pno:hypothesispytest -pno:langsmith_plugin")
    # A file that changes within a second, and not in length, would run as it was compiled before.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    if "forkserver" in multiprocessing.get_all_start_methods():  # not on Windows
        monkeypatch.setattr("execnet.gateway_io.Popen2IOMaster", ForkedWorker)
        monkeypatch.setattr("subprocess.run", run_forked)
    return Project(pytester, fixtures_dir)


@pytest.fixture
def unforked(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What commands and second runs start is started as for a user, in place of being forked."""
    monkeypatch.setattr("subprocess.run", STARTED)


@pytest.fixture
def all_plugins(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inner runs have the plugins of anyio and Hypothesis, too."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-pno:langsmith_plugin")


@pytest.fixture
def record(project: Project) -> Callable[..., Path]:
    """Writes a cassette of questions that the template "talk/answer" asked: ``record("name", "Hello.", "Bye.")``."""

    def write(name: str, *questions: str, answer: str = "Yes.") -> Path:
        text = to_text([chat(question, answer) for question in questions])
        return project.file(f"cassettes/{name}.yaml", text)

    return write


def chat(question: str, answer: str) -> Interaction:
    """A question to the model "small", and its answer."""
    headers, message = (("content-type", "application/json"),), {"role": "assistant", "content": answer}
    asked = {"model": "small", "messages": [{"role": "user", "content": question}]}
    said = {"choices": [{"message": message}], "usage": {"prompt_tokens": 10, "completion_tokens": 3}}
    return Interaction(
        "talk/answer",
        "openai:small",
        RecordedRequest("POST", "http://chat.test/v1/chat/completions", headers, json.dumps(asked).encode()),
        RecordedResponse(200, "", headers, json.dumps(said).encode()),
    )


class ChatServer:
    """A server on this machine that speaks chat completions, and counts what reaches it.

    Attributes:
        url: What ``connect`` takes as its ``base_url``.
        asked: The last message of each request.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[str] = []

    def answer(self, body: dict) -> dict:
        self.asked.append(body["messages"][-1]["content"])
        message = {"role": "assistant", "content": f"Answer {len(self.asked)}."}
        return {
            "id": "chat-1",
            "object": "chat.completion",
            "created": 1,
            "model": "m-2024",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13},
        }


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what went wrong, other than that a client is gone: programs under test leave, and are killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving_while(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def serving() -> Callable[[type[BaseHTTPRequestHandler]], AbstractContextManager[str]]:
    """A server on this machine in a block, and its address: ``with serving(Handler) as url:``."""
    return serving_while


@pytest.fixture
def chat_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    """A chat server; the programs under test find it by the environment variable CHAT_URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = json.dumps(server.answer(body)).encode()
            streaming = body.get("stream", False)
            if streaming:
                answer = b"data: " + answer.replace(b'"message"', b'"delta"') + b"\n\ndata: [DONE]\n\n"
            self.send_response(200)
            self.send_header("content-type", "text/event-stream" if streaming else "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            pass

    with serving_while(Handler) as url:
        server = ChatServer(f"{url}/v1")
        monkeypatch.setenv("CHAT_URL", server.url)
        yield server
