"""What the plugin loads, and when."""

from __future__ import annotations

import os

import pytest

from antiphon.observers import LISTENERS

AT_THE_END = """
import sys

HEAVY = ("antiphon", "vcr", "deepdiff", "pydantic_ai", "yaml", "pytest_templates.redaction.secrets")

def pytest_unconfigure():
    print("loaded:", [name for name in HEAVY if name in sys.modules])
"""


def loaded(result) -> str:
    return next(line for line in result.outlines if line.startswith("loaded:"))


def test_a_suite_that_never_imports_the_engine_does_not_load_it(project):
    project.file("conftest.py", AT_THE_END)
    project.file("test_it.py", "def test_it():\n    pass\n")

    result = project.run_alone("--templates-summary")

    result.assert_outcomes(passed=1)
    assert loaded(result) == "loaded: []"


OF_THE_PLUGIN = """
import sys
from dataclasses import is_dataclass

def pytest_unconfigure():
    modules = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "pytest_templates"}
    print("modules:", len(modules))
    print("dataclasses:", [one.__name__ for module in modules.values() for one in vars(module).values()
                           if isinstance(one, type) and is_dataclass(one) and one.__module__ in modules])
"""


def test_a_suite_that_uses_nothing_loads_few_modules_and_makes_no_dataclass(project):
    project.file("conftest.py", OF_THE_PLUGIN)
    project.file("test_it.py", "def test_it():\n    pass\n")

    result = project.run_alone()

    result.assert_outcomes(passed=1)
    counted = dict(line.split(": ") for line in result.outlines if line.startswith(("modules:", "dataclasses:")))
    assert int(counted["modules"]) <= 71  # each takes about 0.1 ms of every run of pytest
    assert counted["dataclasses"] == "[]"  # one takes as long as three modules


def test_a_suite_without_cassettes_and_differences_loads_no_package_for_them(project):
    project.file("conftest.py", AT_THE_END)
    project.tests("def test_it(scripted_model, llm_trace):\n    research(scripted_model('one'))\n")

    result = project.run_alone("--templates-isolation=precise")

    result.assert_outcomes(passed=1)
    assert loaded(result) == "loaded: ['antiphon', 'pytest_templates.redaction.secrets']"


def test_a_cassette_loads_no_client_of_its_own_and_catches_those_that_the_program_loads(project):
    project.tests(
        """
        import asyncio
        import importlib
        import sys

        pytestmark = pytest.mark.llm_cassette
        URL = "http://chat.test/v1/models"

        async def ask_by_aiohttp():
            async with importlib.import_module("aiohttp").ClientSession() as session:
                await session.get(URL)

        @pytest.mark.parametrize("name", ["httpx", "httpx2"])
        def test_by_name(name, llm_cassette):
            assert name not in sys.modules
            with pytest.raises(Exception, match="No recording"):
                importlib.import_module(name).get(URL)

        def test_aiohttp(llm_cassette):
            assert "aiohttp" not in sys.modules
            with pytest.raises(Exception, match="No recording"):
                asyncio.run(ask_by_aiohttp())

        def test_botocore(llm_cassette):
            assert "botocore" not in sys.modules
            request = importlib.import_module("botocore.awsrequest").AWSRequest("GET", URL).prepare()
            session = importlib.import_module("botocore.httpsession").URLLib3Session()
            with pytest.raises(Exception, match="No recording"):
                session.send(request)
        """
    )

    result = project.run_alone()

    result.assert_outcomes(failed=4)
    assert str(result.stdout).count("No recording for GET http://chat.test/v1/models") >= 4
    assert "AssertionError" not in str(result.stdout)
    assert "DID NOT RAISE" not in str(result.stdout)


def test_botocore_that_a_program_loads_while_a_cassette_is_open_is_recorded_and_replayed(project, chat_server):
    project.tests(
        """
        import json
        import os
        import sys

        assert "botocore" not in sys.modules

        @pytest.mark.llm_cassette
        def test_it(llm_cassette):
            from botocore.awsrequest import AWSHTTPConnection, AWSRequest
            from botocore.httpsession import URLLib3Session

            body = json.dumps({"messages": [{"role": "user", "content": "Hi."}]})
            request = AWSRequest("POST", os.environ["CHAT_URL"] + "/chat/completions", data=body).prepare()
            answer = json.loads(URLLib3Session().send(request).content)
            assert answer["choices"][0]["message"]["content"] == "Answer 1."
            assert not [kind for kind in AWSHTTPConnection.__mro__ if "vcr" in kind.__module__]
        """
    )

    project.run_alone("--templates-record=all").assert_outcomes(passed=1)  # and played once more
    assert chat_server.asked == ["Hi."]


@pytest.mark.parametrize("given", [{}, {"_RJEM_MALLOC_CONF": "narenas:1"}], ids=["nothing", "polars' own variable"])
def test_what_explains_a_miss_leaves_the_environment_alone_when_it_is_loaded(project, monkeypatch, given):
    monkeypatch.delenv("_RJEM_MALLOC_CONF", raising=False)
    for name, text in given.items():
        monkeypatch.setenv(name, text)
    project.tests(
        """
        import os

        def test_it():
            from pytest_templates.cassettes.reading.diff import is_reordered

            before = dict(os.environ)
            assert is_reordered(["a", "b"], ["b", "a"])
            assert dict(os.environ) == before
        """
    )

    project.run_alone().assert_outcomes(passed=1)  # DeepDiff imports polars, which sets a variable


@pytest.mark.parametrize("option", ["summary", "lock=update", "coverage", "isolation=precise", "twice"])
def test_a_run_leaves_nobody_behind_who_listens(project, option):
    project.tests("def test_it(scripted_model):\n    research(scripted_model('one'))\n")
    listening = LISTENERS.now.observers

    project.run(f"--templates-{option}").assert_outcomes(passed=1)

    assert LISTENERS.now.observers == listening


def test_an_engine_that_is_imported_inside_of_a_test_is_watched_from_then_on(project):
    project.file(
        "test_it.py",
        """
        import sys

        def test_first():
            assert "antiphon" not in sys.modules

        def test_meddles():
            from program import research
            from pytest_templates import ScriptedModel

            notes = []
            research(ScriptedModel("one"), lambda child: notes.append("x") or child, {"notes": notes})

        def test_is_traced(scripted_model, llm_trace):
            from program import ask

            ask(scripted_model("one"))
            assert llm_trace.models == {"answer": ["scripted"]}
        """,
    )

    result = project.run_alone()

    result.assert_outcomes(passed=2, failed=1)
    project.says(
        result, "IsolationViolation: ", "templates: 2 calls of 1 model, 0 tokens, $0.0000, 1 subroutine checked"
    )


MISSING = """
import importlib.util
import sys

MISSING = {"vcr", "syrupy"}

class Missing:
    def find_spec(self, fullname, path, target=None):
        if fullname.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)

def find_spec(name, package=None, found=importlib.util.find_spec):
    return None if name.partition(".")[0] in MISSING else found(name, package)

sys.meta_path.insert(0, Missing())
importlib.util.find_spec = find_spec
"""


@pytest.fixture
def without_packages(project, monkeypatch):
    """Runs pytest as if the packages of the extra were not installed."""
    project.file("without/sitecustomize.py", MISSING)
    monkeypatch.setenv("PYTHONPATH", str(project.path / "without"), prepend=os.pathsep)
    return lambda *arguments: project.run_alone("-pno:syrupy", *arguments)


def test_without_the_plugins_packages_what_does_not_need_them_works(project, without_packages):
    project.tests(
        """
        def test_plain():
            research(ScriptedModel("one"))

        def test_scripted(scripted_model, scripted_user, llm_trace, llm_faults):
            llm_faults.at("answer", faults.timeout())
            with pytest.raises(antiphon.errors.ModelTimeout):
                ask(scripted_model("one", allow_unused=True), scripted_user())
            ask(scripted_model("one", name="small"))
            assert_models(ask(scripted_model("two", name="large")), {"answer": "large"})

        def test_snapshot(llm_snapshot):
            pass
        """
    )

    result = without_packages("--templates-summary")

    result.assert_outcomes(passed=2, errors=1)
    project.says(
        result, 'the fixture llm_snapshot needs syrupy, which is not installed: pip install "antiphon[pytest]"'
    )


def test_without_the_plugins_packages_a_marked_test_says_what_to_install(project, without_packages):
    project.tests("@pytest.mark.llm_cassette\ndef test_it():\n    pass\n\ndef test_other():\n    pass\n")

    result = without_packages()

    result.assert_outcomes(passed=1, errors=1)
    project.says(result, 'pip install "antiphon[pytest]"')


def test_without_the_plugins_packages_a_violation_is_told_all_the_same_or_says_what_to_install(
    project, without_packages
):
    project.tests(
        """
        def test_it():
            notes = []
            research(ScriptedModel("one"), lambda child: notes.append("x") or child, {"notes": notes})
        """
    )

    result = without_packages()

    result.assert_outcomes(failed=1)
    output = str(result.stdout)
    assert "IsolationViolation" in output
    assert "metadata" in output or 'pip install "antiphon[pytest]"' in output
