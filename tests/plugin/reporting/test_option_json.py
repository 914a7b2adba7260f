"""--templates-json: what models did in each test, as data."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
from decimal import Decimal

import pytest

from pytest_templates.reporting.document import read

SECRET = "kX3f-Zq9-aB7w-Q2m5"

TESTS = """
from decimal import Decimal

def priced(text):
    usage = Usage(input_tokens=1000, output_tokens=200, cost=Decimal("0.0000001"))
    return Reply(text, usage=usage, served_by="small-2")

@pytest.mark.parametrize("number", range(4))
def test_priced(scripted_model, number):
    ask(scripted_model(priced("one"), name="small"))

def test_research(scripted_model):
    research(scripted_model("two", name="large"))

def test_no_model():
    pass
"""


def test_every_test_is_there_with_its_calls(project, report_of):
    project.tests(TESTS)

    report = report_of()

    assert report["version"] == 1
    assert report["totals"] == {"calls": 5, "input_tokens": 4000, "output_tokens": 800, "cost": "0.0000004"}
    assert report["seconds"] > 0
    tests = {test["nodeid"]: test for test in report["tests"]}
    assert list(tests)[-2:] == ["test_it.py::test_research", "test_it.py::test_no_model"]
    call = tests["test_it.py::test_priced[0]"]["calls"][0]
    assert call.pop("seconds") >= 0
    assert call == {
        "template_id": "answer",
        "template_path": "talk/answer",
        "model": "small",
        "served_by": "small-2",
        "chosen_by": "runner",
        "input_tokens": 1000,
        "output_tokens": 200,
        "cost": "0.0000001",
        "unpriced": False,
        "source": "script",
        "error": None,
        "attachments": [],
        "inner": [],
        "fault": None,
        "waited": 0.0,
    }
    assert tests["test_it.py::test_research"]["isolation"] == {"subroutines": 1, "violations": []}
    assert (
        tests["test_it.py::test_no_model"].items()
        >= {
            "nodeid": "test_it.py::test_no_model",
            "outcome": "passed",
            "source": None,
            "calls": [],
            "isolation": None,
            "samples": None,
        }.items()
    )


def test_what_is_attached_is_told_by_digest_and_size(project, report_of):
    project.tests(
        """
        from pathlib import Path

        picture = Image.from_bytes(b"picture", "image/png")

        def test_it(scripted_model):
            Path("notes.pdf").write_text("notes")
            notes = Document.from_path("notes.pdf")
            tree = LinearTemplate([UserTemplate("See.", attachments=[picture, notes]), AssistantTemplate()])
            model = scripted_model(lambda _: Path("notes.pdf").unlink() or Reply("So.", attachments=[picture]))
            Runner(model, template=tree).run()
        """
    )

    report = report_of()

    [test] = report["tests"]
    digest = hashlib.sha256(b"picture").hexdigest()
    told = {"kind": "image", "media_type": "image/png", "digest": digest, "size": 7}
    gone = {"kind": "document", "media_type": "application/pdf", "digest": None, "size": None}
    assert test["calls"][0]["attachments"] == [
        {"message": 0, **told},
        {"message": 0, **gone},
        {"message": None, **told},
    ]
    content = base64.b64encode(b"picture").decode()
    assert report["pictures"] == {digest: {"media_type": "image/png", "content": content}}


def test_workers_add_up(project, report_of):
    project.tests(TESTS)

    alone, together = report_of(), report_of("-n2")

    assert together["totals"] == alone["totals"]
    assert together["seconds"] > 0
    assert sorted(map(without_times, together["tests"])) == sorted(map(without_times, alone["tests"]))
    assert list(project.path.glob(".run.json*")) == []


def without_times(test: dict) -> str:
    told = json.loads(json.dumps(test), object_hook=lambda fields: {**fields, "seconds": 0})
    return json.dumps({**told, "worker": None})


def test_the_place_is_said_and_relative_to_where_pytest_was_started(project):
    project.tests(TESTS)

    result = project.run("--templates-json=deep/down/run.json")

    path = project.path / "deep" / "down" / "run.json"
    project.says(result, "templates: 5 calls", f"templates: what models did is in {path}")
    assert read(path).totals.cost == Decimal("0.0000004")


def test_failed_calls_violations_and_sources_are_told(project, chat_server, report_of):
    project.tests(
        """
        import os

        @pytest.mark.llm_cassette
        def test_it(scripted_model):
            ask(connect("openai:mystery", base_url=os.environ["CHAT_URL"], api_key="x"))
            swallow(ask, scripted_model(KeyError("gone")))
            notes = []
            research(scripted_model("one"), lambda child: notes.append("x") or child, {"notes": notes})
        """
    )

    [test] = report_of("--templates-record=missing")["tests"]

    assert test["outcome"] == "failed"
    assert test["source"] == "mixed"
    assert [call["source"] for call in test["calls"]] == ["recorded", "script", "script"]
    assert [call["error"] for call in test["calls"]] == [None, "KeyError: 'gone'", None]
    assert [(call["cost"], call["unpriced"]) for call in test["calls"]] == [(None, True), (None, False), (None, False)]
    assert test["isolation"]["subroutines"] == 1
    assert "metadata['notes'][0] was added: 'x'" in test["isolation"]["violations"][0]


def test_an_error_may_hold_half_a_character(project, report_of):
    project.tests("def test_it(scripted_model):\n    swallow(ask, scripted_model(OSError('no \\udcff')))\n")

    [test] = report_of()["tests"]

    assert test["calls"][0]["error"] == "OSError: no \\udcff"


def test_a_cassette_that_a_client_uses_without_the_engine_is_a_source(project, chat_server, report_of):
    project.tests(
        """
        import os
        from openai import OpenAI

        @pytest.mark.llm_cassette
        def test_it():
            with OpenAI(base_url=os.environ["CHAT_URL"], api_key="x") as client:
                client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello."}])
        """
    )

    recorded, replayed = report_of("--templates-record=missing"), report_of()

    assert [report["tests"][0]["source"] for report in (recorded, replayed)] == ["recorded", "cassette"]


@pytest.mark.parametrize(("mark", "workers"), [("@pytest.mark.llm_cassette", ()), ("", ("-n1",))])
def test_the_file_holds_no_secret(project, monkeypatch, mark, workers, report_of):
    monkeypatch.setenv("SITE_KEY", SECRET)
    project.tests(
        f"""
        import os

        {mark}
        @pytest.mark.parametrize("name", [pytest.param(1, id="{SECRET if not mark else "one"}")])
        def test_it(scripted_model, name):
            swallow(ask, scripted_model(RuntimeError("401 for key=" + os.environ["SITE_KEY"])))
            notes, key = [], os.environ["SITE_KEY"]
            research(scripted_model("one"), lambda child: notes.append(key) or child, {{"notes": notes}})
        """
    )

    [test] = report_of(*workers)["tests"]

    assert SECRET not in json.dumps(test)
    assert test["calls"][0]["error"] == "RuntimeError: 401 for key=REDACTED"


@pytest.mark.parametrize("given", ["folder", "", "file/run.json"])
def test_a_place_where_nothing_can_be_written_is_refused_before_the_tests_run(project, given):
    project.tests("def test_it():\n    print('it ran')\n")
    (project.path / "folder").mkdir()
    project.file("file", "")

    result = project.run("-s", f"--templates-json={given}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--templates-json={project.path / given} cannot be written: *"])
    assert "it ran" not in str(result.stdout)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="everything can be written")
def test_a_folder_that_is_closed_is_refused(project):
    (project.path / "closed").mkdir(mode=0o500)

    assert project.run("--templates-json=closed/run.json").ret == pytest.ExitCode.USAGE_ERROR


def test_each_test_stands_on_a_line_of_its_own(project):
    project.tests(TESTS)

    project.run("--templates-json=run.json")

    first, *tests, last = (project.path / "run.json").read_text(encoding="utf-8").splitlines()
    assert first.startswith('{"version":1,"totals":{')
    assert [json.loads(line.removesuffix(","))["nodeid"] for line in tests][-1] == "test_it.py::test_no_model"
    assert last.startswith("]")


@pytest.mark.parametrize(
    "failing",
    [
        ("--templates-baseline=main.json", "--templates-fail-on=calls>+0"),
        ("--templates-lock=check",),
        ("--templates-fail-under=100",),
        ("-otemplates_budget=calls = 1",),
    ],
    ids=lambda failing: failing[-1],
)
def test_the_exit_status_is_that_of_a_run_that_an_option_fails(project, report_of, failing):
    one = "def test_it(scripted_model):\n    model = scripted_model('one', 'two', allow_unused=True)\n    ask(model)\n"
    two = "    branch = IfTemplate(lambda session: True, talk(), UserTemplate('No.'), template_id='branch')\n"
    project.tests(one)
    project.run("--templates-json=main.json", "--templates-lock=update").assert_outcomes(passed=1)
    project.tests(one + two + "    Runner(model, template=branch).run()\n")

    report = report_of(*failing)

    assert [test["outcome"] for test in report["tests"]] == ["passed"]
    assert report["exit_status"] == pytest.ExitCode.TESTS_FAILED
