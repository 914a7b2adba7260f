"""Workers of pytest-xdist add up, and what they write is where the run was started: beside it, elsewhere, or dying."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_templates.run.machines import MainView, Tokens

PROGRAM = """
from decimal import Decimal

class Paid(Model):
    recordable = True
    name = "paid:model"

    def _send(self, session):
        usage = Usage(input_tokens=3, output_tokens=5, cost=Decimal("0.01"))
        return Reply("To " + session.last.content, usage=usage)

def talk_about(text):
    asking = LinearTemplate([UserTemplate(text), AssistantTemplate()])
    return Runner(Paid()).run(template=LinearTemplate([UserTemplate(text), SubroutineTemplate(asking, "asking")]))
"""
SHARED = """
import os
import time

@pytest.mark.llm_cassette("shared")
@pytest.mark.parametrize("number", range(3))
def test_shared(number):
    time.sleep(0 if number else float(os.environ.get("FIRST_TAKES", "0")))
    talk_about(f"shared {number}")
"""
TESTS = (
    SHARED
    + """
@pytest.mark.xdist_group("own")
@pytest.mark.llm_cassette
@pytest.mark.parametrize("number", range(3))
def test_own(number, llm_snapshot):
    assert talk_about(f"own {number}") == llm_snapshot

@pytest.mark.llm_cassette("asked by both")
@pytest.mark.parametrize("number", range(2))
def test_both(number):
    talk_about("again")
"""
)
RECORDING = ("--templates-record=missing", "--snapshot-update", "--templates-lock=update", "--templates-json=run.json")


@pytest.fixture
def started(project: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """Runs the project's tests, with an address of them that pytest-xdist takes for workers elsewhere."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # else syrupy takes the main process for a worker

    def run(*options: str) -> pytest.RunResult:
        where = [f"--rsyncdir={project.path}", project.path] if any("--tx" in option for option in options) else []
        return project.run("-Wignore", *options, *where)

    return run


def written(project: Any) -> dict[str, str]:
    """What a run has left in the folder of the project, beside its tests and its report."""
    own = {"run.json", "program.py", "pytest.ini", "test_it.py", "stdout", "stderr"}
    files = [path for path in project.path.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    names = {path.relative_to(project.path).as_posix(): path for path in files if "elsewhere" not in path.parts}
    return {name: path.read_text("utf-8") for name, path in names.items() if name not in own}


def told(project: Any) -> dict[str, Any]:
    """What a run has reported of all its tests, without what differs from run to run."""
    report = json.loads((project.path / "run.json").read_text("utf-8"))
    tests = {test["nodeid"]: (test["outcome"], test["source"], len(test["calls"])) for test in report["tests"]}
    return {"totals": report["totals"], "tests": tests}


def clear(project: Any) -> None:
    """Forget what a run has left."""
    for name in written(project):
        (project.path / name).unlink()
    shutil.rmtree(project.path / "elsewhere", ignore_errors=True)


def elsewhere(project: Any, workers: str = "ab") -> list[str]:
    """The options for workers in folders of their own, named by a letter each."""
    folders = [project.path.parent / f"elsewhere-{project.path.name}" / name for name in workers]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    return ["-d", *[f"--tx=popen//chdir={folder}" for folder in folders]]


_ALONE: list[tuple[dict[str, Any], dict[str, str]]] = []


@pytest.fixture
def alone(project: Any, started: Callable[..., pytest.RunResult]) -> tuple[dict[str, Any], dict[str, str]]:
    """What a run of the tests in one process has told and left: the same in every project, so it is run once."""
    if not _ALONE:
        project.tests(PROGRAM + TESTS)
        started(*RECORDING).assert_outcomes(passed=8)
        _ALONE.append((told(project), written(project)))
        clear(project)
    return _ALONE[0]


def test_whoever_runs_the_tests_the_run_tells_and_leaves_the_same(project, started, alone, monkeypatch):
    project.tests(PROGRAM + TESTS)
    alone, files = alone
    monkeypatch.setenv("FIRST_TAKES", "0.3")  # seconds: of those that share a cassette, the first one is done last
    assert alone["totals"]["calls"] == 8
    assert {*files} >= {"cassettes/shared.yaml", "templates.lock", "__snapshots__/test_it/test_own[2].chat"}

    for options in (["-n2", "--dist=loadgroup"], elsewhere(project)):
        clear(project)
        result = started(*RECORDING, *options)

        result.assert_outcomes(passed=8)
        assert "8 subroutines checked" in str(result.stdout)
        assert told(project)["totals"] == alone["totals"], options
        assert written(project) == files, options

    monkeypatch.delenv("FIRST_TAKES")
    replayed = started("--templates-lock=check", "--templates-json=run.json", *elsewhere(project, "c"))
    replayed.assert_outcomes(passed=8)
    assert told(project)["totals"] == alone["totals"]
    project.says(replayed, "8 replayed", "3 snapshots passed")
    assert "unused" not in str(replayed.stdout)


def test_paths_are_told_as_the_main_process_knows_them(tmp_path):
    own, main = tmp_path / "cache" / "project", "C:\\work\\project"
    view = MainView(((own, main), (own.parent, "C:\\started")), "\\", sees_folders=False, sees_others=True)

    assert view.path(own / "tests" / "a.yaml") == "C:\\work\\project\\tests\\a.yaml"
    assert view.path(own) == main
    assert view.path(own.parent / "a.yaml") == "C:\\started\\a.yaml"
    assert view.path(tmp_path / "a.yaml") == str(tmp_path / "a.yaml")
    assert [view.sees(path) for path in (own / "a", own.parent / "a", tmp_path / "a")] == [False, False, True]
    assert MainView().sees(own)
    assert MainView().path(own) == str(own)


def test_a_worker_in_the_same_folder_sends_nothing(project):
    project.ini("testpaths = test_it.py")
    project.tests(PROGRAM + SHARED + SENDS_NOTHING)

    result = project.run("-Wignore", "-d", f"--tx=popen//chdir={project.path}", *RECORDING)

    result.assert_outcomes(passed=4)
    assert "cassettes/shared.yaml" in written(project)
    assert not [name for name in written(project) if "antiphon_cache" in name]


@pytest.fixture
def begun(tmp_path: Path) -> Callable[[], Tokens]:
    """Begins a run with a worker elsewhere, in one folder."""

    def begin() -> Tokens:
        config: Any = SimpleNamespace(rootpath=tmp_path, invocation_params=SimpleNamespace(dir=tmp_path))
        spec = SimpleNamespace(popen=False)
        tokens = Tokens(config)
        tokens.pytest_configure_node(SimpleNamespace(gateway=SimpleNamespace(spec=spec, id="gw0"), workerinput={}))
        return tokens

    return begin


def test_the_last_run_in_a_folder_leaves_none_of_it(begun, tmp_path):
    cache = tmp_path / ".antiphon_cache"
    first, second = begun(), begun()

    first.pytest_unconfigure()
    assert (cache / ".gitignore").read_text("utf-8") == "*\n"
    assert len([*cache.iterdir()]) == 2, "that, and the token of the second one"

    second.pytest_unconfigure()
    assert not cache.exists()


def test_a_run_leaves_what_others_keep_in_the_folder(begun, tmp_path):
    cache = tmp_path / ".antiphon_cache"
    tokens = begun()
    (cache / "remote").mkdir()
    tokens.pytest_unconfigure()
    assert {path.name for path in cache.iterdir()} == {".gitignore", "remote"}

    (cache / ".gitignore").unlink()
    begun().pytest_unconfigure()
    assert {path.name for path in cache.iterdir()} == {"remote"}


SENDS_NOTHING = """
def test_it_sees_its_folder(request):
    from pytest_templates.run.machines import view_of_main
    assert "templates_main" in request.config.workerinput
    assert view_of_main(request.config).sees(request.config.rootpath / "cassettes")
    assert [*request.config.rootpath.glob(".antiphon_cache/run-*/gw0")], "the main process knows that it does"
"""

FAILING = """
import os

@pytest.mark.llm_cassette
@pytest.mark.parametrize("name", ["first", "second"])
def test_fails(name):
    talk_about(f"{name}, paid for")
    assert name in os.environ["FINE"]

@pytest.mark.llm_cassette
def test_asks_more_each_time():
    for _ in os.environ["FINE"].split():
        talk_about("the same")

def test_other_snapshots(snapshot):
    assert "text" == snapshot
"""


def test_answers_of_a_test_that_fails_elsewhere_wait_where_the_run_was_started(project, started, monkeypatch):
    project.tests(PROGRAM + FAILING)
    monkeypatch.setenv("FINE", "nobody")

    result = started("--templates-record=missing", "--snapshot-update", *elsewhere(project))

    result.assert_outcomes(passed=2, failed=2)
    project.says(
        result,
        "snapshots of other kinds than llm_snapshot stay in the folders of their workers",
        f"{project.path}/__snapshots__/test_it.ambr",
    )
    project.says(result, "answers are kept for the next recording", "[first] (1 answer)")
    project.says(result, "answers are kept for the next recording", "[second] (1 answer)")
    assert [one.name for one in (project.path / "cassettes").rglob("*.yaml")] == ["test_asks_more_each_time.yaml"]

    monkeypatch.setenv("FINE", "the first")
    result = started("--templates-record=missing", "-k", "fails or more", *elsewhere(project, "c"))  # which asks anew

    result.assert_outcomes(passed=2, failed=1)
    project.says(result, "answers are kept for the next recording", "[second] (1 answer)")
    assert "[first]" not in str(result.stdout).rpartition("answers are kept")[2]

    monkeypatch.setenv("FINE", "first,second ones")
    result = started("--templates-record=missing", "--templates-max-cost=0", "-k", "fails or more")

    result.assert_outcomes(passed=3, deselected=1)  # nothing is paid again
    names = ["test_asks_more_each_time", "test_fails[first]", "test_fails[second]"]
    assert sorted(written(project)) == [f"cassettes/test_it/{name}.yaml" for name in names]


@pytest.mark.skipif(os.name == "nt", reason="a file in the place of a folder is told otherwise there")
def test_a_run_fails_where_it_cannot_keep_what_a_worker_sends(project, started):
    project.tests(PROGRAM + TESTS)
    folders = elsewhere(project, "a")
    conftest = project.file("conftest.py", REFUSING).read_text("utf-8")

    result = started("--templates-record=missing", "--snapshot-update", "-k", "own", *folders)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=3, deselected=0)
    cassette, snapshot = (f"{project.path}/{one}" for one in ("cassettes/test_it/test_own[0].yaml", CHAT))
    project.says(
        result, f"test_own[0], in what its worker sent: CassetteError: {cassette}: the cassette cannot be written"
    )
    project.says(
        result, f"test_own[0], in what its worker sent: TestingError: {snapshot}: the snapshot cannot be written"
    )
    project.says(
        result, "escaped.yaml: a worker has sent a recording for this place, where no cassettes of this run lie"
    )
    project.says(result, "escaped.chat: the snapshot cannot be written: a worker has sent it, and it is no snapshot of")
    project.says(result, "conftest.py: the snapshot cannot be written: a worker has sent it, and it is no snapshot of")
    assert not [*project.path.parent.glob("escaped*"), *project.path.glob("escaped*")]
    assert (project.path / "conftest.py").read_text("utf-8") == conftest


CHAT = "__snapshots__/test_it/test_own[0].chat"
REFUSING = """
from pathlib import Path

import pytest

def pytest_testnodeready(node):  # the workers have their copies of the folder
    for name in ("cassettes", "__snapshots__"):
        Path(node.config.rootpath, name).write_text("in the way")

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item):  # a worker that wants to write elsewhere
    report = yield
    sent = getattr(report, "templates", [{}])[0].get("sent_recording")
    if sent and "[1]" in report.nodeid:
        sent["cassette"] = "../../escaped.yaml"
        root = item.config.workerinput["templates_main"]["root"]
        names = (root + "/../esc" + "aped.chat", root + "/conftest.py")
        report.templates[0]["sent_snapshots"] += [[name, "esc" + "aped"] for name in names]
    return report
"""

DYING = """
import os
from pathlib import Path

@pytest.mark.llm_cassette
def test_dies():
    talk_about("paid for")
    if os.environ.get("DIES"):
        os._exit(3)
"""


@pytest.mark.parametrize("is_elsewhere", [False, True], ids=["beside", "elsewhere"])
def test_what_others_did_adds_up_where_a_worker_dies(is_elsewhere, project, started, alone, monkeypatch):
    alone, files = alone
    files = {name: text for name, text in files.items() if name != "templates.lock"}
    project.tests(PROGRAM + TESTS + DYING)
    monkeypatch.setenv("DIES", "yes")

    result = started(
        *RECORDING[:2], RECORDING[3], *(elsewhere(project) if is_elsewhere else ["-n2", "--dist=worksteal"])
    )

    result.assert_outcomes(passed=8, failed=1)
    assert told(project)["totals"] == alone["totals"]
    assert {name: text for name, text in written(project).items() if ".journal" not in name} == files
    project.says(result, "a worker died, and which snapshots it has used is not known: unused ones are not removed")
    if is_elsewhere:
        project.says(
            result, "a worker in another folder died", "stay there, in .journal of its cassettes: gw", "chdir="
        )
        return
    project.says(result, "answers are kept for the next recording", "test_it.py::test_dies (1 answer)")
    monkeypatch.delenv("DIES")
    started("--templates-record=missing", "--templates-max-cost=0").assert_outcomes(passed=9)  # nothing is paid again


@contextmanager
def namespace(name: str, address: str, far: str) -> Iterator[None]:
    """A network namespace with one wire to this one."""

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)

    wire = f"v{name}"
    try:
        ip("netns", "add", name)
        ip("link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("address", "add", f"{address}/30", "dev", wire)
        ip("link", "set", wire, "up")
        ip("-n", name, "address", "add", f"{far}/30", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        subprocess.run(["ip", "link", "delete", wire], capture_output=True, timeout=10, check=False)
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=10, check=False)


@contextmanager
def machine(number: int, folder: Path) -> Iterator[str]:
    """A server that runs workers in a network namespace; gives its address."""
    name, net = f"tpl{os.getpid()}x{number}", f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
    near, far = (f"{net}.{4 * number + end}" for end in (1, 2))
    with namespace(name, near, far):
        command = [sys.executable, "-u", "-m", "execnet.script.socketserver", f"{far}:8888"]
        entering = ["ip", "netns", "exec", name, *command]
        with subprocess.Popen(entering, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                assert "Entering Accept loop" in server.stdout.readline()
                yield f"{far}:8888"
            finally:
                server.kill()


def _can_make_namespaces() -> bool:
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"tpl{os.getpid()}probe"
    try:
        with namespace(name, "10.199.199.1", "10.199.199.2"):
            return True
    except (OSError, subprocess.SubprocessError):
        return False


def test_two_machines_add_up_and_what_they_record_is_here(project, alone):
    if not _can_make_namespaces():
        pytest.skip("network namespaces with a wire between them are not to be had here: Linux, root and iproute2")
    project.tests(PROGRAM + TESTS)
    alone, files = alone
    with ExitStack() as machines:
        folders = [project.path.parent / f"machine-{project.path.name}-{number}" for number in (0, 1)]
        for folder in folders:
            folder.mkdir()
        addresses = [machines.enter_context(machine(number, folder)) for number, folder in enumerate(folders)]
        specs = [f"--tx=socket={one}//chdir={folder}" for one, folder in zip(addresses, folders, strict=True)]

        where = ["-Wignore", f"--rsyncdir={project.path}", project.path]
        result = project.run_forked(*RECORDING, "-d", *specs, *where)  # execnet leaves its sockets open

    result.assert_outcomes(passed=8)
    assert told(project)["totals"] == alone["totals"]
    assert written(project) == files
    assert "8 subroutines checked" in str(result.stdout)
    recorded = [len([*(folder / project.path.name / "cassettes").rglob("*.yaml")]) for folder in folders]
    assert all(recorded), "each of them has run tests"
