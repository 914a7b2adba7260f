"""What a test leaves running fails the run in its name, and not the test that comes next."""

from __future__ import annotations

import os

import pytest

LATE = """
import gc
import os
import threading
import weakref

GO, GONE, KEPT = threading.Event(), threading.Event(), []

def ask(model, text):
    try:
        model.send(Session(messages=[Message(role="user", content=text)]))
    except antiphon.errors.AntiphonError:
        pass

def test_one(scripted_model):
    model = scripted_model("x")
    ask(model, "in time")

    def late():
        GO.wait(20)
        ask(model, "late question correct-horse-battery")
        GONE.set()

    threading.Thread(target=late).start()

class Holder:
    pass

def test_two(scripted_model):
    model, holder = scripted_model("x"), Holder()
    ask(model, "in time")
    weakref.finalize(holder, ask, model, "last words")
    KEPT.append(holder)

def test_three():
    parent = Session(metadata={"seen": []})
    inner = LinearTemplate([
        UserTemplate("?"),
        AssistantTemplate(after_transform=lambda child: parent.metadata["seen"].append(1) or child),
    ])
    steps = Runner(ScriptedModel("one"), template=SubroutineTemplate(inner, "research")).iter(parent)
    next(steps)
    KEPT.append(steps)

def test_next(llm_trace):
    GO.set()
    assert GONE.wait(20)
    steps = KEPT.pop()
    [*steps]
    KEPT.clear()
    gc.collect()
    assert [call.messages[-1].content for call in llm_trace.calls] == ["?"]
"""


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_the_run_fails_in_the_name_of_the_test_that_left_it(project, workers, monkeypatch):
    monkeypatch.setenv("DESK_API_KEY", "correct-horse-battery")
    project.tests(LATE)

    result = project.run_forked(*workers)

    assert result.parseoutcomes() == {"passed": 4}
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    told = str(result.stdout).partition("failures of tests that were over")[2]
    assert "test_it.py::test_one, in what it left running: UnscriptedCall: " in told
    assert "late question" in told
    assert "horse" not in told
    assert "test_it.py::test_two, in what it left running: UnscriptedCall: " in told
    assert "last words" in told
    assert "test_it.py::test_three, in what it left running: IsolationViolation: the subroutine at 'research'" in told
    assert "metadata['seen'][0] was added: 1" in told


FORKED = """
import os

def ask(model, text):
    try:
        model.send(Session(messages=[Message(role="user", content=text)]))
    except antiphon.errors.AntiphonError:
        pass

def forked(do):
    child = os.fork()
    if not child:
        try:
            do()
        finally:
            os._exit(0)
    return child

def test_waits(scripted_model):
    os.waitpid(forked(lambda: ask(scripted_model(), "asked by the child")), 0)

def test_does_not_wait(scripted_model):
    reading, writing = os.pipe()
    def late():
        os.read(reading, 1)
        ask(scripted_model(), "asked too late")
    CHILDREN.append((forked(late), writing))

def test_subroutine():
    parent = Session(metadata={"seen": []})
    inner = LinearTemplate([
        UserTemplate("?"),
        AssistantTemplate(after_transform=lambda child: parent.metadata["seen"].append(1) or child),
    ])
    runner = Runner(ScriptedModel("one"), template=SubroutineTemplate(inner, "research"))
    os.waitpid(forked(lambda: runner.run(parent)), 0)

CHILDREN = []

def test_next():
    child, writing = CHILDREN.pop()
    os.write(writing, b"x")
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_forked_processes_fail_the_test_that_waits_for_them_and_else_the_run(project, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    project.tests(FORKED)

    result = project.run_forked()

    assert result.parseoutcomes() == {"passed": 4, "errors": 2}
    told = str(result.stdout)
    assert "in a process that the test has forked: UnscriptedCall: " in told
    assert "asked by the child" in told
    assert "in a process that the test has forked: IsolationViolation: the subroutine at 'research'" in told
    late = told.partition("failures of tests that were over")[2]
    assert "test_it.py::test_does_not_wait, in what it left running: UnscriptedCall: " in late
    assert "asked too late" in late
    assert not [*tmp_path.glob("pytest-templates-*")]
