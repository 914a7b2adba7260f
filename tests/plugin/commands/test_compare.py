"""`compare`: two runs side by side."""

from __future__ import annotations

import json

import pytest

from pytest_templates.commands.main import main


def call(template="answer", model="large", cost="0.01", **more):
    said = {
        "template_id": template,
        "template_path": template,
        "model": model,
        "served_by": None,
        "chosen_by": "template",
        "input_tokens": 100,
        "output_tokens": 10,
        "cost": cost,
        "unpriced": False,
        "seconds": 2.0,
        "source": "cassette",
        "error": None,
    }
    return {**said, **more}


def report(seconds=10.0, **tests):
    listed = [
        {"nodeid": f"test_it.py::{name}", "outcome": outcome, "source": None, "calls": calls, "isolation": None}
        for name, (outcome, *calls) in tests.items()
    ]
    totals = {"calls": 0, "input_tokens": 0, "output_tokens": 0, "cost": "0"}
    return {"version": 1, "totals": totals, "seconds": seconds, "tests": listed}


@pytest.fixture
def compare(project, monkeypatch, capsys):
    """Compares two reports; gives the exit status, and what was said with cells parted by bars."""
    monkeypatch.chdir(project.path)

    def run(a, b, *arguments):
        for name, content in (("A.json", a), ("B.json", b)):
            text = content if isinstance(content, str) else json.dumps(content)
            project.file(name, text)
        status = main(["compare", *(arguments or ("A.json", "B.json"))])
        out, err = capsys.readouterr()
        lines = [" | ".join(cell.strip() for cell in line.split("  ") if cell.strip()) for line in out.splitlines()]
        return status, lines, err

    return run


def test_two_runs_stand_side_by_side_by_template_and_model_with_their_differences(compare):
    a = report(one=("passed", call("classify"), call()), two=("passed", call("classify"), call()))
    small = call("classify", "small", "0.0005", input_tokens=90, seconds=0.5)
    b = report(seconds=4.5, one=("passed", small, call()), two=("passed", small, small, call()))

    status, lines, err = compare(a, b)

    assert (status, err) == (0, "")
    assert lines == [
        "A | A.json",
        "B | B.json",
        "",
        "A | B | difference",
        "tests passed | 2 of 2 | 2 of 2 | 0",
        "calls | 4 | 5 | +1 (+25%)",
        "tokens in | 400 | 470 | +70 (+18%)",
        "tokens out | 40 | 50 | +10 (+25%)",
        "cost | $0.0400 | $0.0215 | -$0.0185 (-46%)",
        "time of calls | 8.00 s | 5.50 s | -2.50 s (-31%)",
        "time of run | 10.00 s | 4.50 s | -5.50 s (-55%)",
        "",
        "template | model | calls | tokens in | tokens out | cost | time of calls",
        "classify | A | large | 2 | 200 | 20 | $0.0200 | 4.00 s",
        "B | small | 3 | 270 | 30 | $0.0015 | 1.50 s",
        "difference | +1 (+50%) | +70 (+35%) | +10 (+50%) | -$0.0185 (-92%) | -2.50 s (-62%)",
        "answer | A | large | 2 | 200 | 20 | $0.0200 | 4.00 s",
        "B | large | 2 | 200 | 20 | $0.0200 | 4.00 s",
        "difference | 0 | 0 | 0 | 0 | 0",
        "",
        "every test that passed in A passed in B",
    ]


def test_a_template_with_several_models_has_a_line_for_each_and_one_that_is_not_called_says_so(compare):
    a = report(one=("passed", call("answer", "large"), call("answer", "small")))
    b = report(one=("passed", call("", "small")))

    _, lines, _ = compare(a, b)

    start = lines.index("template | model | calls | tokens in | tokens out | cost | time of calls")
    assert [line.split(" | ")[:4] for line in lines[start + 1 : start + 8]] == [
        ["answer", "A", "large", "1"],
        ["A", "small", "1", "100"],
        ["B", "(not called)", "0", "0"],
        ["difference", "-2 (-100%)", "-200 (-100%)", "-20 (-100%)"],
        ["code outside of templates", "A", "(not called)", "0"],
        ["B", "small", "1", "100"],
        ["difference", "+1", "+100", "+10"],
    ]


def test_tests_whose_outcome_changed_are_named(compare):
    a = report(same=("passed",), worse=("passed",), better=("failed",), gone=("passed",), broken=("error",))
    b = report(same=("passed",), worse=("failed",), better=("passed",), broken=("error",), new=("skipped",))

    status, lines, _ = compare(a, b)

    assert status == 0
    assert "tests passed | 3 of 5 | 2 of 5 | -1 (-33%)" in lines
    assert lines[lines.index("outcomes that changed:") + 1 :] == [
        "test | A | B",
        "test_it.py::worse | passed | failed",
        "test_it.py::better | failed | passed",
        "test_it.py::gone | passed | not run",
        "test_it.py::new | not run | skipped",
        "",
        "2 tests passed in A and not in B",
    ]


def test_a_cost_that_is_not_known_is_no_difference(compare):
    known, unknown = call(), call(cost=None, unpriced=True)

    _, lines, _ = compare(report(one=("passed", known)), report(one=("passed", unknown)))

    assert "cost | $0.0100 | unknown | unknown" in lines

    _, lines, _ = compare(report(one=("passed", known)), report(one=("passed", known, unknown)))

    assert "cost | $0.0100 | $0.0100 and more | unknown" in lines


def test_runs_that_called_no_model_are_compared_as_well(compare):
    status, lines, _ = compare(report(one=("passed",)), report(one=("failed",)))

    assert status == 0
    assert "calls | 0 | 0 | 0" in lines
    assert lines[-1] == "1 test passed in A and not in B"


def test_what_the_option_writes_is_what_is_read(project, compare):
    project.tests("def test_it(scripted_model):\n    ask(scripted_model('one'))\n")
    project.run("--templates-json=A.json").assert_outcomes(passed=1)
    written = (project.path / "A.json").read_text(encoding="utf-8")

    status, lines, _ = compare(written, written)

    assert status == 0
    assert "answer | A | scripted | 1 | 0 | 0 | $0.0000 | 0.00 s" in lines


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is no report of --templates-json: Expecting value: line 1 column 1 (char 0)"),
        ("{", "is no report of --templates-json: Expecting property name"),
        ("[]", "is no report of --templates-json: the document: Input should be"),
        ({"created": 1, "exitcode": 0}, "is no report of --templates-json: version: Field required"),
        (report() | {"version": 2}, "has version 2, and 1 is the newest known here: update antiphon"),
        (report() | {"version": "1"}, "is no report of --templates-json: version: Input should be 1"),
        (report(one=("lost",)), "is no report of --templates-json: tests.0.outcome: Input should be 'passed', "),
        (report(one=("passed", call(cost="-1"))), "tests.0.calls.0.cost: Input should be greater than or equal to 0"),
        (report(one=("passed", call(cost="NaN"))), "tests.0.calls.0.cost: Input should be a finite number"),
        (report(one=("passed", call(input_tokens=-1))), "tests.0.calls.0.input_tokens: Input should be greater than"),
    ],
)
def test_what_is_no_report_is_an_error(compare, content, problem):
    status, lines, err = compare(report(), content)

    assert (status, lines) == (2, [])
    assert err.startswith("error: B.json ")
    assert problem in err


def test_a_file_that_is_not_there_or_not_text_is_an_error(project, compare, monkeypatch, capsys):
    compare(report(), report())
    (project.path / "B.json").write_bytes(b"\xff\xfe")

    assert main(["compare", "A.json", "B.json"]) == 2
    assert main(["compare", "missing.json", "A.json"]) == 2

    err = capsys.readouterr().err
    assert "error: B.json is no report of --templates-json: 'utf-8' codec" in err
    assert "error: missing.json: the report cannot be read: No such file or directory" in err


def judged(compare, rules, a, b):
    status, lines, _ = compare(a, b, "A.json", "B.json", f"--fail-on={rules}")
    return status, lines[lines.index("rule | A | B") + 1 :]


def test_rules_judge_what_got_worse_in_the_tests_that_both_runs_have(compare):
    a = report(one=("passed", call(), call("sort")), two=("passed",), three=("passed",), gone=("passed",))
    dearer = call(cost="0.0125", input_tokens=130)
    b = report(
        one=("passed", dearer, call("sort", "small")), two=("failed",), three=("passed",), new=("passed", call())
    )

    assert judged(compare, "cost>+10%,tokens>+20%,calls>+0,models,pass_rate<-5%", a, b) == (
        1,
        [
            "cost>+10% | $0.0200 | $0.0225 | ✗",
            "tokens>+20% | 220 | 250 | holds",
            "calls>+0 | 2 | 2 | holds",
            "models | ✗",
            "pass_rate<-5% | 100.0% | 66.7% | ✗",
            "",
            "cost>+10%: $0.0225 after $0.0200, at most $0.0220",
            "models: sort asked small, and before large",
            "pass_rate<-5%: 66.7% after 100.0%, at least 95.0%",
            "",
            "3 tests ran in both; 1 test of the earlier run did not run, test_it.py::gone",
        ],
    )


@pytest.mark.parametrize(
    ("rule", "before", "after", "status"),
    [
        ("cost>+10%", call(cost="0.01"), call(cost="0.011"), 0),
        ("cost>+10%", call(cost="0.01"), call(cost="0.01101"), 1),
        ("cost>+0.005", call(cost="0.01"), call(cost="0.015"), 0),
        ("cost>+0.005", call(cost="0.01"), call(cost="0.016"), 1),
        ("cost > + 10 %", call(cost="0"), call(cost="0.01"), 1),
        ("cost>+10%", call(), call(cost=None, unpriced=True), 1),
        ("tokens>+5", call(), call(output_tokens=15), 0),
        ("output_tokens>+5", call(), call(output_tokens=16), 1),
        ("input_tokens>+0%", call(), call(output_tokens=16), 0),
        ("seconds>+50%", call(), call(seconds=3.1), 1),
        ("models", call(), call(model="small"), 1),
        ("models", call("sort"), call("answer", "small"), 0),
        ("models", (call(), call(model="small")), call(), 0),
        ("cost>+10%", call(), call(cost="0.01", unpriced=True), 1),
    ],
)
def test_a_rule_holds_up_to_its_limit(compare, rule, before, after, status):
    a, b = (report(one=("passed", *(each if isinstance(each, tuple) else (each,)))) for each in (before, after))

    assert judged(compare, rule, a, b)[0] == status


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (("passed",) * 20, ("failed", *("passed",) * 19), 0),
        (("passed",) * 19, ("failed", *("passed",) * 18), 1),
        (("failed", "passed"), ("failed", "passed"), 0),
        (("passed", "skipped", "xfailed"), ("passed", "skipped", "xfailed"), 0),
        (("skipped",), ("failed",), 1),
        (("passed",), ("skipped",), 1),
    ],
)
def test_the_rate_of_passing_falls_by_so_many_points_at_most(compare, before, after, status):
    a, b = (report(**{f"t{n}": (outcome,) for n, outcome in enumerate(each)}) for each in (before, after))

    assert judged(compare, "pass_rate<-5%", a, b)[0] == status


def test_a_test_that_was_skipped_in_one_run_hides_nothing(compare):
    a = report(one=("passed", call(cost="0.05")), two=("passed", call(cost="0.02")))
    b = report(one=("passed", call(cost="0.07")), two=("skipped",))

    assert judged(compare, "cost>+10%", a, b)[0] == 1


def test_runs_without_a_test_in_common_are_not_judged_well(compare):
    status, lines = judged(compare, "cost>+10%", report(one=("passed",)), report(two=("passed",)))

    assert (status, lines[-3]) == (1, "cost>+10%: no test ran in both")


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ("", "'' is no rule: write rules such as cost>+10%"),
        ("cost>+10%,", "'' is no rule"),
        ("costs>+10%", "there is no 'costs' among cost, tokens"),
        ("costs>+10%", "did you mean 'cost'?"),
        ("cost", "'cost' is no rule: write it as cost>+10%"),
        ("cost>10%", "'cost>10%' is no rule: write rules such as"),
        ("cost<-10%", "write it as cost>+10%"),
        ("pass_rate>+5%", "write it as pass_rate<-5%"),
        ("pass_rate<-5", "write it as pass_rate<-5%"),
        ("models>+1", "models stands alone"),
    ],
)
def test_what_is_no_rule_is_refused(compare, capsys, rules, complaint):
    with pytest.raises(SystemExit, match="2"):
        compare(report(), report(), "A.json", "B.json", f"--fail-on={rules}")

    assert complaint in " ".join(capsys.readouterr().err.split())


def test_the_earlier_run_may_stand_in_an_option(compare, capsys):
    assert compare(report(), report(), "--baseline=A.json", "B.json")[1][:2] == ["A | A.json", "B | B.json"]
    with pytest.raises(SystemExit, match="2"):
        compare(report(), report(), "--baseline=A.json", "A.json", "B.json")
    assert "it compares two reports: A.json B.json, or --baseline=A.json B.json" in capsys.readouterr().err


def test_markdown_holds_tables_in_which_nothing_is_markup(compare, capsys):
    a = report(one=("passed", call("so|rt*", "large")))
    compare(a, a)

    assert main(["compare", "A.json", "B.json", "--markdown", "--fail-on=models"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["A  A.json  ", "B  B.json"]
    assert "|  | A | B | difference |" in lines
    assert "| --- | --- | --- | --- |" in lines
    assert any(line.startswith(r"| so\|rt\* | A | large | 1 |") for line in lines)
    assert "| models |  |  | holds |" in lines


def test_the_program_knows_the_command(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["compare", "--help"])
    assert "A.json B.json" in capsys.readouterr().out

    with pytest.raises(SystemExit, match="2"):
        main(["compare", "A.json"])
    assert "it compares two reports" in capsys.readouterr().err
