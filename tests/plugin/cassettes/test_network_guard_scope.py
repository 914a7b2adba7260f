"""How far the network guard reaches: from setup to teardown of a test in replay, and no further."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

ELSEWHERE = "192.0.2.7"  # an address for documentation: it leads nowhere (RFC 5737)


@pytest.mark.parametrize(
    ("marker", "arguments"),
    [("", []), ("@pytest.mark.llm_live('why')", ["--templates-live"])],
    ids=["no marker", "live"],
)
def test_nothing_is_patched_in_other_tests(project, marker, arguments):
    project.tests(
        f"""
import socket

{marker}
def test_it():
    assert "connect" not in vars(socket.socket)
    assert socket.getaddrinfo.__code__.co_filename == socket.__file__
"""
    )

    assert project.outcomes(*arguments) == {"passed": 1}


@pytest.mark.parametrize("loaded", ["", "import uvloop"], ids=["uvloop not loaded", "uvloop loaded"])
def test_everything_is_as_before_when_the_test_has_ended(project, loaded):
    if loaded and find_spec("uvloop") is None:
        pytest.skip("needs uvloop")
    project.tests(
        f"""
import socket
import sys

def state():
    uvloop = sys.modules.get("uvloop")
    return (dict(vars(socket.socket)), dict(vars(socket)), list(sys.meta_path),
            uvloop and dict(vars(uvloop.Loop)))

{loaded}
BEFORE = state()

@pytest.mark.llm_cassette
@pytest.mark.parametrize("how", ["passes", "fails", "is refused"])
def test_it(how):
    assert state() != BEFORE
    assert how != "fails"
    if how == "is refused":
        socket.create_connection(("{ELSEWHERE}", 443))

def test_after():
    assert state() == BEFORE
"""
    )

    assert project.outcomes() == {"passed": 2, "failed": 2}


def test_fixtures_of_the_test_are_held_back_as_well(project):
    project.tests(
        f"""
import socket

@pytest.fixture
def reached():
    yield
    swallow(socket.create_connection, ("{ELSEWHERE}", 443))

@pytest.mark.llm_cassette
def test_it(reached):
    pass
"""
    )

    result = project.run()

    assert result.parseoutcomes() == {"passed": 1, "errors": 1}
    project.says(result, f"NetworkRefused: test_it.py::test_it reaches for {ELSEWHERE}:443")


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_forked_process_inherits_the_guard(project):
    project.tests(
        f"""
import multiprocessing
import os
import socket
from pytest_templates.errors import NetworkRefused

pytestmark = pytest.mark.llm_cassette

def child():
    try:
        socket.create_connection(("{ELSEWHERE}", 443))
    except NetworkRefused:
        os._exit(7)

@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it():
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 7
"""
    )

    result = project.run()

    assert result.parseoutcomes() == {"passed": 1, "errors": 1}  # the child has swallowed it
    project.says(
        result, "processes that the test forked or started met one error:", "NetworkRefused: test_it.py::test_it "
    )
