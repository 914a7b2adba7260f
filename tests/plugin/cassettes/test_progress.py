"""A run that records says so, and on a terminal what it has cost so far."""

from __future__ import annotations

import os
import re
import struct
import sys
from decimal import Decimal

import pytest

from pytest_templates.cassettes.progress import line_of
from pytest_templates.run.totals import Sum
from pytest_templates.support.text import columns_of

TESTS = """
    from decimal import Decimal

    class Own(Model):
        name = "own"
        recordable = True  # without HTTP, whose clients take long to import

        def _send(self, session):
            return Reply("Yes.", usage=Usage(input_tokens=10, output_tokens=3, cost=Decimal("0.01")))

    @pytest.mark.llm_cassette
    @pytest.mark.parametrize("number", range(2))
    def test_it(number):
        ask(Own())
"""
HEADER = "templates: records real model calls (--templates-record=missing) into cassettes"
on_terminals = pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal")


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_the_header_says_that_a_run_records_and_where(project, workers):
    project.tests(TESTS)

    result = project.run("--templates-record=missing", *workers)

    assert result.outlines.count(HEADER) == 1
    result.stdout.no_fnmatch_line("*recording*")  # this is no terminal


@pytest.mark.parametrize("arguments", [(), ("--templates-record=missing", "-q"), ("--templates-record=all", "--co")])
def test_a_run_that_does_not_record_and_a_quiet_one_have_no_such_header(project, arguments):
    project.tests(TESTS)

    assert "records real model calls" not in str(project.run(*arguments).stdout)


def test_the_header_names_the_place_that_is_given_and_no_password(project):
    project.tests("def test_it():\n    pass\n")

    def header(place: str) -> str:
        lines = project.run("--templates-record=all", f"--templates-cassettes={place}").outlines
        return next(line for line in lines if "records real" in line).partition(" into ")[2]

    assert header("deep/tapes") == "deep/tapes"
    assert header("memory://someone:secret@host/tapes") == "memory://host/tapes"


def on_terminal(project, *arguments: str, columns: int = 80, **environment: str) -> str:
    """What a run of pytest writes to a terminal of so many columns."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environ = {**os.environ, "TERM": "xterm", **environment}
    environ.pop("COLUMNS", None)
    run = project.start_forked(theirs, *arguments, environ=environ)
    os.close(theirs)
    said = b""
    try:
        while some := os.read(ours, 65536):
            said += some
    except OSError:  # it has ended
        pass
    os.close(ours)
    run.join()
    assert run.exitcode == 0, said.decode()
    return said.decode()


@on_terminals
@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_a_terminal_shows_what_was_recorded_so_far_and_takes_it_away(project, workers):
    project.tests(TESTS)

    said = on_terminal(project, "--templates-record=missing", *workers, columns=100, NO_COLOR="1")

    shown = re.findall(r"\x1b\[2K(recording [^\x1b]*)\x1b8", said)
    assert shown[0] == "recording  test_it.py::test_it[0]"
    numbers = r"2 calls  26 tokens  \$0\.0200  [\d,]+ calls/min"
    assert re.fullmatch(rf"recording  test_it.py::test_it\[1\]  {numbers}", shown[-1])
    if not workers:  # a call shows before its test has ended
        assert said.index("1 call") < said.index("\x1b8.")
    assert said.rindex("\x1b[2K\x1b8") > said.rindex("recording")  # it was taken away
    summary = "templates: 2 calls of 1 model, 26 tokens, $0.0200, 2 recorded"
    assert summary in said.splitlines()


@on_terminals
@pytest.mark.parametrize("argument", ["-q", "-s"])
def test_a_quiet_run_and_one_that_lets_programs_print_show_none(project, argument):
    project.tests(TESTS)

    assert "recording  " not in on_terminal(project, "--templates-record=missing", argument)


NAME = "tests/deep/down/test_support.py::TestDesk::test_a_parcel_that_is_late[日本]"
MUCH = Sum(123, 23_456, 0, Decimal("12.5"))


@pytest.mark.parametrize("columns", [60, 80, 140, 200])
def test_the_line_fits_the_terminal_and_keeps_its_numbers(columns):
    line = line_of(NAME, MUCH, 60.0, columns)

    assert columns_of(line) <= columns
    assert line.endswith("  123 calls  23,456 tokens  $12.5000  123 calls/min")
    assert (NAME in line) is (columns >= 140)


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        (Sum(1, 10, 0, Decimal(0), 1), "recording  t  1 call  10 tokens  cost unknown  6 calls/min"),
        (Sum(2, 10, 0, Decimal("0.5"), 1), "recording  t  2 calls  10 tokens  $0.5000 and more  12 calls/min"),
        (Sum(), "recording  t"),
    ],
)
def test_a_price_that_is_not_known_is_not_called_nothing(recorded, said):
    assert line_of("t", recorded, 10.0, 80) == said


def test_what_a_name_holds_does_nothing_to_the_terminal():
    assert line_of("t[\x1b[2J\u202e]", Sum(), 1.0, 80) == r"recording  t[\x1b[2J\u202e]"
