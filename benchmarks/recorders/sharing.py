"""Whose recording it is: of a worker process, of a thread that outlives its test, of one project among several."""

from __future__ import annotations

from peers import Project
from server import Served


def forked_worker(project: Project, served: Served) -> str:
    """A call in a forked worker process, between two others: whether a replay has its answer."""
    project.write("""
import multiprocessing

def work(connection):
    connection.send(ask("in a worker"))

MARK
def test_asks():
    assert ask("first") == "m heard first"
    ours, theirs = multiprocessing.Pipe()
    worker = multiprocessing.get_context("fork").Process(target=work, args=(theirs,))
    worker.start()
    assert ours.poll(10) and ours.recv() == "m heard in a worker"
    worker.join()
    assert ask("last") == "m heard last"
""")
    recorded = project.run(project.peer.record)
    start = len(served.asked)
    replayed = project.run(*project.peer.replay)
    if replayed.returncode == 0:
        return "replayed" if len(served.asked) == start else "asked again in replay, silently"
    return "said while recording" if recorded.returncode or "process" in recorded.stdout else "lost silently"


def late_thread(project: Project, served: Served) -> str:
    """A thread that asks while the next test is under way: whether that test's cassette keeps its call."""
    project.write("""
LATE, THREADS = threading.Event(), []

def late():
    LATE.wait(20)
    with suppress(BaseException):
        ask("question of the thread")

MARK
def test_first():
    THREADS.append(threading.Thread(target=late))
    THREADS[0].start()
    ask("first")

MARK
def test_second():
    ask("question of the next test")
    LATE.set()
    THREADS[0].join()
""")
    project.run(project.peer.record)
    files = [path.read_bytes() for path in project.cassettes()]
    mixed = any(b"question of the thread" in text and b"question of the next test" in text for text in files)
    return "kept by the next test" if mixed else "not kept by the next test"


def several_projects(project: Project, served: Served) -> str:
    """Three projects of one repository, with tests of the same names: replayed from the top, and each by itself."""
    project.write("""
MARK
def test_asks():
    name = Path(__file__).parents[1].name
    assert ask(name) == "m heard " + name
""")
    code = (project.folder / "test_calls.py").read_text()
    (project.folder / "test_calls.py").unlink()
    names = [f"service_{letter}" for letter in "abc"]
    for name in names:
        tests = project.folder / name / "tests"
        tests.mkdir(parents=True)
        (tests / "test_calls.py").write_text(code)
        (tests.parent / "pytest.ini").write_text("[pytest]\n")
    top = ("--import-mode=importlib", *names)
    project.run(project.peer.record, *top)
    whole = project.run(*project.peer.replay, *top).returncode == 0
    alone = sum(project.run(*project.peer.replay, f"--rootdir={name}", name).returncode == 0 for name in names)
    return f"from the top {'replayed' if whole else 'NOT replayed'}, alone {alone} of 3"
