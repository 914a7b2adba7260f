"""`cassettes prune`: cassettes without a test are listed, and removed when that is wanted."""

from __future__ import annotations

import pytest
from filelock import lock_descriptor


@pytest.fixture
def files(desk):
    return lambda: sorted(path.relative_to(desk.path).as_posix() for path in desk.path.rglob("cassettes/**/*.yaml"))


@pytest.fixture
def left_over(desk, record):
    """A project with cassettes whose tests are gone: one of a module, and a whole module."""
    record("test_it/test_gone", "Hello.")
    record("test_gone/test_it", "Hello.")
    return desk


def test_cassettes_without_a_test_are_listed_and_stay(left_over, cassettes, files):
    before = files()

    outcome = cassettes("prune")

    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == (
        "cassettes/test_gone/test_it.yaml\ncassettes/test_it/test_gone.yaml\n"
        "2 cassettes without a test: --yes removes them\n"
    )
    assert files() == before


def test_answers_for_tests_that_are_gone_go_and_those_of_others_stay(left_over, waiting, cassettes):
    gone = [waiting("test_it.py::test_gone", "test_it/test_gone", answers=2), waiting("gone/test_x.py::test_it")]
    gone.append(waiting("test_it.py::test_three"))  # of a cassette that others still have
    stay = [waiting("test_it.py::test_one"), waiting("test_it.py::test_greets[ada]", "test_it/test_greets[ada]")]

    listed = cassettes("prune")
    there = [path.exists() for path in gone]
    removed = cassettes("prune", "--yes")

    assert there == [True] * 3
    assert "2 answers of test_it.py::test_gone wait for a recording of this test, which is gone\n" in listed.out
    assert "1 answer of test_it.py::test_three waits for a recording of this test, which is gone\n" in listed.out
    assert listed.out.endswith("2 cassettes without a test and 4 answers for tests that are gone: --yes removes them\n")
    assert removed.out.endswith("2 cassettes without a test and 4 answers for tests that are gone removed\n")
    assert [path.exists() for path in gone] == [False] * 3
    assert all(path.exists() for path in stay)


def test_answers_that_may_wait_for_a_test_that_was_not_collected_stay(desk, waiting, cassettes):
    journal = waiting("test_it.py::test_gone")
    desk.file("tests/test_other.py", "def test_other():\n    pass\n")
    desk.file("conftest.py", "collect_ignore = ['test_it.py']\n")

    assert cassettes("prune", "--yes").out == "every cassette has a test\n"
    assert journal.exists()


def test_answers_that_are_kept_are_listed_and_removed_to_ask_anew(desk, waiting, cassettes, files):
    before = files()
    one, two = waiting("test_it.py::test_one", answers=2), waiting("test_it.py::test_two")
    ada = waiting("test_it.py::test_greets[ada]", "test_it/test_greets[ada]")

    listed = cassettes("prune", "--kept")
    there = [path.exists() for path in (one, two, ada)]
    chosen = cassettes("prune", "--yes", "--kept", "test_it.py::test_one", "test_it.py::test_greets")
    rest = cassettes("prune", "--kept", "--yes")

    assert "2 answers of test_it.py::test_one\n" in listed.out
    assert listed.out.endswith("4 answers kept for the next recording: --yes removes them\n")
    assert there == [True] * 3
    assert "test_two" not in chosen.out
    assert chosen.out.endswith("3 answers kept for the next recording removed\n")
    assert rest.out == "1 answer of test_it.py::test_two\n1 answer kept for the next recording removed\n"
    assert not any(path.exists() for path in (one, two, ada))
    assert cassettes("prune", "--kept").out == "no answers are kept\n"
    assert files() == before


def test_a_test_of_which_nothing_is_kept_is_refused(desk, waiting, cassettes):
    journal = waiting("test_it.py::test_one")

    outcome = cassettes("prune", "--kept", "test_it.py::test_on", "--yes")

    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == (
        "error: no answers are kept of test_it.py::test_on; there are some of test_it.py::test_one\n"
    )
    assert journal.exists()


def test_the_journal_of_a_run_that_records_now_stays(desk, waiting, cassettes):
    journal = waiting("test_it.py::test_gone")
    with journal.open("a+") as file:
        lock_descriptor(file.fileno())
        cassettes("prune", "--yes")
        assert journal.exists()
    cassettes("prune", "--yes")
    assert not journal.exists()


def test_yes_removes_them_and_folders_that_are_empty_then(left_over, cassettes, files):
    outcome = cassettes("prune", "--yes")

    assert outcome.status == 0
    assert "2 cassettes without a test removed" in outcome.out
    assert files() == [
        "cassettes/both.yaml",
        *(f"cassettes/test_it/test_greets[{name}].yaml" for name in ("ada", "bob")),
    ]
    assert not (left_over.path / "cassettes/test_gone").exists()
    assert cassettes("prune", "--yes").out == "every cassette has a test\n"


def test_nothing_is_removed_when_a_module_cannot_be_imported(left_over, cassettes, files):
    left_over.file("test_it.py", "import nothing_of_this_name\n")
    before = files()

    outcome = cassettes("prune", "--yes")

    assert (outcome.status, outcome.out) == (2, "")
    assert "nothing is removed" in outcome.err
    assert "test_it.py: ModuleNotFoundError" in outcome.err
    assert files() == before


@pytest.mark.parametrize("conftest", ["import nothing_of_this_name", "raise SystemExit(3)"])
def test_nothing_is_removed_when_pytest_does_not_start(left_over, cassettes, files, conftest):
    left_over.file("conftest.py", conftest)
    before = files()

    outcome = cassettes("prune", "--yes")

    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("error: pytest does not start here: ")
    assert files() == before


def test_nothing_is_removed_where_there_are_no_tests(left_over, cassettes, files):
    left_over.path.joinpath("test_it.py").unlink()
    before = files()

    outcome = cassettes("prune", "--yes")

    assert outcome.status == 2
    assert "there are no tests" in outcome.err
    assert files() == before


KEEPING = {
    "ignored by a conftest": ("conftest.py", "collect_ignore = ['test_it.py']\n"),
    "skipped as a whole": ("test_it.py", "import pytest\npytest.skip('later', allow_module_level=True)\n"),
    "beyond testpaths": ("pytest.ini", "[pytest]\npythonpath = .\ntestpaths = tests\n"),
    "deselected for good": ("pytest.ini", "[pytest]\npythonpath = .\naddopts = -m nothing --ignore test_it.py\n"),
}


@pytest.mark.parametrize(("name", "text"), KEEPING.values(), ids=KEEPING)
def test_what_may_belong_to_a_test_that_was_not_collected_stays(desk, cassettes, files, name, text):
    desk.file("tests/test_other.py", "def test_other():\n    pass\n")
    desk.path.joinpath("cassettes/both.yaml").unlink()
    desk.file(name, text)

    outcome = cassettes("prune", "--yes")

    assert outcome.out == "every cassette has a test\n"
    assert len(files()) == 2


def test_what_failed_last_makes_no_difference(left_over, cassettes, files):
    left_over.ini("addopts = --lf --sw -n2")
    left_over.file("test_bad.py", "def test_bad():\n    assert False\n")
    left_over.pytester.runpytest_inprocess("-p", "no:xdist", "-o", "addopts=")

    assert "2 cassettes without a test removed" in cassettes("prune", "--yes").out


def test_files_of_other_programs_stay(left_over, cassettes, files):
    left_over.copy("damaged/vcrpy-empty.yaml", "cassettes/vcr.yaml")
    left_over.file("cassettes/notes.yaml", "- of the team\n")

    cassettes("prune", "--yes")

    assert {"cassettes/vcr.yaml", "cassettes/notes.yaml"} < set(files())
