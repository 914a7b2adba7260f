"""templates_ignore_hosts, and what of a marker adds to it: hosts that are neither recorded, replayed nor missed."""

from __future__ import annotations

import pytest

TESTS = """
import os
import threading
from urllib.request import urlopen

TRACES = os.environ["CHAT_URL"].replace("127.0.0.1", "localhost") + "/chat/completions"

def send_traces():
    urlopen(Request(TRACES, b'{"messages": [{"content": "a trace"}]}')).read()

def traced():
    tracer = threading.Thread(target=send_traces)
    tracer.start()
    ask(Plain())
    tracer.join()
    send_traces()

@pytest.mark.llm_cassette
def test_it(llm_cassette):
    traced()
    assert llm_cassette.recorded + llm_cassette.played == 1
"""


@pytest.mark.parametrize(
    ("hosts", "workers"),
    [("localhost", ()), ("\n  api.langfuse.test\n  localhost:PORT # traces", ()), ("*host other", ("-n1",))],
)
def test_a_host_is_asked_beside_the_model_when_recording_and_in_replay(project, chat_server, hosts, workers):
    port = chat_server.url.rpartition(":")[2].partition("/")[0]
    project.ini(f"templates_ignore_hosts = {hosts.replace('PORT', port)}\n")
    project.tests(TESTS)

    project.run("--templates-record=missing", *workers).assert_outcomes(passed=1)
    project.run(*workers).assert_outcomes(passed=1)

    assert (chat_server.asked.count("a trace"), len(chat_server.asked)) == (4, 5)
    (file,) = (project.path / "cassettes").rglob("*.yaml")
    assert "a trace" not in file.read_text(encoding="utf-8")


def test_a_marker_adds_hosts_of_its_own(project, chat_server):
    project.ini("templates_ignore_hosts = 192.0.2.7\n")
    mark = 'llm_cassette(ignore_hosts=["localhost"])'
    project.tests(TESTS.replace("llm_cassette\n", f"{mark}\n") + TESTS[TESTS.index("@pytest") :].replace("_it", "_two"))

    result = project.run("--templates-record=missing")

    result.assert_outcomes(passed=1, failed=1)
    assert [file.name for file in (project.path / "cassettes").rglob("*.yaml")] == ["test_it.yaml"]


def test_each_project_of_a_run_leaves_its_own_hosts_alone(project, chat_server):
    (project.path / "pytest.ini").unlink()
    options = "[pytest]\npythonpath = ..\nasyncio_default_fixture_loop_scope = function\n"
    project.file("one/pytest.ini", options + "templates_ignore_hosts = localhost\n")
    project.file("two/pyproject.toml", '[tool.pytest]\ntemplates_ignore_hosts = ["localhost"]\n')
    project.file("three/pyproject.toml", "[tool.pytest]\n")
    for name in ("one", "two", "three"):
        project.tests(TESTS, f"{name}/test_{name}.py")

    result = project.run("--templates-record=missing", "one", "two", "three")

    result.assert_outcomes(passed=2, failed=1)


REACHING = """
import socket

@pytest.mark.llm_cassette
def test_it():
    with pytest.raises(TimeoutError):
        socket.create_connection(("192.0.2.8", 80))
    with pytest.raises(TimeoutError):
        socket.create_connection(("vectors.example.invalid", 6333))
    with pytest.raises(Exception, match="reaches for 192.0.2.7:80"):
        socket.create_connection(("192.0.2.7", 80))
"""
NETWORK = """
import socket

real, connect = socket.getaddrinfo, socket.socket.connect

def look_up(host, port, *arguments, **options):
    address = "192.0.2.7" if host == "vectors.example.invalid" else host
    return real(address, port, *arguments, **options)

def time_out(sock, address):
    raise TimeoutError(address)

socket.getaddrinfo, socket.socket.connect = look_up, time_out

def pytest_unconfigure():
    socket.getaddrinfo, socket.socket.connect = real, connect
"""


def test_in_replay_sockets_reach_a_host_by_its_name_and_address(project):
    project.ini("templates_ignore_hosts = vectors.example.invalid:6333 192.0.2.8\n")
    project.file("conftest.py", NETWORK)
    project.tests(REACHING)

    result = project.run_forked()

    result.assert_outcomes(failed=1)  # for the last one alone, which the test expects in vain
    project.says(result, "test_it.py::test_it reaches for 192.0.2.7:80", "name its host in templates_ignore_hosts")


@pytest.mark.parametrize(
    "written", ["https://traces.example", "traces.example/v1", "traces.example:http", "a.example,b.example:80"]
)
def test_what_is_no_host_is_refused_wherever_it_is_written(project, written):
    says = f"'{written}' is no host such as localhost:8080"
    project.tests(f'@pytest.mark.llm_cassette(ignore_hosts=["{written}"])\ndef test_it():\n    pass\n')
    marked = project.run()
    project.ini(f"templates_ignore_hosts = {written}\n")
    configured = project.run()

    marked.assert_outcomes(errors=1)
    project.says(marked, f"test_it.py::test_it: marker llm_cassette: {says}")
    assert configured.ret == pytest.ExitCode.USAGE_ERROR
    assert f"templates_ignore_hosts in {project.path / 'pytest.ini'}: {says}" in str(configured.stderr)
