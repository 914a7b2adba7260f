"""`report merge` and `report compare`: several runs as one, and two side by side, as pages."""

from __future__ import annotations

import json

import pytest

from pytest_templates.commands.main import main
from pytest_templates.reporting.document import Report, read

TESTS = """
from decimal import Decimal

def priced(text):
    usage = Usage(input_tokens=1000, output_tokens=200, cost=Decimal("0.0000001"))
    return Reply(text, usage=usage)

@pytest.mark.parametrize("number", range(6))
def test_it(scripted_model, number):
    ask(scripted_model(priced(f"answer {number}"), name="small"))

@pytest.mark.parametrize("is_new", [True, False])
def test_branches(scripted_model, is_new):
    tree = IfTemplate(lambda session: is_new, UserTemplate("Welcome."), UserTemplate("Good to see you."))
    Runner(scripted_model(), template=tree).run()

def test_meddles(scripted_model):
    notes = []
    research(scripted_model("one"), lambda child: notes.append("x") or child, {"notes": notes})
"""


@pytest.fixture
def run(project, monkeypatch, capsys):
    """Runs `report` with some words; gives the exit status, what was said, and what was complained of."""
    monkeypatch.chdir(project.path)

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["report", *words])
        return (status, *capsys.readouterr())

    return run


def reported(project, name: str, *arguments: str) -> Report:
    project.run(f"--templates-json={name}", *arguments)
    return read(project.path / name)


def without_times(report: Report) -> object:
    fields = report.model_dump(mode="json", exclude={"seconds", "started", "exit_status"})
    fields["tests"].sort(key=lambda test: test["nodeid"])
    return json.loads(json.dumps(fields), object_hook=lambda one: {**one, "seconds": 0} if "seconds" in one else one)


def test_three_shards_are_what_one_run_is(project, run):
    project.tests(TESTS)
    options = ["--templates-coverage", "-p", "no:randomly"]
    for number, names in enumerate(("0 or 1 or True", "2 or 3 or False", "4 or 5 or meddles")):
        reported(project, f"shard-{number}.json", "-k", names, *options)
    whole = reported(project, "whole.json", *options)

    status, out, err = run("merge", "shard-0.json", "shard-1.json", "shard-2.json", "-o", "all/run.json")

    assert (status, err) == (0, "")
    merged = read(project.path / "all" / "run.json")
    assert merged.totals == whole.totals
    assert without_times(merged) == without_times(whole)
    assert (merged.exit_status, whole.exit_status) == (1, 1)
    assert "3 reports, 9 tests: 8 passed, 1 failed\n7 calls, 7,200 tokens, $0.0000006" in out
    assert out.endswith("the report is in all/run.json\n")


def test_a_merged_report_is_a_page(project, run):
    project.tests(TESTS)
    reported(project, "one.json")

    status, out, _ = run("merge", "one.json", "-o", "run.html")

    assert status == 0
    assert "the report is in run.html" in out
    assert "test_it.py::test_it[3]" in (project.path / "run.html").read_text(encoding="utf-8")


def test_a_test_that_stands_in_several_reports_was_run_again(project, run):
    project.tests(
        """
        from pathlib import Path

        def test_it(scripted_model):
            is_first = not Path("ran").exists()
            Path("ran").touch()
            ask(scripted_model("early" if is_first else "late", name="first" if is_first else "second"))
            assert not is_first
        """
    )
    first, second = reported(project, "1.json"), reported(project, "2.json")
    earlier = first.model_copy(update={"started": "2026-01-01T00:00:00Z"})
    (project.path / "1.json").write_text(earlier.model_dump_json(), encoding="utf-8")

    _, out, _ = run("merge", "2.json", "1.json", "-o", "run.json")

    [test] = read(project.path / "run.json").tests
    assert (first.tests[0].outcome, test.outcome, test.failure) == ("failed", "passed", None)
    assert [call.model for call in test.calls] == ["first", "second"]
    assert [message.content for message in test.messages] == ["Hello.", "late"]
    [asked] = [step for step in test.steps if step.type == "call"]
    assert test.calls[asked.call].model == "second"
    assert second.tests[0].steps[asked.id].type == "call"
    assert "1 test stood in another report as well, and counts as run again" in out


def test_a_test_that_was_skipped_in_one_shard_ran_in_the_other(project, run):
    project.tests("def test_it(scripted_model):\n    ask(scripted_model('yes'))\n")
    reported(project, "1.json")
    project.tests("@pytest.mark.skip\ndef test_it():\n    pass\n")
    reported(project, "2.json")

    run("merge", "1.json", "2.json", "-o", "run.json")

    [test] = read(project.path / "run.json").tests
    assert (test.outcome, len(test.calls)) == ("passed", 1)


def old(**fields) -> str:
    totals = {"calls": 0, "input_tokens": 0, "output_tokens": 0, "cost": "0"}
    test = {"nodeid": "test_it.py::test_it", "outcome": "passed", "source": None, "calls": [], "isolation": None}
    return json.dumps({"version": 1, "totals": totals, "seconds": 1.5, "tests": [{**test, **fields}]})


def test_reports_of_before_there_were_conversations_are_merged(project, run):
    project.file("old.json", old())
    project.file("other.json", old(nodeid="test_it.py::test_other"))

    status, _, _ = run("merge", "old.json", "other.json", "-o", "run.json")

    merged = read(project.path / "run.json")
    assert (status, merged.started, merged.exit_status, merged.coverage) == (0, "", None, None)
    assert (len(merged.tests), merged.seconds) == (2, 3.0)


def test_shards_without_tests_leave_the_exit_status_of_the_others(project, run):
    project.tests("def test_it():\n    pass\n")
    nothing, something = reported(project, "1.json", "-k", "nothing"), reported(project, "2.json")

    run("merge", "1.json", "2.json", "-o", "run.json")

    assert (nothing.exit_status, something.exit_status) == (5, 0)
    assert read(project.path / "run.json").exit_status == 0


@pytest.mark.parametrize("command", ["merge", "compare"])
@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "is no report of --templates-json"),
        ('{"version": 2}', "has version 2, and 1 is the newest known here: update antiphon"),
        (old(steps=[{"id": 1, "type": "message", "message": 0}]), "step 0 says that it is step 1"),
        (old(steps=[{"id": 0, "type": "message", "message": 0}]), "step 0 is of message 0, and there are 0"),
        (old(steps=[{"id": 0, "type": "shout"}]), "tests.0.steps.0: Input tag 'shout' found"),
        (old(failure={"text": "", "message": "", "step": 3}), "the test failed at step 3, and there are 0"),
    ],
)
def test_damaged_reports_are_refused(project, run, command, content, why):
    project.file("good.json", old())
    project.file("bad.json", content)

    status, _, err = run(command, "good.json", "bad.json", "-o", "run.html")

    assert status == 2
    assert "bad.json" in err
    assert why in err
    assert not (project.path / "run.html").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["merge", "one.json", "-o", "run.txt"], "-o run.txt: write a page, FILE.html, or a report for other commands"),
        (["merge", "one.json", "./one.json", "-o", "run.html"], "one.json is given twice: its calls would count twice"),
        (["merge", "one.json", "none.json", "-o", "run.html"], "none.json: the report cannot be read: No such file"),
        (["compare", "one.json", "one.json", "-o", "run.json"], "-o run.json: two runs side by side are a page"),
        (["merge", "one.json", "-o", "one.json/run.html"], "one.json"),
    ],
)
def test_what_cannot_be_done_is_refused(project, run, words, why):
    project.file("one.json", old())

    status, _, err = run(*words)

    assert (status, err.startswith("error: ")) == (2, True)
    assert why in err


def test_two_runs_stand_side_by_side_on_a_page_and_differ_in_words(project, run):
    samples = """
        @pytest.mark.llm_samples(2, pass_rate=0.5)
        def test_samples(scripted_model, llm_trace):
            ask(scripted_model("OTHER"))
            assert SAMPLES
        """
    project.tests(TESTS + samples.replace("SAMPLES", "True").replace("        ", ""))
    reported(project, "a.json")
    text = (TESTS + samples.replace("SAMPLES", "llm_trace.samples")).replace("        ", "")
    project.tests(text.replace("answer {number}", "reply {number}").replace("OTHER", "another"))
    program = (project.path / "program.py").read_text(encoding="utf-8").replace('"Hello."', '"Good day."')
    project.file("program.py", program)
    reported(project, "b.json")

    status, out, err = run("compare", "a.json", "b.json", "-o", "changes.html")

    assert (status, err) == (0, "")
    assert "A  a.json\nB  b.json" in out
    cells = [" ".join(line.split()) for line in out.splitlines()]
    assert "talk/user-1 prompt user 7" in cells
    assert "talk/answer answer 7" in cells
    assert "test_it.py::test_samples 2 of 2 1 of 2" in cells
    assert out.endswith("the runs are side by side in changes.html\n")
    assert "test_it.py::test_samples" in (project.path / "changes.html").read_text(encoding="utf-8")


CALL = {
    "template_id": "talk/answer",
    "template_path": "talk/answer",
    "model": "m",
    "served_by": None,
    "chosen_by": "runner",
    "input_tokens": 0,
    "output_tokens": 0,
    "cost": None,
    "unpriced": False,
    "seconds": 0,
    "source": "script",
    "error": None,
}


def said(**fields) -> str:
    """A report of one call, with its conversation."""
    steps = [{"id": 0, "type": "message", "message": 0}, {"id": 1, "type": "call", "call": 0, "reply": 1}]
    messages = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Yes."}]
    return old(calls=[CALL], messages=messages, steps=steps, **fields)


def test_conversations_are_compared_only_where_both_reports_have_them(project, run):
    project.file("a.json", old(calls=[CALL]))
    project.file("b.json", said())

    status, out, _ = run("compare", "a.json", "b.json", "-o", "changes.html")

    assert status == 0
    assert "prompts and answers are not compared: one of the reports was written without conversations" in out
    assert "what changed" not in out
    assert '"is_changed":false' in (project.path / "changes.html").read_text(encoding="utf-8")


def test_turns_of_a_loop_count_once_for_each_test(project, run):
    calls = [CALL | {"template_path": f"talk@{turn}/answer"} for turn in (1, 2)]
    templates = [
        {"id": 2 * n, "type": "template", "path": one["template_path"], "kind": "AssistantTemplate"}
        for n, one in enumerate(calls)
    ]
    asked = [{"id": 2 * n + 1, "parent": 2 * n, "type": "call", "call": n, "reply": n} for n in range(2)]
    steps = sorted([*templates, *asked], key=lambda step: step["id"])
    for name, answer in (("a.json", "Yes."), ("b.json", "No.")):
        project.file(name, old(calls=calls, steps=steps, messages=[{"role": "assistant", "content": answer}] * 2))

    _, out, _ = run("compare", "a.json", "b.json", "-o", "changes.html")

    assert [line.split() for line in out.splitlines() if "answer" in line][-1] == ["talk/answer", "answer", "1"]


@pytest.mark.parametrize(
    "words", [["merge", "one.json", "-o", "./one.json"], ["compare", "a.html", "one.json", "-o", "a.html"]]
)
def test_a_report_that_is_read_is_not_replaced_but_refused(project, run, words):
    project.file("one.json", old())
    project.file("a.html", old())

    status, _, err = run(*words)

    assert (status, err) == (
        2,
        f"error: -o {words[-1].removeprefix('./')} would replace a report that is read: name another file\n",
    )
    assert (project.path / "a.html").read_text(encoding="utf-8") == old()


@pytest.mark.parametrize("command", [["merge", "one.json"], ["compare", "one.json", "one.json"]])
def test_a_file_that_cannot_be_written_is_refused_by_its_name(project, run, command):
    project.file("one.json", old())
    (project.path / "run.html").mkdir()

    status, _, err = run(*command, "-o", "run.html")

    assert (status, err) == (2, "error: run.html cannot be written: Is a directory\n")


def with_status(text: str, status: int) -> str:
    return json.dumps(json.loads(text) | {"exit_status": status})


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        (("failed", 1), ("passed", 0), 0),
        (("failed", 1), ("failed", 1), 1),
        (("passed", 1), ("passed", 0), 1),  # something else failed in the first run
        (("failed", 1), ("passed", 2), 2),
    ],
)
def test_the_exit_status_is_that_of_the_tests_as_they_are_together(project, run, first, second, merged):
    for name, (outcome, status) in (("1.json", first), ("2.json", second)):
        project.file(name, with_status(old(outcome=outcome), status))

    run("merge", "1.json", "2.json", "-o", "run.json")

    assert read(project.path / "run.json").exit_status == merged


def test_several_tests_count_as_run_again(project, run):
    text = json.loads(old())
    text["tests"].append(text["tests"][0] | {"nodeid": "test_it.py::test_other"})
    for name in ("1.json", "2.json"):
        project.file(name, json.dumps(text))

    _, out, _ = run("merge", "1.json", "2.json", "-o", "run.json")

    assert "2 tests stood in another report as well, and count as run again" in out
