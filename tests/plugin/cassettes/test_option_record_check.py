"""--templates-record-check: a test that has recorded is played once more from that, before it is kept."""

from __future__ import annotations

import gzip
import json
from http.server import BaseHTTPRequestHandler
from xml.etree import ElementTree

import pytest

HELPERS = """
import asyncio, functools, os, random, time, unittest, uuid, warnings
from antiphon import *

def say(text, query="", host=None, **more):
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
    url = (host or os.environ["CHAT_URL"]) + "/chat/completions" + query
    with urlopen(Request(url, json.dumps(body).encode(), {"content-type": "application/json"})) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]

def another_host():
    return os.environ["CHAT_URL"].replace("127.0.0.1", "127.0.0.1" if is_first("host") else "localhost")

def leave(text):
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    client = httpx.Client()
    return client, client.send(client.build_request("POST", os.environ["CHAT_URL"], json=body), stream=True)

import httpx, json
from urllib.request import Request, urlopen

seen = []

def is_first(what):
    seen.append(what)
    return seen.count(what) == 1
"""


@pytest.fixture
def records(project):
    """Runs tests, which know of the functions above, while they record."""

    def run(text: str, *arguments: str, mode: str = "missing") -> pytest.RunResult:
        project.file("helpers.py", HELPERS)
        project.tests("from helpers import *\npytestmark = pytest.mark.llm_cassette\n\n" + text)
        return project.run(f"--templates-record={mode}", *arguments)

    return run


@pytest.fixture
def cassettes(project):
    """The names of the cassettes that there are."""
    return lambda: sorted(path.stem for path in (project.path / "cassettes").rglob("*.yaml"))


OTHERWISE = {
    "say(f'Ticket {uuid.uuid4()}')": [
        "- Ticket [",
        "+ Ticket [",
        "It holds a random id",
        'llm_cassette(ignore=["messages.0.content"])',
        "No other change of the whole text is noticed then",
    ],
    "say('Hi.', metadata={'at': time.time(), 'id': uuid.uuid4().hex, 'n': 1})": [
        "metadata.at: ",
        "It holds a time, or another number",
        "It holds a random id",
        'llm_cassette(ignore=["metadata.at", "metadata.id"])',
    ],
    "say(f'Read {tmp_path}/a.txt')": ["a.txt", "It holds the path of a temporary file"],
    "say('Hi.', tags=['a', 'b'] if is_first('order') else ['b', 'a'])": [
        "tags: the same items in another order",
        "It says the same words in another order, as a set does: sort them.",
        'llm_cassette(ignore=["tags"])',
    ],
    "say('Hi.'); is_first('more') or say('Again.')": [
        "code outside of templates asked a model in the second run only",
        "What the test leaves behind is still there the second time",
    ],
    "say('A.'); is_first('less') and say('B.') and say('C.')": [
        "2 recordings were not played:",
        "2  code outside of templates",
        "3  code outside of templates",
        "has kept an answer, such as a cache",
    ],
    "say('Hi.', query=f'?id={uuid.uuid4()}')": ["It holds a random id", 'llm_cassette(ignore=["query.id"])'],
    "say('Hi.', host=another_host())": [
        "- POST http://127",
        "+ POST http://localhost",
        "It is sent to another address",
    ],
    "seen.append(leave(f'Ticket {uuid.uuid4()}'))": ["- Ticket [", "+ Ticket ["],
    "say('Hi.'); assert is_first('assert')": ["it asked the same, but its call failed:", "assert False"],
    "say('Hi.'); assert llm_cassette.recorded": ["assert 0", "In a replay llm_cassette.recorded is 0"],
    "say('Hi.'); is_first('skip') or pytest.skip('seen before')": ["it was skipped: ", "seen before"],
    "say('Hi.'); is_first('urllib') or __import__('socket').create_connection(('example.com', 80))": [
        "NetworkRefused",
        "reaches for example.com",
    ],
}


def test_a_test_that_goes_otherwise_from_its_recording_fails_with_the_cause_and_pays_once(
    project, chat_server, records, cassettes
):
    text = "".join(f"def test_{place}(tmp_path, llm_cassette):\n    {call}\n\n" for place, call in enumerate(OTHERWISE))

    result = records(text)

    asked = len(chat_server.asked)
    assert result.parseoutcomes() == {"passed": len(OTHERWISE), "errors": len(OTHERWISE)}
    for place, texts in enumerate(OTHERWISE.values()):
        project.says(
            result,
            f" ERROR at teardown of test_{place} ",
            "NotReplayable: the test went well while it recorded, and otherwise when it was played once more",
            *texts,
            f"test_{place}.yaml is not written",
            f"pytest test_it.py::test_{place} --templates-record=missing",
            "--templates-record-check=off",
        )
    output = str(result.stdout)
    assert output.count("is not the same in a second run") == output.count("pays for nothing once what differs") == 7
    assert output.count("the next recording pays for nothing again:") == len(OTHERWISE) - 7
    assert output.count("No other change of the whole text") == 4  # not of ids and times by themselves
    project.says(result, f"templates: {asked} recordings kept in the journal")
    assert cassettes() == []

    # The prompts that are other ones each time are asked anew; what else was paid for is in the journal.
    off = records(text, "--templates-record-check=off")
    assert off.parseoutcomes() == {"passed": len(OTHERWISE) - 1, "failed": 1}  # which records nothing any more
    assert len(chat_server.asked) == asked + 5
    assert len(cassettes()) == len(OTHERWISE) - 1


def test_a_doctest_is_played_once_more_with_the_names_that_it_has(project, chat_server, records, cassettes):
    project.file(
        "conftest.py",
        """
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker("llm_cassette")

        @pytest.fixture(autouse=True)
        def names(doctest_namespace):
            doctest_namespace["name"] = "Hi."
        """,
    )
    result = records('def greet():\n    """\n    >>> bool(say(name))\n    True\n    """\n', "--doctest-modules")

    assert result.parseoutcomes() == {"passed": 1}
    assert len(cassettes()) == len(chat_server.asked) == 1
    project.run("--doctest-modules").assert_outcomes(passed=1)


def test_a_stream_that_is_not_left_again_is_told_from_what_the_test_leaves_behind(project, serving, records, cassettes):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            self.wfile.write(b"data: w\n\n")
            self.connection.settimeout(10)
            self.rfile.read(1)  # until the client leaves

        def log_message(self, *args: object) -> None:
            pass

    with serving(Handler) as url:
        result = records(f"""
def test_it():
    with httpx.stream("GET", "{url}") as answer:
        for line in answer.iter_lines():
            if is_first("stop"):  # as a clock would say
                break
""")

    assert result.parseoutcomes() == {"passed": 1, "errors": 1}
    project.says(
        result, "left-early", "A stream was left before its end, and read further the second time", "asyncio.timeout"
    )
    assert "What the test leaves behind" not in str(result.stdout)
    assert cassettes() == []


TOKEN = "q7Wm2ZxT9vLk4RbN8sYc"
COMPARES = {
    "its own": "assert get('/echo', TOKEN).json()['said'] == f'You said {TOKEN}.'",
    "named": "assert get('/login').json()['access_token'] == TOKEN",
    "compressed": "assert json.loads(gzip.decompress(urlopen(URL + '/zipped').read()))['access_token'] == TOKEN",
    "a number": "assert get('/number').json() == {'password': 48151623}",
    "in a header": "assert get('/header').headers['x-auth-token'] == TOKEN",
    "learnt later": "said = get('/plain').text; get('/ok', said[-20:]); assert said.endswith(TOKEN)",
    "used": "said = get('/login').json()['access_token']; get('/ok?of=w' if said == TOKEN else '/ok?of=x')",
}
NOT_COMPARED = {
    "said": "assert get('/login').json()['access_token']; assert is_first('said')",
    "none": "assert get('/ok').text == 'ok'; assert is_first('none')",
}
SITE = """
import gzip
import httpx
URL, TOKEN = "{url}", "{token}"

def get(path, token=""):
    return httpx.get(URL + path, headers={{"authorization": "Bearer " + token}} if token else {{}})

"""


@pytest.fixture
def site(serving):
    """A server whose answers hold secrets."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            body = {
                "/echo": f'{{"said": "You said {token}."}}',
                "/number": '{"password": 48151623}',
                "/plain": f"Next page: {TOKEN}",
            }.get(self.path, "ok" if self.path.startswith(("/ok", "/header")) else f'{{"access_token": "{TOKEN}"}}')
            data = gzip.compress(body.encode()) if self.path == "/zipped" else body.encode()
            self.send_response(200)
            self.send_header("content-type", "application/json" if body.startswith("{") else "text/plain")
            self.send_header("content-length", str(len(data)))
            self.send_header("set-cookie", "sid=1")
            if self.path == "/zipped":
                self.send_header("content-encoding", "gzip")
            if self.path == "/header":
                self.send_header("x-auth-token", TOKEN)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    with serving(Handler) as url:
        yield SITE.format(url=url, token=TOKEN)


def test_a_test_that_compares_a_secret_is_told_that_no_replay_has_it(project, site, records, cassettes):
    tests = {f"test_{place}": text for place, text in enumerate([*COMPARES.values(), *NOT_COMPARED.values()])}
    program = site + "".join(f"def {name}():\n    {text}\n\n" for name, text in tests.items())
    note = "Recordings do not hold the answer to GET http://127.0.0.1:"
    *hinted, without = tests

    checked = records(program)
    again = records(program)

    assert checked.parseoutcomes() == {"passed": len(tests), "errors": len(tests)}
    for name in hinted:
        project.says(checked, f" ERROR at teardown of {name} ", note, "REDACTED stands in the place of secrets")
    assert note not in str(checked.stdout).partition(f" ERROR at teardown of {without} ")[2]
    # What the journal holds is played the next time: most fail at once then, and one replays.
    assert again.parseoutcomes() == {"failed": 5, "passed": 4, "errors": 3}
    project.says(again, " ERROR at teardown of test_5 ", note)
    for name in ("test_0", "test_1", "test_2", "test_4"):  # that 0 stands for a number shows nowhere
        project.says(again, f"_ {name} _", "- what was replayed -", note)
    assert cassettes() == ["test_6"]


WELL = """
import logging

@pytest.fixture(scope="session", autouse=True)
def whole_session():
    yield say("Session.")
    say("Session is over.")

@pytest.fixture(scope="module")
def whole_module():
    say("Module.")

@pytest.fixture
def own():
    yield say("Own.")
    say("Own is over.")

def test_fixtures(whole_module, own, tmp_path, monkeypatch):
    monkeypatch.setenv("ONLY_HERE", "1")
    (tmp_path / "file").touch(exist_ok=False)
    assert say("Hi.") != say("Hi.")

def test_same_module(whole_module):
    say("Hi.")

class TestClass:
    @pytest.fixture(scope="class")
    @classmethod
    def whole_class(cls):
        say("Class.")

    @pytest.mark.parametrize("name", ["a", "b"])
    def test_it(self, whole_class, name):
        assert not hasattr(self, "said")
        self.said = say(name)

class TestOld(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        say("Class.")

    def setUp(self):
        self.said = say("Set-up.")

    def test_it(self):
        for name in "ab":
            with self.subTest(name=name):
                say(name)

    def test_other(self):
        say("Other.")

    def tearDown(self):
        say("Tear-down.")

@pytest.mark.asyncio
async def test_async():
    await asyncio.gather(*(asyncio.to_thread(say, name) for name in "abc"))

def test_subtests(subtests):
    for name in "ab":
        with subtests.test(name=name):
            say(name)

@pytest.mark.xfail(strict=True)
def test_expected():
    say("Hi.")
    assert False

@pytest.mark.llm_budget(calls=1)
def test_budget(llm_trace):
    ask(real())
    assert len(llm_trace.calls) == 1

def test_scripted(scripted_model, capsys, caplog, recwarn, record_property):
    record_property("kind", "scripted")
    say("Hi.")
    ask(scripted_model("Yes."))
    print("printed")
    logging.warning("logged")
    warnings.warn("warned")
    assert capsys.readouterr().out == "printed\\n"
    assert caplog.messages == ["logged"]
    assert len(recwarn) == 1

def test_warned():
    say("Hi.")
    warnings.warn("of this test")
"""


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_a_test_that_replays_is_recorded_as_if_it_had_run_once(project, chat_server, records, cassettes, workers):
    project.file(
        "conftest.py",
        """
        def pytest_templates_model_call(call, item):
            with open("calls.txt", "a") as calls:
                print(item.name, file=calls)
        """,
    )
    shown = ("-ojunit_family=legacy", "-overbosity_subtests=1", "-Wignore", "-Walways::UserWarning")
    files = ("--templates-json=run.json", "--junitxml=run.xml", *shown)
    outcomes = {"passed": 11, "xfailed": 1, "warnings": 1, "subtests": 4}

    off = records(WELL, "--templates-record-check=off", *files, *workers, mode="all")
    asked_off, chat_server.asked[:] = list(chat_server.asked), []
    facts_off = _facts(project)
    on = records(WELL, *files, *workers, mode="all")

    assert off.parseoutcomes() == outcomes
    assert on.parseoutcomes() == outcomes
    assert sorted(chat_server.asked) == sorted(asked_off)
    assert _facts(project) == facts_off
    assert (project.path / "calls.txt").read_text().split() == ["test_budget", "test_scripted"] * 2
    assert len(cassettes()) == 12
    assert project.run(*shown).parseoutcomes() == outcomes
    assert len(chat_server.asked) == len(asked_off)


def _facts(project):
    """What the reports of a run say, without its times and answers."""
    report = json.loads((project.path / "run.json").read_text(encoding="utf-8"))
    tests = [(test["nodeid"], test["outcome"], test["source"], len(test["calls"])) for test in report["tests"]]
    cases = [
        (case.get("name"), [(one.tag, one.get("name"), one.get("value")) for one in case.iter() if one is not case])
        for case in ElementTree.parse(project.path / "run.xml").iter("testcase")
    ]
    totals = report["totals"]
    return sorted(tests), totals["calls"], totals["input_tokens"], sorted(cases)


def test_snapshots_are_compared_and_neither_written_nor_counted_again(project, chat_server, records, monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # syrupy sums nothing up in a worker
    text = """
def test_it(llm_snapshot):
    assert ask(real()) == llm_snapshot
    assert ask(real()) == llm_snapshot

def test_other(llm_snapshot):
    session = ask(real())
    assert (session if is_first("snapshot") else ask(ScriptedModel("No."))) == llm_snapshot
"""

    result = records(text, "--snapshot-update")

    assert result.parseoutcomes()["errors"] == 1
    project.says(result, "ERROR at teardown of test_other", "assert ")
    project.says(result, "3 snapshots generated.")
    assert "snapshot failed" not in str(result.stdout)
    written = sorted(path.name for path in (project.path / "__snapshots__").rglob("*.chat"))
    assert written == ["test_it.1.chat", "test_it.chat", "test_other.chat"]


RENDERS = """
@pytest.fixture
def last():
    yield
    Runner(ScriptedModel("x"), template=LinearTemplate([UserTemplate("Last.")])).run()

def test_it(last):
    ask(real())
    is_first("time") or time.sleep(0.5)
    inner = UserTemplate("First.") if is_first("tree") else LinearTemplate([UserTemplate("Then."), UserTemplate("x")])
    Runner(ScriptedModel("x"), template=inner).run()
"""


def test_what_it_renders_and_how_long_it_takes_is_counted_once(project, chat_server, records):
    arguments = ("--templates-coverage", "--templates-lock=update", "--junitxml=run.xml")
    coverage = []
    for check in ("off", "on"):
        result = records(RENDERS, f"--templates-record-check={check}", *arguments, mode="all")
        result.assert_outcomes(passed=1)
        coverage.append([line for line in result.outlines if "%" in line and not line.startswith("test_it")])

    assert coverage[0]
    assert coverage[0] == coverage[1]
    locked = (project.path / "templates.lock").read_text(encoding="utf-8")
    assert "First." in locked
    assert "Then." not in locked
    [case] = ElementTree.parse(project.path / "run.xml").iter("testcase")
    assert float(case.get("time")) < 0.5


NAMED = """
@pytest.mark.llm_cassette("shared")
@pytest.mark.parametrize("name", ["a", "b"])
def test_it(name):
    say("Hi.")
    say(name)

@pytest.mark.llm_cassette("shared")
def test_either():
    say("Which?")
    say("a" if is_first("either") else "b")
"""


def test_in_a_shared_cassette_the_recordings_of_others_are_no_excuse(project, chat_server, records, cassettes):
    for mode in ("missing", "all"):
        result = records(NAMED, mode=mode)

        assert result.parseoutcomes() == {"passed": 3, "errors": 1}
        project.says(result, "ERROR at teardown of test_either", "- [a]", "+ [b]")
    assert chat_server.asked == ["Hi.", "a", "b", "Which?", "Hi.", "a", "b"]  # the last answer was kept


@pytest.mark.parametrize("mode", ["missing", "changed", "all"])
def test_what_is_kept_in_each_mode_is_what_is_played(project, chat_server, records, cassettes, mode):
    records("def test_it():\n    say('Old.')\n    say('Both.')\n").assert_outcomes(passed=1)

    result = records("def test_it():\n    say('Both.')\n    say('New.')\n", mode=mode)

    result.assert_outcomes(passed=1)
    assert chat_server.asked == ["Old.", "Both.", *(["Both."] if mode == "all" else []), "New."]
    project.run().assert_outcomes(passed=1)


def test_what_was_not_recorded_is_named_before_anything_is_kept(project, chat_server, records, cassettes):
    """A call that ended before its answer came has no recording, and a replay would miss it."""
    result = records(
        """
def test_it():
    say("Hi.")
    with pytest.raises(Exception):
        body = json.dumps({"messages": [{"content": "Never."}]}).encode()
        urlopen(Request("http://127.0.0.1:9/", body, {"content-type": "application/json"}))
"""
    )

    assert result.parseoutcomes() == {"passed": 1, "errors": 1}
    project.says(result, "asked a model in the second run only", "Its call ended before the answer came", "llm_faults")
    assert cassettes() == []


def test_an_interrupted_check_leaves_what_was_recorded_in_the_journal(project, chat_server, records, cassettes):
    text = "def test_it():\n    say('Hi.')\n    if not is_first('once'):\n        raise KeyboardInterrupt\n"

    project.file("helpers.py", HELPERS)
    project.tests("from helpers import *\npytestmark = pytest.mark.llm_cassette\n\n" + text)
    project.run_forked("--templates-record=missing").stdout.fnmatch_lines(["*KeyboardInterrupt*"])

    assert cassettes() == []
    records("def test_it():\n    say('Hi.')\n").assert_outcomes(passed=1)
    assert chat_server.asked == ["Hi."]
    assert cassettes() == ["test_it"]


def test_what_is_skipped_and_what_fails_is_neither_played_again_nor_kept(project, chat_server, records, cassettes):
    result = records(
        """
def test_fails():
    say("Hi.")
    assert is_first("fails") and False

def test_is_skipped():
    say("Hi.")
    pytest.skip(f"seen {len(seen)}")

def test_leaves_a_step(scripted_model):
    scripted_model("left")
    say("Hi.")

def test_its_fixture_fails(broken):
    say("Hi.")

@pytest.fixture
def broken():
    yield
    assert not is_first("broken")

def test_a_wider_fixture_fails(broken_later):
    say("Hi.")

@pytest.fixture(scope="module")
def broken_later():
    yield
    assert not is_first("broken later"), "torn down once"
""",
        "-rs",
    )

    assert result.parseoutcomes() == {"passed": 3, "failed": 1, "skipped": 1, "errors": 3}
    project.says(result, "torn down once", "seen 1")
    assert cassettes() == []
    assert "NotReplayable" not in str(result.stdout)


ALONE = """
import threading
over = threading.Event()

def wait():
    over.wait(10)

def test_thread():
    threading.Thread(target=wait, daemon=True).start()
    say("Hi.")
    assert is_first("thread")

def test_host():
    over.set()
    say("Left alone.", host=os.environ["CHAT_URL"].replace("127.0.0.1", "localhost"))
    say("Hi.")
    assert is_first("host")

@pytest.fixture(scope="module")
def pool():
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(1) as pool:
        yield pool

def test_idle_threads_are_no_obstacle(pool):
    pool.submit(say, str(uuid.uuid4())).result()
"""


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_what_cannot_be_played_by_itself_is_kept_and_counted(project, chat_server, records, cassettes, workers):
    project.ini("templates_ignore_hosts = localhost")

    result = records(ALONE, *workers)

    assert result.parseoutcomes() == {"passed": 3, "errors": 1}
    project.says(
        result,
        "templates: 1 test not played once more from the recording: a thread that outlives the test would have run",
        "templates: 1 test not played once more from the recording: a host that is left alone would have been asked",
    )
    assert chat_server.asked[:3] == ["Hi.", "Left alone.", "Hi."]
    assert cassettes() == ["test_host", "test_thread"]


def test_with_off_a_test_that_cannot_run_twice_is_recorded(project, chat_server, records, cassettes):
    result = records("def test_it():\n    say('Hi.')\n    assert is_first('once')\n", "--templates-record-check=off")

    result.assert_outcomes(passed=1)
    assert cassettes() == ["test_it"]
    project.run().assert_outcomes(passed=1)


def test_another_value_is_refused_with_the_valid_ones(project):
    result = project.run("--templates-record-check=maybe")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.re_match_lines([r".*-record-check: invalid choice: 'maybe' \(choose from '?on'?, '?off'?\)"])


def test_what_is_printed_once_more_is_marked_where_it_is_seen(project, chat_server, records):
    text = "def test_it():\n    print(f'Printed {len(say(\"Hi.\"))}.')\n"
    mark = "templates: played once more from the recording, to check it:\n"

    captured = records(text)
    (project.path / "cassettes/test_it/test_it.yaml").unlink()
    seen = records(text, "-s")

    captured.assert_outcomes(passed=1)
    assert mark not in str(captured.stdout)
    project.says(seen, "Printed ", f"\n{mark}Printed ")
    assert str(seen.stdout).count("Printed ") == 2
