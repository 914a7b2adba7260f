"""Whatever models say, and programs keep: a report of it is JSON that everybody can read, without secrets."""

from __future__ import annotations

import json

SECRET = "kX3f-Zq9-aB7w-Q2m5"


def test_no_secret_is_told_wherever_it_was_said(project, report_of, monkeypatch):
    monkeypatch.setenv("SITE_KEY", SECRET)
    project.tests(
        """
        import os

        KEY = os.environ["SITE_KEY"]

        def look(key: str) -> str:
            "Look."
            return f"found {key}"

        def test_it(scripted_model):
            answer = Reply(f"Take {KEY}.", thinking=f"It is {KEY}.")
            tree = LinearTemplate([UserTemplate("Say {{ key }}."), ToolingTemplate([look])])
            model = scripted_model(CallTool("look", key=KEY), answer, name=f"model of {KEY}")
            session = Runner(model, template=tree).run(Session(metadata={"key": KEY}))
            assert session.last.content == "nothing", KEY
        """
    )

    report = report_of("-n1")

    [test] = report["tests"]
    assert SECRET not in json.dumps(report)
    assert [message["content"] for message in test["messages"]] == [
        *("Say REDACTED.", "", "found REDACTED", "Take REDACTED."),
    ]
    assert test["messages"][3]["thinking"] == "It is REDACTED."
    assert next(step for step in test["steps"] if step["type"] == "tool")["arguments"] == {"key": "REDACTED"}
    assert "REDACTED" in test["failure"]["text"]


def test_any_text_and_any_value_is_told(project, report_of):
    project.tests(
        r"""
        from decimal import Decimal

        def nested(depth):
            value = "deep"
            for _ in range(depth):
                value = [value]
            return value

        def look(key: str) -> str:
            "Look."
            return "half \udcff"

        def test_it(scripted_model):
            arguments = {
                "half": "\udcff", "nan": float("nan"), "deep": nested(60), "much": 10**5000, "odd": Decimal(1),
                "esc": "\x1b[31m", "fine": [1, 2.5, None, True],
            }
            call = Reply(tool_calls=[ToolCall(id="\udcff", name="no\u202etool", arguments=arguments)])
            model = scripted_model(call, "\x1b[31m<script>\u202e\x00\udcff")
            Runner(model, template=ToolingTemplate([look])).run(Session(messages=[Message(role="user", content="x")]))
        """
    )

    [test] = report_of()["tests"]

    assert test["outcome"] == "passed"
    assert test["messages"][-1]["content"] == "\x1b[31m<script>\u202e\x00\\udcff"
    [asked] = test["messages"][1]["tool_calls"]
    assert (asked["id"], asked["name"]) == ("\\udcff", "no\u202etool")
    told = asked["arguments"]
    assert (told["half"], told["nan"], told["odd"], told["fine"]) == ("\\udcff", "nan", "1", [1, 2.5, None, True])
    assert "deep" in str(told["deep"])
    assert told["much"] == "a value of the type int"


def test_a_model_may_have_any_name(project, report_of):
    project.tests(
        """
        class Odd(Model):
            name = "m\\ud800"

            def _send(self, session):
                return Reply("fine")

        def test_it():
            ask(Odd())
        """
    )

    (test,) = report_of("-n1")["tests"]

    assert (test["outcome"], test["calls"][0]["model"]) == ("passed", "m\\ud800")


def test_pictures_are_told_once_and_those_that_are_too_large_are_left_out(project, report_of):
    project.tests(
        """
        small, large = Image.from_bytes(b"small", "image/png"), Image.from_bytes(b"x" * 1_000_001, "image/png")
        drawn, notes = Image.from_bytes(b"<svg/>", "image/svg+xml"), Document.from_bytes(b"notes", "text/plain")

        @pytest.mark.parametrize("number", range(2))
        def test_it(scripted_model, number):
            said = UserTemplate("See.", attachments=[small, large, drawn, notes])
            model = scripted_model(Reply("Seen.", attachments=[small]))
            Runner(model, template=LinearTemplate([said, AssistantTemplate()])).run()
        """
    )

    report = report_of()

    asked, said = report["tests"][1]["messages"]
    assert [one["kind"] for one in asked["attachments"]] == ["image", "image", "image", "document"]
    [digest] = [one["digest"] for one in said["attachments"]]
    assert report["pictures"] == {digest: {"media_type": "image/png", "content": "c21hbGw="}}


def test_a_picture_is_kept_once_however_many_tests_attach_it(project, report_of):
    project.file("conftest.py", KEEPS_REPORTS)
    project.tests(
        """
        @pytest.mark.parametrize("number", range(2))
        def test_it(scripted_model, number):
            said = UserTemplate("See.", attachments=[Image.from_bytes(b"small", "image/png")])
            Runner(scripted_model("Seen."), template=LinearTemplate([said, AssistantTemplate()])).run()
        """
    )

    assert [one["content"] for one in report_of()["pictures"].values()] == ["c21hbGw="]
    assert (project.path / "kept.txt").read_text("utf-8") == "6 reports, 0 of them with pictures"


KEEPS_REPORTS = """
from pathlib import Path

REPORTS = []

def pytest_runtest_logreport(report):
    REPORTS.append(report)

def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        holding = sum("c21hbGw=" in repr(vars(report)) for report in REPORTS)
        Path("kept.txt").write_text(f"{len(REPORTS)} reports, {holding} of them with pictures")
"""


def test_of_a_text_that_is_longer_than_anybody_reads_the_beginning_is_told(project, report_of):
    project.tests("def test_it(scripted_model):\n    ask(scripted_model('x' * 1_000_005))\n")

    [test] = report_of()["tests"]

    assert test["messages"][1]["content"] == "x" * 1_000_000 + "… and 5 more characters"
