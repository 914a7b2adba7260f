"""Recording where something comes in between: a stop that is swallowed, a run that is interrupted, part of a run."""

from __future__ import annotations

import http.client
import os
from multiprocessing import get_context
from pathlib import Path

import pytest

from pytest_templates.cassettes.http.routing import open_recorders
from pytest_templates.cassettes.storage.store import Store

REAL = """
    import os, sys

    def real(name="m"):
        return connect(f"openai:{name}", base_url=os.environ["CHAT_URL"], api_key="key-of-the-test")
"""


@pytest.mark.parametrize("mode", ["none", "missing"])
def test_a_request_that_passes_the_cassette_by_fails_a_test_that_swallows_it(project, mode):
    project.file("copied.py", "from http.client import HTTPConnection\n")
    project.tests(
        """
        from copied import HTTPConnection

        @pytest.mark.llm_cassette
        def test_it():
            swallow(HTTPConnection("127.0.0.1", 9).request, "POST", "/")
        """
    )

    result = project.run(f"--templates-record={mode}")

    result.assert_outcomes(failed=1)
    project.says(result, "a request passed the cassette by: it came to http.client.HTTPConnection.putrequest")


def test_a_library_that_is_imported_while_a_cassette_is_open_is_stopped_at_once(project, chat_server):
    project.tests(
        REAL
        + """
    @pytest.mark.llm_cassette
    @pytest.mark.parametrize("number", range(2))
    def test_it(number):
        import httpcore

        with httpcore.ConnectionPool() as pool:
            swallow(lambda: pool.request("POST", os.environ["CHAT_URL"], content=b'{"messages": [{"content": "x"}]}'))
    """
    )

    result = project.run_forked("--templates-record=missing")

    result.assert_outcomes(failed=2)
    assert chat_server.asked == []


def test_one_test_recorded_anew_leaves_the_others_their_part_of_a_shared_cassette(project, chat_server):
    project.tests(
        REAL
        + """
    @pytest.mark.llm_cassette("shared")
    @pytest.mark.parametrize("name", ["small", "large"])
    def test_it(name):
        ask(real(name))
    """
    )
    project.run("--templates-record=missing").assert_outcomes(passed=2)

    project.run("--templates-record=all", "-k", "small").assert_outcomes(passed=1, deselected=1)

    project.run().assert_outcomes(passed=2)
    assert len(chat_server.asked) == 3


@pytest.mark.parametrize("end", ["pytest.exit('enough')", "raise KeyboardInterrupt"])
def test_an_interrupted_run_leaves_nothing_patched_and_what_was_recorded_to_the_next(
    project, chat_server, end, monkeypatch
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    connection = http.client.HTTPConnection
    text = (
        REAL
        + """
    @pytest.mark.llm_cassette
    def test_it():
        ask(real())
        END
    """
    )
    project.tests(text.replace("END", end))

    project.run_forked("--templates-record=missing")
    if "exit" in end:  # an interrupt would come through to this test
        project.run("--templates-record=missing")

    assert http.client.HTTPConnection is connection
    assert open_recorders() == ()
    assert "OPENAI_API_KEY" not in os.environ
    project.tests(text.replace("END", "pass"))
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    assert len(chat_server.asked) == 1


@pytest.mark.parametrize("skip", ["pytest.skip('part')", "pytest.xfail('part')"])
def test_a_test_of_which_a_subtest_was_skipped_is_recorded(project, chat_server, skip):
    project.tests(
        REAL
        + f"""
    @pytest.mark.llm_cassette
    def test_it(subtests):
        with subtests.test("one"):
            {skip}
        ask(real())
    """
    )

    project.run("--templates-record=missing")

    assert project.run().ret == 0
    assert len(chat_server.asked) == 1


def test_the_keys_of_live_tests_are_not_printed(project, monkeypatch):
    monkeypatch.setenv("SHOP_API_KEY", "hunter2-hunter2")
    project.tests(
        """
        @pytest.mark.llm_live(reason="to see what is said")
        def test_it():
            import os

            assert os.environ["SHOP_API_KEY"] == ""
        """
    )

    result = project.run("--templates-live")

    result.assert_outcomes(failed=1)
    assert "hunter2" not in str(result.stdout)


def test_a_test_that_is_over_is_let_go(project):
    project.tests(
        """
        import gc
        from pytest_templates.cassettes.cassette import OpenCassette

        @pytest.mark.llm_cassette
        @pytest.mark.parametrize("number", range(5))
        def test_it(number):
            gc.collect()
            assert sum(isinstance(thing, OpenCassette) for thing in gc.get_objects()) <= 2
        """
    )

    project.run_forked("--templates-record=missing").assert_outcomes(passed=5)


def take_turns(folder: Path, rounds: int) -> None:
    store = Store(folder)
    for _ in range(rounds):
        with store.lock():
            pass


def test_many_processes_take_turns_at_one_store(tmp_path):
    """The folder of the lock vanishes and is made anew all the time."""
    workers = [get_context("spawn").Process(target=take_turns, args=(tmp_path, 300)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert [worker.exitcode for worker in workers] == [0] * 4


def test_a_file_in_the_place_of_the_workplace_is_told(tmp_path):
    (tmp_path / ".journal").write_text("x", encoding="utf-8")

    with pytest.raises(OSError, match="journal"), Store(tmp_path).lock():
        pass
