"""What a run says of a test with a cassette holds no secret: not on the screen, and not in its files."""

from __future__ import annotations

import pytest

SECRET = "kX3f-Zq9-aB7w-Q2m5"

CLIENT = """
    import logging
    import os
    import urllib.request

    def get(path, **headers):
        request = urllib.request.Request(os.environ["CHAT_URL"] + path, headers=headers)
        return urllib.request.urlopen(request).read()
"""

FAILURES = {
    "an exception": """
        raise RuntimeError(f"401 for https://host/v1?key={os.environ['SITE_KEY']}")
    """,
    "a chain of exceptions": """
        try:
            raise KeyError(os.environ["SITE_KEY"])
        except KeyError as error:
            raise RuntimeError("no") from error
    """,
    "an assertion": """
        assert {"key": os.environ["SITE_KEY"]} == {}
    """,
    "what was printed": """
        print("using", os.environ["SITE_KEY"])
        assert False
    """,
    "what was logged": """
        logging.getLogger("client").warning("sending %s", os.environ["SITE_KEY"])
        assert False
    """,
    "local variables": """
        headers = {"authorization": os.environ["SITE_KEY"]}
        assert False
    """,
    "a skip": """
        pytest.skip(os.environ["SITE_KEY"])
    """,
    "an expected failure": """
        pytest.xfail(os.environ["SITE_KEY"])
    """,
    "a missing recording": """
        get("/" + os.environ["SITE_KEY"])
    """,
    "a missing recording that the program swallows": """
        swallow(get, "/" + os.environ["SITE_KEY"])
    """,
    "a property": """
        request.node.user_properties.append(("key", os.environ["SITE_KEY"]))
    """,
}


def run_of(project, monkeypatch, body, marker="@pytest.mark.llm_cassette", *arguments):
    monkeypatch.setenv("SITE_KEY", SECRET)
    project.tests(f"{CLIENT}\n    {marker}\n    def test_it(request):{body}")
    return project.run("-rA", "--showlocals", "--junitxml=report.xml", *arguments)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_report_holds_no_secret(failure, project, chat_server, monkeypatch):
    result = run_of(project, monkeypatch, FAILURES[failure])

    said = str(result.stdout) + str(result.stderr) + (project.path / "report.xml").read_text()
    assert SECRET not in said
    assert "REDACTED" in said


BESIDE_REPORTS = {
    "a warning": """
        __import__("warnings").warn("sent with " + os.environ["SITE_KEY"])
    """,
    "a thread": """
        from threading import Thread
        thread = Thread(target=int, args=(os.environ["SITE_KEY"],))
        thread.start()
        thread.join()
    """,
    "the heading of a subtest": """
        key = os.environ["SITE_KEY"]
        with request.getfixturevalue("subtests").test(f"with {key}", key=key):
            assert False
    """,
}


@pytest.mark.parametrize("said", BESIDE_REPORTS)
@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "worker"])
def test_what_is_said_beside_reports_holds_no_secret(said, workers, project, monkeypatch):
    result = run_of(project, monkeypatch, BESIDE_REPORTS[said], "@pytest.mark.llm_cassette", *workers)

    output = str(result.stdout) + str(result.stderr) + (project.path / "report.xml").read_text()
    assert SECRET not in output
    assert "REDACTED" in output


@pytest.mark.parametrize("style", ["short", "line", "native"])
def test_a_traceback_holds_no_secret_in_any_style(style, project, chat_server, monkeypatch):
    body = FAILURES["a chain of exceptions"].replace('"no"', 'f"no {error}"')

    result = run_of(project, monkeypatch, body, "@pytest.mark.llm_cassette", f"--tb={style}")

    assert SECRET not in str(result.stdout)
    assert "REDACTED" in str(result.stdout)


@pytest.mark.parametrize("failure", ["an exception", "what was printed"])
def test_the_reports_of_other_tests_are_left_alone(failure, project, chat_server, monkeypatch):
    assert SECRET in str(run_of(project, monkeypatch, FAILURES[failure], "").stdout)


def test_a_report_holds_no_secret_when_it_comes_from_a_worker(project, chat_server, monkeypatch):
    result = run_of(project, monkeypatch, FAILURES["an exception"], "@pytest.mark.llm_cassette", "-n1")

    result.assert_outcomes(failed=1)
    assert SECRET not in str(result.stdout)


def test_a_key_of_a_client_is_hidden_as_one_of_the_environment_is(project, chat_server):
    project.tests(
        f"""
        import os

        @pytest.mark.llm_cassette
        def test_it():
            model = connect("openai:m", base_url=os.environ["CHAT_URL"], api_key="{SECRET[:9]}" + "{SECRET[9:]}")
            raise RuntimeError(ask(model).last.content + " {SECRET[:9]}" + "{SECRET[9:]}")
        """
    )

    result = project.run("--templates-record=missing")

    result.assert_outcomes(failed=1)
    project.says(result, "RuntimeError: Answer 1. REDACTED")
    assert SECRET not in str(result.stdout)


def test_a_variable_that_a_fixture_takes_back_is_hidden_until_the_last_report(project):
    project.tests(
        f"""
        @pytest.fixture
        def site_key(monkeypatch):
            monkeypatch.setenv("SITE_KEY", "{SECRET[:9]}" + "{SECRET[9:]}")

        @pytest.fixture
        def speaking():
            yield
            print("the key was {SECRET[:9]}" + "{SECRET[9:]}")
            raise RuntimeError("{SECRET[:9]}" + "{SECRET[9:]}")

        @pytest.mark.llm_cassette
        def test_it(speaking, site_key, llm_cassette):
            pass
        """
    )

    result = project.run("-rA")

    result.assert_outcomes(passed=1, errors=1)
    project.says(result, "the key was REDACTED")
    assert SECRET not in str(result.stdout)


PARAMETERS = """
    import os

    @pytest.mark.parametrize("key", [pytest.param({}, {})])
    @pytest.mark.llm_cassette
    def test_it(key, llm_cassette):
        assert key
"""


@pytest.mark.parametrize("value", ["os.environ['SITE_KEY']", "'gsk' + '_' + 'a1B2c3D4' * 6"])
def test_a_test_that_is_named_after_a_key_is_refused(value, project, monkeypatch):
    monkeypatch.setenv("SITE_KEY", SECRET)
    project.tests(PARAMETERS.format(value, "id=None"))

    result = project.run("-v")

    result.assert_outcomes(errors=1)
    project.says(result, "test_it.py::test_it[REDACTED]: the name of this test holds", 'pytest.param(..., id="...")')
    assert SECRET not in str(result.stdout)
    assert "a1B2c3D4a1B2c3D4" not in str(result.stdout)


def test_a_parameter_with_an_id_may_be_a_key(project, monkeypatch):
    monkeypatch.setenv("SITE_KEY", SECRET)
    project.tests(PARAMETERS.format("os.environ['SITE_KEY']", "id='the key'"))

    assert project.outcomes() == {"passed": 1}


BESIDE = f"""
    import logging
    import os

    KEY = "{SECRET[:9]}" + "{SECRET[9:]}"  # in no variable of the run

    def keyed():
        parts = [UserTemplate("Hello."), AssistantTemplate(template_id="answer")]
        return LinearTemplate(parts, template_id="talk-" + KEY)

    @pytest.fixture(scope="session", autouse=True)
    def note(record_testsuite_property):
        record_testsuite_property("key", KEY)

    @pytest.mark.llm_cassette
    def test_it(record_property, record_xml_attribute, llm_cassette):
        record_property("key", KEY)
        record_xml_attribute("key", KEY)
        model = connect("openai:m", base_url=os.environ["CHAT_URL"], api_key=KEY)
        Runner(model, template=keyed()).run()
        logging.getLogger("client").warning("sent %s", KEY)
        try:
            raise RuntimeError(KEY)
        except RuntimeError:
            logging.getLogger("client").exception("failed")
"""


@pytest.mark.filterwarnings("ignore:record_xml_attribute is an experimental feature")
@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "worker"])
def test_what_fixtures_logs_and_other_features_write_of_a_test_holds_no_secret(workers, project, chat_server):
    project.tests(BESIDE)
    project.ini("log_file_level = INFO\nlog_cli = true\njunit_family = xunit1\nfilterwarnings = ignore")
    files = ("--junitxml=report.xml", "--log-file=log.txt", "--templates-json=report.json")

    result = project.run(
        "-rA", "--templates-record=missing", "--templates-coverage", "--templates-summary", *files, *workers
    )

    result.assert_outcomes(passed=1)
    report, log, junit = ((project.path / name).read_text() for name in ("report.json", "log.txt", "report.xml"))
    assert "talk-REDACTED/answer" in report
    assert "sent REDACTED" in log
    assert "RuntimeError: REDACTED" in log
    if not workers:  # pytest-xdist takes no properties of suites
        assert '<property name="key" value="REDACTED" />' in junit.partition("<testcase")[0]
    assert [text for text in (report, log, junit, str(result.stdout) + str(result.stderr)) if SECRET in text] == []


def test_logs_of_other_tests_are_left_alone(project, chat_server):
    project.tests(
        """
        import logging

        @pytest.mark.llm_cassette
        def test_it(llm_cassette):
            pass

        def test_other():
            logging.getLogger("client").warning("sent sk-" + "a1B2c3D4" * 6)
        """
    )

    project.run("--log-file=log.txt")

    assert "sent sk-a1B2" in (project.path / "log.txt").read_text()


WITHOUT_A_CASSETTE = """
    import os

    @pytest.mark.parametrize("key", [os.environ["SITE_KEY"]])
    def test_script(key, scripted_model):
        ask(scripted_model("Hi."))

    @pytest.mark.parametrize("key", [os.environ["SITE_KEY"]])
    def test_snapshot(key, scripted_model, llm_snapshot):
        assert ask(scripted_model("Hi.")) == llm_snapshot
"""
LIVE = """
    import os

    @pytest.mark.parametrize("key", [os.environ["SITE_KEY"]])
    @pytest.mark.llm_live(reason="to see it")
    def test_live(key):
        pass
"""


def test_no_file_of_ours_is_named_after_a_key_or_holds_it_as_the_name_of_a_test(project, monkeypatch):
    monkeypatch.setenv("SITE_KEY", SECRET)
    project.tests(WITHOUT_A_CASSETTE)
    project.tests(LIVE, "test_live.py")
    options = ("--continue-on-collection-errors", "--templates-live", "--snapshot-update")

    result = project.run(*options, "--templates-json=report.json")

    result.assert_outcomes(passed=1, failed=1, errors=1)
    project.says(result, "test_live[REDACTED]: the name of this test holds", 'pytest.param(..., id="...")')
    project.says(result, "the name of this test holds the value of the environment variable SITE_KEY, and its snapshot")
    assert "test_script[REDACTED]" in (project.path / "report.json").read_text()
    written = [path for path in project.path.rglob("*") if path.suffix not in {".py", ".pyc"} and path.is_file()]
    assert [path for path in written if SECRET in str(path) or SECRET in path.read_text(errors="replace")] == []
