"""Files that somebody else may have written, and what is printed of them: our own errors, short, nothing hidden."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from antiphon.errors import AntiphonError
from pytest_templates.cassettes.format.vcr_import import load_vcr
from pytest_templates.cassettes.storage.store import load_cassette
from pytest_templates.commands.main import main
from pytest_templates.errors import CassetteError, LockError, ReportError, ScriptError
from pytest_templates.lock.file import read_lock
from pytest_templates.reporting.document import read
from pytest_templates.scripting.files import load_script

BLOCKS = "".join(" " * depth + "a:\n" for depth in range(1500))
CONTENTS = {
    "blocks": BLOCKS,
    "lists": "[" * 100_000,
    "closed lists": "[" * 10_000 + "]" * 10_000,
    "objects": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "tables": "a = " + "{a = " * 10_000 + "1" + "}" * 10_000,
    "lists in a value": "version = 1\na = " + "[" * 20_000,
    "dotted": f"version = 1\n{'.'.join(['a'] * 10_000)} = 1",
    "a number": f"version: {'9' * 5_000}",
    "a number in TOML": f"version = {'9' * 5_000}",
    "a number in JSON": f'{{"version": {"9" * 5_000}}}',
    "infinite": '{"version": [Infinity, []]}',
    "too large": '{"version": [1e400, []]}',
    "twice": '{"version": 1, "version": 1}',
    "null": "version: \0",
    "escapes": "\x1b[2J: \x1b]0;title\x07",
    "reversed": "version: 1\ninteractions: \u202e\n",
    "itself": "a: &a [*a]",
    "laughs": "a: &a [x, x]\n"
    + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)).replace("a0", "a"),
    "Python": "!!python/object/apply:os.system ['exit 1']",
}
READERS: dict[str, tuple[Any, type[AntiphonError]]] = {
    "cassette": (load_cassette, CassetteError),
    "vcrpy": (load_vcr, CassetteError),
    "script": (load_script, ScriptError),
    "lock": (read_lock, LockError),
    "report": (read, ReportError),
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_every_reader_refuses_it_in_a_few_words_that_name_the_file(content: str, tmp_path: Path) -> None:
    file = tmp_path / "hostile"
    file.write_text(content, encoding="utf-8")

    for reader, kind in READERS.values():
        with pytest.raises(kind, match=re.escape(str(file))) as caught:
            reader(file)
        said = str(caught.value)
        assert len(said) < 700, said
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", said), ascii(said)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("name", ["pipe", "/dev/zero", "a\0b", ".", "gone/gone"])
def test_every_reader_refuses_what_is_no_file(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for what, (reader, kind) in READERS.items():
        if name == "gone/gone" and what in {"cassette", "lock"}:
            continue  # to have none yet is no error
        with pytest.raises(kind):
            reader(tmp_path / name)


def test_a_compressed_cassette_is_read_no_further_than_a_file(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "bomb.yaml.gz").write_bytes(gzip.compress(b"a" * 120 * 1024 * 1024, compresslevel=1))
    (tmp_path / "broken.yaml.gz").write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\3garbage that is not deflated")

    with pytest.raises(CassetteError, match="holds more than 100 MB"):
        load_vcr(tmp_path / "bomb.yaml.gz")
    with pytest.raises(CassetteError, match="damaged"):
        load_vcr(tmp_path / "broken.yaml.gz")


@pytest.mark.parametrize(
    ("reader", "content", "said"),
    [
        (load_vcr, "interactions: [{request: {method: GET, uri: 'http://a:LONG'}, response: {}}]", "taken over: Port"),
        (
            load_vcr,
            "interactions: [{request: {method: GET, ? LONG : 1}, response: {}}]",
            "taken over: its request holds",
        ),
        (load_vcr, "interactions: [{? LONG : 1}]", "taken over: it is no exchange"),
        (load_cassette, "version: LONG", "has the format version"),
        (load_cassette, "{version: 1, end: 1, ? LONG : 1}", "has an unknown part"),
    ],
    ids=["port", "part of a request", "no exchange", "version", "part of a file"],
)
def test_what_is_wrong_in_a_cassette_is_quoted_in_few_words(
    reader: Any, content: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "long.yaml"
    file.write_text(content.replace("LONG", "k" * 30_000), encoding="utf-8")

    with pytest.raises(CassetteError, match=said) as caught:
        reader(file)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "content", ["a:\n- fail: LONG", "a:\n- LONG: 1", "a:\n- fail: x\n  ? LONG\n  : 1", "? LONG\n: {nothing: 1}"]
)
def test_what_is_wrong_in_a_script_is_quoted_in_few_words(content: str, tmp_path: Path) -> None:
    file = tmp_path / "script.yaml"
    file.write_text(content.replace("LONG", "k" * (900 if "- LONG" in content else 30_000)), encoding="utf-8")

    with pytest.raises(ScriptError, match=r"script.yaml:\d: the entry") as caught:
        load_script(file)
    assert len(str(caught.value)) < 2500


def test_an_entry_of_a_script_is_a_number_that_can_be_counted_with(tmp_path: Path) -> None:
    file = tmp_path / "script.yaml"
    for entry in (
        *(
            "{reply: x, cost: .inf}",
            "{reply: x, cost: .nan}",
            "{json: .inf}",
            "{json: {a: [.nan]}}",
            "{fail: stalled, seconds: .inf}",
        ),
        *(
            "{reply: x, input_tokens: " + "9" * 400 + "}",
            "{reply: x, cost: 1.0e+300}",
            "{fail: rate_limited, retry_after: .nan}",
        ),
    ):
        file.write_text(f"a: {entry}\n", encoding="utf-8")
        with pytest.raises(ScriptError, match=r"script.yaml:1: the entry 'a'"):
            load_script(file)


NAMES = """
    @pytest.mark.llm_cassette({name!r})
    def test_cassette():
        pass

    @pytest.mark.llm_script({name!r} + ".yaml")
    def test_script(scripted_model):
        pass
"""


def test_a_name_that_not_every_system_has_fails_its_test_alone(project) -> None:
    names = ["a\0b", "a\x1b[2J", "aux", "con.txt/a", "a\u202eb", "what?", "a ", "a\u200bb"]
    for number, name in enumerate(names):
        project.tests(NAMES.format(name=name), name=f"test_{number}.py")
    project.tests("def test_other():\n    pass", name="test_other.py")

    result = project.run()

    result.assert_outcomes(passed=1, errors=2 * len(names))
    output = str(result.stdout)
    assert output.count("CassetteError: the name ") >= len(names)
    assert output.count("ScriptError: the name ") >= len(names)
    assert not re.search("[\x00\x1b\u202e\u200b]", output)


CALL = {"template_path": "r/a", "served_by": None, "chosen_by": "runner", "input_tokens": 1, "output_tokens": 1}
CALL |= {"cost": "0.1", "unpriced": False, "seconds": 0.1, "source": "script", "error": None}
HIDDEN = "\x1b[2J\u202e\r\x07\u200b\nmade up line"


def report(path: Path, **changed: Any) -> str:
    call = {"template_id": f"id{HIDDEN}", "model": f"m{HIDDEN}", **CALL, **changed}
    test = {"nodeid": f"t.py::a{HIDDEN}", "outcome": "failed", "source": "script", "isolation": None, "calls": [call]}
    reach = {"file": f"f{HIDDEN}", "line": 1, "path": f"p{HIDDEN}", "kind": "k", "what": "", "reached": False}
    totals = {"calls": 1, "input_tokens": 1, "output_tokens": 1, "cost": "0.1"}
    document = {"version": 1, "totals": totals, "seconds": 1.0, "tests": [test], "coverage": [reach]}
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def test_commands_print_nothing_hidden(project, record, capsys: pytest.CaptureFixture[str]) -> None:
    record("chat", f"asked {HIDDEN}", answer=f"answered {HIDDEN}")
    file = project.path / "cassettes" / "chat.yaml"
    file.write_text(
        file.read_text(encoding="utf-8").replace(
            "template: talk/answer", '"template": "t\\e[2J\\u202e\\nmade up line"'
        ),
        encoding="utf-8",
    )
    project.file("good.json", "")
    one = report(project.path / "one.json")

    main(["compare", one, report(project.path / "two.json", model=f"other{HIDDEN}")])
    main(["coverage", one])
    main(["cassettes", "show", str(file)])
    main(["cassettes", "check", "--fix", str(file)])
    said = "".join(capsys.readouterr())

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u200b]", said), ascii(said)
    assert not [line for line in said.splitlines() if line.startswith("made up line")]
    assert said.count("\\x1b[2J\\u202e") >= 9


@pytest.mark.parametrize(
    "changed",
    [{"cost": "1e999999999"}, {"cost": "1e-999999999"}, {"input_tokens": 10**40}, {"seconds": 1e300}, {"seconds": -1}],
    ids=str,
)
def test_numbers_of_a_report_can_be_printed(changed: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ReportError):
        read(Path(report(tmp_path / "report.json", **changed)))


def test_a_run_prints_nothing_hidden(project) -> None:
    project.tests(
        r"""
        TREE = LinearTemplate([SystemTemplate("x"), AssistantTemplate(template_id="id\x1b[2J\u202e")])

        def test_passes(scripted_model):
            Runner(scripted_model("ok", name="m\x1b[2J\u202e\nmade up line"), template=TREE).run()

        def test_fails(scripted_model):
            model = scripted_model("ok \x1b[2J\u202e Grüße 👍", name="m\x1b[2J\u202e\nmade up line")
            Runner(model, template=LinearTemplate([TREE, AssistantTemplate()])).run()

        def test_models(scripted_model, llm_trace):
            Runner(scripted_model("ok", name="m\x1b[2J\u202e\nmade up line"), template=TREE).run()
            assert_models(llm_trace, {"id\x1b[2J\u202e": "other"})

        def test_unused(scripted_model):
            scripted_model("left \x1b[2J\u202e")
        """
    )

    result = project.run("--templates-summary", "--templates-coverage", "--tb=short")

    result.assert_outcomes(passed=2, failed=2, errors=1)
    output = str(result.stdout)
    assert not re.search("[\x1b\u202e]", output), ascii(output)
    assert not [line for line in output.splitlines() if line.startswith("made up line")], output
    assert "\\x1b[2J\\u202e" in output
    assert "Grüße 👍" in output


def test_errors_with_thousands_of_causes_are_shown_in_part(project) -> None:
    project.tests(
        """
        from antiphon.errors import AntiphonError

        def chained(make, count):
            error = None
            for number in range(count):
                outer = AntiphonError(f"number {number}")
                outer.__cause__ = error
                error = outer
            return error

        def test_causes():
            raise chained(AntiphonError, 10_000)

        def test_groups():
            inner = ValueError("innermost")
            for number in range(10_000):
                inner = ExceptionGroup(f"group {number}", [inner])
            raise AntiphonError("outermost") from inner

        def test_frames(scripted_model):
            def deeper(depth):
                if depth:
                    deeper(depth - 1)
                raise AntiphonError("from far below")

            import sys
            sys.setrecursionlimit(20_000)
            try:
                deeper(5_000)
            finally:
                sys.setrecursionlimit(1_000)
        """
    )

    result = project.run("--tb=short")

    result.assert_outcomes(failed=3)
    output = str(result.stdout)
    assert "INTERNALERROR" not in output
    assert "RecursionError" not in output
    project.says(result, "9,950 more errors that led to this one are not shown")
    assert "outermost" in output
