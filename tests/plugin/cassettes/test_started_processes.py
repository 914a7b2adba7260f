"""Programs that a test with a cassette starts: Pythons reach no model, and all others are named."""

from __future__ import annotations

import os
import sys

import pytest

PYTHON = os.path.basename(sys.executable)  # noqa: PTH119  # a name, not a path
HELPERS = """
import asyncio, ctypes.util, json, multiprocessing, os, platform, subprocess, sys

pytestmark = pytest.mark.llm_cassette
ASK = '''
import sys, urllib.request
body = b'{"messages": [{"content": "capital?"}]}'
print(urllib.request.urlopen(sys.argv[1] + "/chat", data=body).read())
'''
CONNECT = "import socket, sys; socket.create_connection(sys.argv[1:3], timeout=5).close()"
RUN = "import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]])"
URL = os.environ["CHAT_URL"]
OWN = {**os.environ, "PYTHONPATH": "site"}
HOST, PORT = URL.split("/")[2].split(":")

def python(code, *arguments, options=(), **settings):
    return subprocess.run([sys.executable, *options, "-c", code, *arguments], **settings)

def ask_here(url):
    import urllib.request

    return urllib.request.urlopen(url + "/chat", data=b'{"messages": [{"content": "capital?"}]}').read()

async def begin(code, *arguments):
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, *arguments, env={"LC_ALL": "C"})
    assert await process.wait() == 1

def pooled():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.apply(ask_here, (URL,))

def printed(code, **settings):
    return python(code, check=True, stdout=subprocess.PIPE, **settings).stdout.strip()

def uvloop_run(coroutine):
    import uvloop

    return uvloop.run(coroutine)
"""
STARTING = {
    "run": "python(ASK, URL, check=True)",
    "swallowed": "python(ASK, URL, stderr=subprocess.DEVNULL)",
    "an environment of its own": "python(ASK, URL, env={'LC_ALL': 'C'})",
    "a shell": "subprocess.run(f'{sys.executable} asking.py {URL}', shell=True)",
    "os.system": "os.system(f'{sys.executable} asking.py {URL}')",
    "a grandchild": "python(RUN, 'asking.py', URL)",
    "spawned": "multiprocessing.get_context('spawn').Process(target=ask_here, args=(URL,)).start()",
    "a pool": "pooled()",
    "asyncio": "asyncio.run(begin(ASK, URL))",
    "uvloop": "uvloop_run(begin(ASK, URL))",
    "another host": "python(CONNECT, '192.0.2.7', '443')",
}


@pytest.mark.parametrize("mode", ["all", "none"])
def test_a_python_that_a_test_starts_reaches_no_model(project, chat_server, mode):
    project.file("asking.py", HELPERS.partition("'''")[2].partition("'''")[0])
    known = {how: code for how, code in STARTING.items() if sys.platform != "win32" or "uvloop" not in code}
    known = known if mode == "none" else {how: known[how] for how in ("run", "spawned")}
    cases = f"pytest.mark.parametrize('starting', {list(known.values())}, ids={list(known)})"
    project.tests(
        f"{HELPERS}\n@{cases}\ndef test_it(starting):\n    swallow(lambda: eval(starting))\n"
        "    [process.join() for process in multiprocessing.active_children()]\n"
    )

    result = project.run(f"--templates-record={mode}")

    assert chat_server.asked == []
    assert result.parseoutcomes() == {"passed": len(known), "errors": len(known)}
    for how in known:
        project.says(
            result, f"ERROR at teardown of test_it[{how}]", f"NetworkRefused: test_it.py::test_it[{how}] (in process "
        )


HARMLESS = {
    "loopback": "python(CONNECT, HOST, PORT, check=True)",
    "no socket": "python('import json, socket', check=True)",
    "its own sitecustomize": "assert printed('import sitecustomize; print(sitecustomize.MINE)', env=OWN) == b'mine'",
    "still starting": "left.append(subprocess.Popen([sys.executable, '-c', 'pass']))",
    "with open files": "left.append(subprocess.Popen([sys.executable, '-c', 'pass'], close_fds=False))",
    "version control": "subprocess.run(['git', '--version'], check=True); assert os.system('git --version') == 0",
    "its path": "assert b'injected' not in printed('import sys; print(sys.path)')",
}


def test_what_reaches_for_nothing_else_runs_as_ever(project, chat_server):
    project.file("site/sitecustomize.py", "MINE = 'mine'\n")
    cases = f"pytest.mark.parametrize('starting', {list(HARMLESS.values())}, ids={list(HARMLESS)})"
    left = "@pytest.fixture(scope='module')\ndef left():\n    yield (all := [])\n    [one.wait() for one in all]\n"
    project.tests(f"{HELPERS}\n{left}\n@{cases}\ndef test_it(starting, left):\n    exec(starting)\n")

    result = project.run()

    result.assert_outcomes(passed=len(HARMLESS))
    assert "started by tests" not in str(result.stdout)
    assert "ANTIPHON_CASSETTE" not in os.environ


def test_programs_that_are_out_of_reach_are_named(project, chat_server):
    project.tests(
        f"""{HELPERS}
def test_one():
    python("pass", options=["-I"], check=True)
    ctypes.util.find_library("c"), platform.processor()  # ask programs about the machine

def test_two():
    assert os.system("git --version && git --version") == 0  # a shell, which may do more
    subprocess.Popen([sys.executable, "-I", "-c", "pass"]).wait()
"""
    )

    result = project.run()

    assert result.parseoutcomes()["passed"] == 2
    project.says(
        result,
        "templates: started by tests with a cassette, which does not see what these programs ask of models: git "
        f"(1 test), {PYTHON} (2 tests)",
    )


def test_a_process_that_outlives_its_test_is_let_through(project, chat_server):
    project.tests(
        f"""{HELPERS}
STARTED = []
WAITING = "import sys; print('begun', flush=True); sys.stdin.readline()" + chr(10) + ASK

def test_one():
    pipes = {{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}}
    STARTED.append(subprocess.Popen([sys.executable, "-c", WAITING, URL], **pipes))
    assert STARTED[0].stdout.readline().strip() == b"begun"
"""
    )
    project.file(
        "test_later.py",
        "import test_it\n\ndef test_three():\n    [process] = test_it.STARTED\n    process.communicate(b'go\\n')\n"
        "    assert process.returncode == 0\n",
    )

    project.run().assert_outcomes(passed=2)

    assert chat_server.asked == ["capital?"]


def test_a_host_that_is_left_alone_is_so_for_started_pythons_too(project, chat_server):
    project.ini("templates_ignore_hosts = localhost")
    project.tests(f"{HELPERS}\ndef test_it():\n    python(ASK, URL, check=True)\n    pooled()\n")

    project.run().assert_outcomes(passed=1)

    assert chat_server.asked == ["capital?", "capital?"]


def test_under_xdist_it_is_the_same(project, chat_server):
    quietly = "python(ASK, URL, stderr=subprocess.DEVNULL)"
    project.tests(f"{HELPERS}\ndef test_it():\n    {quietly}\n    python('pass', options=['-I'])\n")

    result = project.run("-n1")

    result.assert_outcomes(passed=1, errors=1)
    project.says(result, "NetworkRefused: test_it.py::test_it (in process ", f"ask of models: {PYTHON} (1 test)")
    assert str(result.stdout).count("NetworkRefused: ") == 1
    assert chat_server.asked == []


def test_a_python_that_cannot_have_a_guard_says_so_beside_all_other_messages(project, chat_server):
    """Why it cannot is a text of the system's, with whatever is in that: quotes, and paths of Windows."""
    project.file("first/pytest_templates/__init__.py", "raise ImportError(r'no \"C:\\Users\\me\\x.pyd\"')\n")
    project.tests(
        f"{HELPERS}\nsys.path.insert(0, 'first')\n\n"
        "def test_it():\n    python(ASK, URL)\n    python('pass', options=['-I'])\n"
    )

    result = project.run()

    result.assert_outcomes(passed=1, errors=1)
    project.says(
        result,
        r'a Python that was started has no guard: no "C:\Users\me\x.pyd"',
        f"ask of models: {PYTHON} (1 test)",
    )
