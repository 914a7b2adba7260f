"""What is lost: when a run is killed, when two run at once, when a file is damaged."""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from peers import Project
from server import Served

ROUNDS = 20
CALLS = 20


def killed_while_recording(project: Project, served: Served) -> str:
    """Kill -9 in the middle of a test with 20 calls, 20 times: how many answers that it had already are asked again."""
    project.write(f"""
MARK
def test_asks():
    for number in range({CALLS}):
        question = f"question {{number}} of {{os.environ['ROUND']}}"
        ask(question)
        with open("had", "a") as had:
            print(question, file=had)
        time.sleep(0.005)
""")
    dice = random.Random(1)
    paid = again = 0
    for number in range(ROUNDS):
        _delete([*project.cassettes(), project.folder / "had"])
        start, wanted = len(served.asked), dice.randint(3, CALLS - 2)
        run = project.start(project.peer.missing, ROUND=str(number))
        while len(served.asked) - start < wanted and run.poll() is None:
            time.sleep(0.002)
        run.send_signal(signal.SIGKILL)
        run.wait()
        first = set((project.folder / "had").read_text().splitlines())
        start = len(served.asked)
        project.run(project.peer.missing, ROUND=str(number))
        paid += len(first)
        again += len(first & set(served.asked[start:]))
    return f"{again} of {paid} lost"


def killed_while_writing(project: Project, served: Served) -> str:
    """Kill -9 after the last call of a test, before its run ends, 20 times: is the cassette the old or the new one?"""
    project.write("""
MARK
def test_asks():
    for number in range(300):
        ask(f"question {number} " + "word " * 200 + os.environ["ROUND"])
    Path("done").touch()
""")
    project.run(project.peer.record, ROUND="old")
    _delete([project.folder / "done"])
    window = _window(project)
    dice = random.Random(2)
    damaged = 0
    for _ in range(ROUNDS):
        project.run(project.peer.record, ROUND="old")
        _delete([project.folder / "done"])
        run = project.start(project.peer.record, ROUND="new")
        _wait_for(project.folder / "done")
        time.sleep(dice.uniform(0, window))
        run.send_signal(signal.SIGKILL)
        run.wait()
        whole = any(project.run(*project.peer.replay, ROUND=state).returncode == 0 for state in ("old", "new"))
        if not whole:
            damaged += 1
    return f"{damaged} of {ROUNDS} damaged"


def two_processes(project: Project, served: Served) -> str:
    """Two runs at once, 20 different calls each, on one cassette: how many of the 40 are there afterwards."""
    project.write(
        f"""
MARK
def test_asks():
    for number in range({CALLS}):
        ask(f"{{os.environ['WHO']}}-{{number}}-")
        time.sleep(0.01)
""",
        shared=True,
    )
    runs = [project.start(project.peer.missing, WHO=who) for who in ("left", "right")]
    for run in runs:
        run.wait()
    there = project.on_disk()
    kept = [(who, n) for who in ("left", "right") for n in range(CALLS) if f"{who}-{n}-".encode() in there]
    return f"{2 * CALLS - len(kept)} of {2 * CALLS} lost"


def two_threads(project: Project, served: Served) -> str:
    """Two cassettes open in two threads, five calls each: how many are in the wrong file, or in none."""
    modules = {
        "templates": "from pytest_templates.cassettes.cassette import open_cassette\n"
        "from pytest_templates.cassettes.settings import CassetteSettings\n",
        "recording": "import vcr\n",
        "cassetter": "import cassetter\n",
    }
    project.write(
        modules[project.peer.plugin]
        + f"""
def calls(name, gate):
    path = Path(name + ".yaml")
    gate.wait()
    with {project.peer.opening} as cassette:
        gate.wait()
        for number in range(5):
            ask(f"{{name}}-{{number}}-")
            time.sleep(0.01)
        gate.wait()
        if hasattr(cassette, "save"):
            cassette.save()

def test_threads():
    gate = threading.Barrier(2)
    threads = [threading.Thread(target=calls, args=(name, gate)) for name in ("left", "right")]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""
    )
    project.run()
    texts = {path.stem: path.read_bytes() for path in project.cassettes()}
    right = [(who, n) for who in ("left", "right") for n in range(5) if f"{who}-{n}-".encode() in texts.get(who, b"")]
    return f"{10 - len(right)} of 10 misplaced"


def damaged_file(project: Project, served: Served) -> str:
    """Ten kinds of damage: how many lead to an error that names the file, and how many were recorded over."""
    project.write("""
MARK
def test_asks():
    for text in ("one", "two"):
        assert ask(text) == "m heard " + text
""")
    project.run(project.peer.record)
    [path] = project.cassettes()
    whole = path.read_bytes()
    named = lined = over = silent = 0
    for damage in DAMAGES:
        damage(path, whole)
        found = path.read_bytes()
        run = project.run(*project.peer.replay)
        text = run.stdout + run.stderr
        if run.returncode == 0:
            silent += 1
        elif path.name in text:
            named += 1
            lined += 1 if re.search(re.escape(path.name) + r":\d+", text) else 0
        start = len(served.asked)
        project.run(project.peer.missing)
        if len(served.asked) > start or path.read_bytes() != found:
            over += 1
        path.write_bytes(whole)
    return f"{named} name the file, {lined} its line; {silent} pass, {over} recorded over"


def _cut(share: float) -> Callable[[Path, bytes], object]:
    return lambda path, whole: path.write_bytes(whole[: int(len(whole) * share)])


def _cut_at_end_of_line(path: Path, whole: bytes) -> object:
    middle = whole.rindex(b"\n", 0, len(whole) * 3 // 4)
    return path.write_bytes(whole[: middle + 1])


DAMAGES: tuple[Callable[[Path, bytes], object], ...] = (
    _cut(0.0),
    _cut(0.4),
    _cut(0.9),
    _cut_at_end_of_line,
    lambda path, whole: path.write_bytes(whole.replace(b"heard", b"h\xff\xfeard", 1)),
    lambda path, whole: path.write_bytes(b"\x00" * len(whole)),
    lambda path, whole: path.write_bytes(b"<<<<<<< ours\n" + whole + b"=======\n>>>>>>> theirs\n"),
    lambda path, whole: path.write_bytes(whole.replace(b"version: 1", b"version: 99")),
    lambda path, whole: path.write_bytes(whole.replace(b"response:", b"answer:", 1)),
    lambda path, whole: path.write_bytes(b"just: [some, other, yaml]\n"),
)


def _window(project: Project) -> float:
    run = project.start(project.peer.record, ROUND="new")
    _wait_for(project.folder / "done")
    started = time.perf_counter()
    run.wait()
    return time.perf_counter() - started


def _wait_for(path: Path) -> None:
    end = time.monotonic() + 120
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.001)


def _delete(paths: list[Path]) -> None:
    for path in paths:
        with suppress(FileNotFoundError):
            path.unlink()
