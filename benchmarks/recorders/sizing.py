"""How much memory a recorder takes."""

from __future__ import annotations

import os

from peers import Project
from server import Served

MEGABYTES = 10


def large_answer(project: Project, served: Served) -> str:
    """The peak of recording an answer of 10 MB, beside that of a small one, in sizes of the answer."""
    project.write("""
MARK
def test_asks():
    assert httpx.get(URL + "/large/" + os.environ["SIZE"]).status_code == 200
""")
    small, large = (_peak(project, project.peer.record, SIZE=size) for size in ("1700", str(MEGABYTES * 2**20)))
    return f"{(large - small) / MEGABYTES:.1f} times its size"


def many_interactions(project: Project, served: Served) -> str:
    """The peak of replaying one of 500 interactions of 4 KB, beside that of one of one, in sizes of the file."""
    project.write("""
MARK
def test_asks():
    for number in range(int(os.environ["CALLS"])):
        ask(f"question {number} " + "word " * 400)
""")
    project.run(project.peer.record, CALLS="1")
    small = _peak(project, *project.peer.replay, CALLS="1")
    project.run(project.peer.record, CALLS="500")
    size = sum(path.stat().st_size for path in project.cassettes()) / 2**20
    return f"{(_peak(project, *project.peer.replay, CALLS='1') - small) / size:.1f} times the file"


def _peak(project: Project, *options: str, **environ: str) -> float:
    """The most memory that a run held, in megabytes; on systems that count it in kilobytes, as Linux does."""
    _, _, usage = os.wait4(project.start(*options, **environ).pid, 0)
    return usage.ru_maxrss / 1024
