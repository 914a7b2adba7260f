"""--templates-record: which calls of real models are recorded."""

from __future__ import annotations

import re
import threading

import httpcore  # noqa: F401  # httpx keeps its errors, and inner runs take back what they import
import pytest

REAL = """
@pytest.mark.llm_cassette
@pytest.mark.parametrize("name", ["small", "large"])
def test_it(name):
    ask(real(name))
"""


@pytest.fixture
def files(project):
    """The recordings, by file."""
    return lambda folder="cassettes": {file: file.read_bytes() for file in (project.path / folder).rglob("*.yaml")}


def test_nothing_is_recorded_unless_it_is_wanted(project, chat_server, files):
    project.tests(REAL)

    project.run().assert_outcomes(failed=2)
    project.run("--templates-record=none").assert_outcomes(failed=2)

    assert chat_server.asked == []
    assert files() == {}


def test_missing_records_what_has_no_recording_and_replays_the_rest(project, chat_server, files):
    project.tests(REAL)
    project.run("--templates-record=missing", "-k", "small").assert_outcomes(passed=1)
    [(small, before)] = files().items()

    result = project.run("--templates-record=missing")

    result.assert_outcomes(passed=2)
    assert len(chat_server.asked) == 2
    assert len(files()) == 2
    assert files()[small] == before
    result.stdout.fnmatch_lines(["templates: 2 calls of 2 models, *, 1 replayed, 1 recorded"])


def test_missing_does_not_touch_cassettes_that_miss_nothing(project, chat_server, files):
    project.tests(REAL)
    project.run("--templates-record=missing").assert_outcomes(passed=2)
    times = {file: file.stat().st_mtime_ns for file in files()}

    project.run("--templates-record=missing").assert_outcomes(passed=2)

    assert {file: file.stat().st_mtime_ns for file in files()} == times
    assert len(chat_server.asked) == 2


def test_all_records_anew(project, chat_server, files):
    project.tests(REAL)
    project.run("--templates-record=all").assert_outcomes(passed=2)
    before = files()

    result = project.run("--templates-record=all")

    result.assert_outcomes(passed=2)
    assert len(chat_server.asked) == 4
    assert files().keys() == before.keys()
    assert all(files()[file] != before[file] for file in before)  # the server numbers its answers
    result.stdout.fnmatch_lines(["templates: *, 2 recorded"])


@pytest.mark.parametrize("mode", ["new", "once", ""])
def test_another_mode_is_refused_with_the_valid_ones(project, mode):
    result = project.run(f"--templates-record={mode}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.re_match_lines(
        [rf".*--templates-record: invalid choice: '{mode}' \(choose from '?none.*missing.*changed.*all'?\)"]
    )


DROP = "python -m pytest_templates cassettes prune --kept --yes"
WAITING = "templates: answers are kept for the next recording, which does not ask for them again"
ANEW = f"; to ask anew: {DROP}"
FAILING = {
    "the test": "def test_it():\n    ask(real())\n    assert False",
    "its teardown": "@pytest.fixture\ndef broken():\n    yield\n    assert False\n\n"
    "@pytest.mark.llm_cassette\ndef test_it(broken):\n    ask(real())",
    "a verdict": "def test_it(scripted_model):\n    ask(real())\n    swallow(ask, scripted_model())",
    "steps that are left": "def test_it(scripted_model):\n    scripted_model('left')\n    ask(real())",
    "a unittest": "class TestIt(__import__('unittest').TestCase):\n    def test_it(self):\n        ask(real())\n"
    "        self.assertEqual(1, 2)",
}


@pytest.mark.parametrize("failing", FAILING.values(), ids=FAILING)
def test_what_a_failing_test_recorded_waits_for_its_next_recording(project, chat_server, files, failing):
    marked = "" if failing.startswith("@") else "@pytest.mark.llm_cassette\n"
    project.tests(REAL.partition("@pytest")[0] + marked + failing)

    result = project.run("--templates-record=all")

    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) == 1
    assert chat_server.asked == ["Hello."]
    assert [file.name for file in (project.path / "cassettes").iterdir()] == [".journal"]
    assert re.search(
        rf"\n{re.escape(WAITING)}: test_it\.py::(TestIt::)?test_it \(1 answer\){re.escape(ANEW)}\n", str(result.stdout)
    )
    for mode in ("missing", "changed", "all"):
        project.run(f"--templates-record={mode}")
    assert chat_server.asked == ["Hello."]  # it still fails, and pays nothing


@pytest.mark.parametrize("mode", ["missing", "changed", "all"])
@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_what_was_kept_is_taken_when_the_test_is_mended_and_the_run_says_so(project, chat_server, files, mode, workers):
    test = (
        "@pytest.mark.llm_cassette\ndef test_it():\n    ask(real())\n    ask(real(temperature=1))\n    assert False\n"
    )
    head = REAL.partition("@pytest")[0]
    project.tests(head + test)
    project.run("--templates-record=all")
    project.tests(head + test.replace("    ask(real(temperature=1))\n    assert False\n", ""))

    result = project.run(f"--templates-record={mode}", *workers)

    result.assert_outcomes(passed=1)
    project.says(
        result,
        "templates: kept answers were taken, and not asked for again: test_it.py::test_it (1 answer)\n",
        "templates: kept answers are dropped, as nothing asks for them any more: test_it.py::test_it (1 answer)\n",
    )
    assert len(chat_server.asked) == 2
    assert not (project.path / "cassettes/.journal").exists()
    project.run().assert_outcomes(passed=1)


INTERRUPTIONS = {
    "the keyboard": "raise KeyboardInterrupt",
    "a kill": "__import__('os').kill(__import__('os').getpid(), 9)",
    "an exit": "pytest.exit('enough')",
}


@pytest.mark.parametrize("interruption", INTERRUPTIONS.values(), ids=INTERRUPTIONS)
def test_what_an_interrupted_run_was_answered_is_kept(project, chat_server, interruption):
    test = f"{REAL.partition('@pytest')[0]}@pytest.mark.llm_cassette\ndef test_it():\n    ask(real())\n    {{}}\n"
    project.tests(test.format(interruption))
    run = project.run if "exit" in interruption else project.run_forked
    run("--templates-record=all", *(["-p", "no:faulthandler"] if "kill" in interruption else []))
    project.tests(test.format("pass"))

    replay = project.run()
    result = project.run("--templates-record=all")

    replay.assert_outcomes(failed=1)
    project.says(
        replay,
        "Its answer is kept in the journal: this test was recorded, and did not go well or was interrupted then.",
        "Save it, without asking for it again, with:",
        "  pytest test_it.py::test_it --templates-record=missing",
    )
    result.assert_outcomes(passed=1)
    assert chat_server.asked == ["Hello."]


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_what_waits_is_named_of_the_tests_of_this_run_and_counted_of_others(project, chat_server, workers):
    test = "@pytest.mark.llm_cassette\ndef test_{0}():\n    ask(Plain())\n    assert False\n\n"
    project.tests(test.format("gone") + test.format("more"))
    project.run("--templates-record=missing").assert_outcomes(failed=2)
    project.tests(test.format("it"))

    fails = project.run("--templates-record=missing", *workers)
    project.tests(test.format("it").replace("assert False", "pass"))
    passes = project.run("--templates-record=missing", *workers)

    assert f"\n{WAITING}: test_it.py::test_it (1 answer), and 2 answers of other tests{ANEW}\n" in str(fails.stdout)
    assert f"\n{WAITING}: 2 answers of other tests{ANEW}\n" in str(passes.stdout)


EXPECTED = {
    "marked": "@pytest.mark.xfail(strict=True)\n@pytest.mark.llm_cassette\n"
    "def test_it():\n    ask(real())\n    assert False",
    "called": "@pytest.mark.llm_cassette\ndef test_it():\n    ask(real())\n    pytest.xfail('not yet')",
}


@pytest.mark.parametrize("expected", EXPECTED.values(), ids=EXPECTED)
def test_what_a_test_recorded_that_failed_as_expected_is_kept(project, chat_server, files, expected):
    project.tests(REAL.partition("@pytest")[0] + expected)

    result = project.run("--templates-record=missing")

    result.assert_outcomes(xfailed=1)
    result.stdout.fnmatch_lines(["templates: *, 1 recorded"])
    assert len(files()) == 1
    project.run().assert_outcomes(xfailed=1)
    assert len(chat_server.asked) == 1


UNEXPECTED = {
    "it passed": "    pass",
    "its teardown failed": "    broken()\n    assert False",
    "the program swallowed a verdict": "    swallow(ask, scripted_model())\n    assert False",
}


@pytest.mark.parametrize("unexpected", UNEXPECTED.values(), ids=UNEXPECTED)
def test_what_a_test_recorded_is_not_kept_where_it_went_otherwise_than_expected(
    project, chat_server, files, unexpected
):
    project.tests(
        REAL.partition("@pytest")[0]
        + "@pytest.fixture\ndef broken():\n    fails = []\n    yield lambda: fails.append(1)\n    assert not fails\n\n"
        + "@pytest.mark.xfail(strict=True)\n@pytest.mark.llm_cassette\n"
        + f"def test_it(broken, scripted_model):\n    ask(real())\n{unexpected}\n"
    )

    project.run("--templates-record=missing")

    assert chat_server.asked == ["Hello."]
    assert files() == {}


PLAIN = """
@pytest.mark.llm_cassette
@pytest.mark.parametrize("number", range(6))
def test_it(number):
    ask(Plain(f"m{number}"))
"""


def test_every_worker_records_and_replays_and_the_summary_adds_up(project, chat_server, files):
    project.tests(PLAIN)

    recorded = project.run("-n2", "--templates-record=missing")
    before = files()
    replayed = project.run("-n2")

    recorded.assert_outcomes(passed=6)
    recorded.stdout.fnmatch_lines(["templates: 6 calls of 6 models, 78 tokens, *, 6 recorded"])
    replayed.assert_outcomes(passed=6)
    replayed.stdout.fnmatch_lines(["templates: 6 calls of 6 models, 78 tokens, *, 6 replayed"])
    assert len(chat_server.asked) == 6
    assert len(before) == 6
    assert files() == before


GIVEN_UP = """
import asyncio, os

@pytest.mark.llm_cassette
def test_it():
    model = connect("openai:m", base_url=os.environ["CHAT_URL"], api_key="x")

    async def main():
        await Runner(model, template=talk()).arun()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Runner(model, template=LinearTemplate([UserTemplate("Slow."), talk()])).arun(), 0.3)

    asyncio.run(main())
"""


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_a_call_that_is_given_up_before_its_answer_is_told(project, chat_server, monkeypatch, workers):
    given_up = threading.Event()
    answer = chat_server.answer

    def slow(body):
        if len(body["messages"]) > 1:
            given_up.wait(10)
        return answer(body)

    monkeypatch.setattr(chat_server, "answer", slow)
    project.tests(GIVEN_UP)

    result = project.run("--templates-record=missing", *workers)
    given_up.set()

    result.assert_outcomes(passed=1, errors=1)
    project.says(
        result,
        "linear/talk/answer asked a model in the second run only",
        "Its call ended before the answer came, by a timeout or a lost connection, and cannot be recorded",
    )


@pytest.mark.parametrize("end", ["", "    pytest.xfail('not yet')\n"], ids=["passed", "failed as expected"])
def test_so_is_a_request_whose_connection_failed_where_the_recording_is_kept(project, chat_server, files, end):
    lost = "    with pytest.raises(httpx.ConnectError):\n        httpx.post('http://127.0.0.1:9/')\n"
    test = f"import httpx\n\n@pytest.mark.llm_cassette\ndef test_it():\n    ask(real())\n{lost}{end}"
    project.tests(REAL.partition("@pytest")[0] + test)

    result = project.run("--templates-record=missing", "--templates-record-check=off")

    assert len(files()) == 1
    project.says(result, "test_it.py::test_it: a request of code outside of templates ended before its answer")


def test_what_a_skipped_test_recorded_waits_as_well(project, chat_server, files):
    project.tests(
        REAL.partition("@pytest")[0] + "@pytest.mark.llm_cassette\ndef test_it():\n    ask(real())\n    pytest.skip()"
    )

    result = project.run("--templates-record=missing")

    result.assert_outcomes(skipped=1)
    assert files() == {}
    project.says(
        result,
        "templates: test_it.py::test_it: the test was skipped after it had asked: nothing is recorded, and a replay "
        "will miss it; skip it before",
        f"{WAITING}: test_it.py::test_it (1 answer)",
    )


@pytest.mark.parametrize("obstacle", ["cassettes", "cassettes/test_it"])
def test_where_nothing_can_be_written_nothing_is_paid_for(project, chat_server, obstacle):
    project.tests(REAL)
    project.file(obstacle, "no folder")

    result = project.run("--templates-record=all", "-k", "small")

    result.assert_outcomes(failed=1)
    assert chat_server.asked == []
    project.says(result, "CassetteError: ", "the cassette cannot be written: ")
