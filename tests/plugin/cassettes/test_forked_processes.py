"""Processes that are forked while a cassette is open record into it and play from it."""

from __future__ import annotations

import concurrent.futures.process  # noqa: F401  # inner runs take back what they import
import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import finalize

import pytest

from pytest_templates.cassettes.http.capture import ResponseCapture
from pytest_templates.cassettes.http.routing import open_recorders, take_late
from pytest_templates.cassettes.recorded import RecordedResponse
from pytest_templates.errors import CassetteError

HEAD = RecordedResponse(200, "", (), b"")
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def fork(work: Callable[[], object]) -> int:
    """A process that works and ends."""
    process = os.fork()
    if process:
        return process
    try:
        work()
    except BaseException:  # noqa: BLE001  # the process ends here in any case
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def wait(*processes: int) -> None:
    for process in processes:
        assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


class Gate:
    """Holds a process back until another one opens it."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        for end in (self._reading, self._writing):
            finalize(self, os.close, end)

    def open(self) -> None:
        os.write(self._writing, b"x")

    def wait(self) -> None:
        os.read(self._reading, 1)


def test_what_children_record_stands_where_they_were_forked(tester: Any, asked: Any) -> None:
    recording = tester()
    late = Gate()

    def first() -> None:
        late.wait()  # for what the parent and its brother ask
        recording.asks("first child")
        wait(fork(lambda: recording.asks("grandchild")))
        recording.asks("first child again")

    with recording.cassette.playing():
        recording.asks("before")
        children = [fork(first), fork(lambda: recording.asks("second child"))]
        wait(children[1])
        recording.asks("after")
        late.open()
        wait(children[0])
        assert recording.cassette.recorded == 6
    recording.cassette.save()

    assert asked() == ["before", "first child", "grandchild", "first child again", "second child", "after"]
    assert recording.cassette.recorded == 6


def test_each_recording_is_played_once_among_all_processes(tester: Any, asked: Any, tmp_path: Path) -> None:
    recording = tester()
    for answer in ("one", "two", "three"):
        recording.asks("again?", answer)
    recording.cassette.save()
    replaying = tester(mode="none")

    def child(name: str) -> None:
        (tmp_path / name).write_text(replaying.asks("again?"))

    with replaying.cassette.playing():
        wait(fork(lambda: child("a")))
        wait(fork(lambda: child("b")))
        assert [(tmp_path / name).read_text() for name in "ab"] == ["one", "two"]
        assert replaying.cassette.unused == 1
        assert replaying.asks("again?") == "three"
        assert (replaying.cassette.played, replaying.cassette.unused) == (3, 0)


def test_what_a_child_plays_is_in_use(tester: Any, asked: Any) -> None:
    recording = tester()
    for question in ("parent", "child", "nobody"):
        recording.asks(question)
    recording.cassette.save()
    changing = tester(mode="changed")
    with changing.cassette.playing():
        wait(fork(lambda: [changing.asks("child"), changing.asks("new")]))
        changing.asks("parent")
    changing.cassette.save()

    assert asked() == ["child", "new", "parent"]


def test_an_answer_of_a_child_that_is_left_is_played(tester: Any, asked: Any) -> None:
    failing = tester()
    with failing.cassette.playing():
        wait(fork(lambda: failing.asks("child", "paid for")))
    failing.cassette.leave()
    assert failing.cassette.waiting == 1
    again = tester()
    with again.cassette.playing():
        wait(fork(lambda: again.asks("child", "asked again")))
        again.asks("parent")
    again.cassette.save()

    assert asked() == ["child: paid for", "parent"]


def test_a_fork_that_asks_nothing_leaves_nothing(tester: Any, path: Path, workplace: Path) -> None:
    recording = tester()
    with recording.cassette.playing():
        wait(fork(lambda: None))
    recording.cassette.leave()
    assert recording.cassette.waiting == 0
    assert not workplace.exists()


def test_replaying_in_a_child_needs_no_place_to_write(tester: Any, workplace: Path) -> None:
    recording = tester()
    recording.asks("one")
    recording.cassette.save()
    replaying = tester(mode="none")
    with replaying.cassette.playing():
        wait(fork(lambda: replaying.asks("one")))
        assert not workplace.exists()


def test_a_child_that_outlives_its_test_asks_no_model(tester: Any) -> None:
    over = Gate()
    recording = tester()

    def child() -> None:
        over.wait()
        for _ in range(2):
            with pytest.raises(
                CassetteError, match=r"forked while .*test_it.yaml was open, and has outlived that test"
            ):
                recording.asks("late")

    with recording.cassette.playing():
        process = fork(child)
        recording.asks("in time")
    recording.cassette.save()
    over.open()
    wait(process)


def test_an_answer_that_comes_after_the_end_of_the_test_is_left(tester: Any, asked: Any, workplace: Path) -> None:
    sent, over = Gate(), Gate()
    recording = tester()

    def wait_for_answer() -> None:
        sent.open()
        over.wait()

    with recording.cassette.playing():
        process = fork(lambda: recording.asks("slow", before_answer=wait_for_answer))
        recording.asks("one")
        sent.wait()
    recording.cassette.save()
    assert not workplace.exists()
    over.open()
    wait(process)

    again = tester()
    assert again.asks("slow", "asked again") == "fine"
    again.cassette.save()
    assert asked() == ["one", "slow"]


def test_a_fork_that_cannot_share_the_journal_fails_the_test_and_nothing_else(
    tester: Any, path: Path, workplace: Path, asked: Any
) -> None:
    recording = tester(mode="all")
    path.parent.mkdir(parents=True)
    with recording.cassette.playing():
        recording.asks("before")
        wait(fork(lambda: None))
        shared = workplace.rename(workplace.with_name("shared"))
    assert recording.cassette.misses == []
    recording.cassette.leave()
    workplace.write_text("a file")
    failing = tester(mode="all")
    with failing.cassette.playing():
        wait(fork(lambda: None))
    assert ["cannot be written" in str(error) for error in failing.cassette.misses] == [True]
    workplace.unlink()
    shared.rename(workplace)


def test_a_fork_that_cannot_share_what_is_played_fails_the_test_and_keeps_the_order(
    tester: Any, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses() -> Any:
        raise OSError(errno.EMFILE, "too many open files")

    recording = tester()
    with recording.cassette.playing():
        with monkeypatch.context() as patch:
            patch.setattr("pytest_templates.cassettes.processes.forking.mkstemp", refuses)
            wait(fork(lambda: None))
        assert ["cannot share it: [Errno 24]" in str(error) for error in recording.cassette.misses] == [True]
        wait(fork(lambda: recording.asks("first child")))
        wait(fork(lambda: recording.asks("second child")))
    recording.cassette.save()
    assert asked() == ["first child", "second child"]


def test_a_child_finds_no_lock_that_a_thread_of_its_parent_held(tester: Any) -> None:
    recording = tester()
    is_over = threading.Event()

    def work() -> None:
        while not is_over.is_set():
            cassette = recording.cassette
            cassette.sent_requests.sent(b"x", None)
            cassette.captures.add(ResponseCapture(HEAD, streamed=False, started=0.0, record=lambda _: None))
            open_recorders()
            take_late()

    def child() -> None:
        signal.alarm(5)
        recording.asks("in a child")
        recording.cassette.sent_requests.sent(b"y", None)
        recording.cassette.captures.end()

    threads = [threading.Thread(target=work) for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with recording.cassette.playing():
            for thread in threads:
                thread.start()
            for _ in range(6):
                wait(fork(child))
            is_over.set()
    finally:
        is_over.set()
        sys.setswitchinterval(interval)
        for thread in threads:
            thread.join()


WORKERS = """
import multiprocessing, os
from concurrent.futures import ProcessPoolExecutor

FORK = multiprocessing.get_context("fork")

def ask_here(text):
    model = connect("openai:m", base_url=os.environ["CHAT_URL"], api_key="x")
    return Runner(model, template=LinearTemplate([UserTemplate(text), AssistantTemplate()])).run().last.content

def swallowing(text):
    swallow(ask_here, text)
"""


@pytest.mark.parametrize("pool", ["ProcessPoolExecutor(2, mp_context=FORK)", "FORK.Pool(2)"], ids=["executor", "pool"])
def test_the_workers_of_a_pool_are_recorded_and_replayed(project, chat_server, pool):
    project.tests(
        f"""{WORKERS}
@pytest.mark.llm_cassette
def test_it(llm_cassette):
    ask_here("first")
    with {pool} as pool:
        assert sorted(pool.map(ask_here, ["in a worker", "in a worker, too"])) == ["Answer 2.", "Answer 3."]
    ask_here("last")
    assert llm_cassette.unused == 0
"""
    )

    project.run("--templates-record=all").assert_outcomes(passed=1)
    assert sorted(chat_server.asked) == ["first", "in a worker", "in a worker, too", "last"]
    result = project.run()

    result.assert_outcomes(passed=1)
    project.says(result, "4 replayed")
    assert len(chat_server.asked) == 4


def test_an_error_that_a_worker_swallows_fails_the_test(project, chat_server):
    project.tests(
        f"""{WORKERS}
@pytest.mark.llm_cassette
def test_it():
    process = FORK.Process(target=swallowing, args=("never recorded",))
    process.start()
    process.join()
    assert process.exitcode == 0
"""
    )

    result = project.run()

    result.assert_outcomes(passed=1, errors=1)
    project.says(
        result, "processes that the test forked or started met one error:", "CassetteMiss: No recording for POST"
    )
    assert chat_server.asked == []
