"""`cassettes show`: what was asked and answered."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.recorded import Truncation
from pytest_templates.cassettes.storage.store import load_cassette
from pytest_templates.support.files import safe_name

GREETS_ADA = """\
cassettes/test_it/test_greets[ada].yaml: 2 interactions, 20 tokens in, 6 out

1. talk/answer  openai:small
   POST http://chat.test/v1/chat/completions: status 200, 10 tokens in, 3 out
   user: I am ada.
   => answer: Yes.

2. talk/answer  openai:small
   POST http://chat.test/v1/chat/completions: status 200, 10 tokens in, 3 out
   user: Bye.
   => answer: Yes.
"""


@pytest.mark.parametrize(
    "name",
    [
        "test_it/test_greets[ada].yaml",
        "test_it/test_greets[ada]",
        "test_it.py::test_greets[ada]",
        "greets[ADA]",
    ],
)
def test_a_cassette_is_found_by_path_by_test_and_by_a_part_of_its_name(desk, cassettes, name):
    outcome = cassettes("show", "--folder", "cassettes", name)

    assert (outcome.status, outcome.out, outcome.err) == (0, GREETS_ADA, "")


@pytest.mark.parametrize(
    ("part", "cassette"),
    [
        ("[Paris?]", "test_where[Paris?]"),
        ("test_where[Paris?]", "test_where[Paris?]"),
        ("[a/b]", "test_where[a/b]"),
        ("test_trip.py::test_where[Paris?]", "test_where[Paris?]"),
        ("tests/test_trip.py::test_where[a/b]", "test_where[a/b]"),
        ("test_trip.py::test_who", "test_who"),  # which is the beginning of another one
        ("TestHome::test_who", "TestHome.test_who"),
        ("test_trip.py::TestHome::test_wh", "TestHome.test_who"),
    ],
)
def test_a_cassette_is_found_by_a_part_of_its_test_s_node_id(desk, cassettes, record, part, cassette):
    for name in ("test_where[Paris?]", "test_where[a/b]", "test_who", "test_whole", "TestHome.test_who"):
        record(f"tests/test_trip/{safe_name(name)}", "Hello.")

    outcome = cassettes("show", "--folder", "cassettes", part)

    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith(f"cassettes/tests/test_trip/{safe_name(cassette)}.yaml: ")


def test_a_file_is_shown_without_its_name_for_git_shows_copies(desk, cassettes, tmp_path):
    copy = tmp_path / "blob"
    copy.write_bytes((desk.path / "cassettes/test_it/test_greets[ada].yaml").read_bytes())

    outcome = cassettes("show", copy)

    assert (outcome.status, outcome.out) == (0, GREETS_ADA.partition(".yaml: ")[2])


def test_ids_of_providers_are_numbered(desk, cassettes, record):
    path = record("tools", "Hello.")
    [one] = load_cassette(path)
    asked = [
        {
            "role": "assistant",
            "tool_calls": [{"id": "call_9f", "function": {"name": "f", "arguments": '{"id": "kept"}'}}],
        },
        {"role": "tool", "tool_call_id": "call_9f", "content": "found"},
    ]
    body = json.dumps({"model": "small", "messages": asked}).encode()
    path.write_text(to_text([replace(one, request=replace(one.request, body=body))]))

    out = cassettes("show", "--full", path).out

    assert out.count('"#1"') == 2
    assert "call_9f" not in out
    assert "kept" in out


def test_a_part_of_several_names_lists_them(desk, cassettes):
    outcome = cassettes("show", "greets")

    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == (
        "error: 'greets' is a part of 2 names; give one of them:\n"
        "  test_it/test_greets[ada]\n  test_it/test_greets[bob]\n"
    )


def test_a_whole_name_is_no_part_of_another(desk, cassettes, record):
    record("both_of_them", "Hello.")

    assert cassettes("show", "--folder", "cassettes", "both").status == 0


def test_an_unknown_name_is_refused_with_close_ones(desk, cassettes):
    outcome = cassettes("show", "--folder", "cassettes", "boht")

    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == "error: no cassette in cassettes is called 'boht': did you mean both?\n"
    assert "`cassettes list` shows what there is" in cassettes("show", "--folder", "cassettes", "xyzzy").err


def test_long_texts_are_cut_unless_all_is_wanted(desk, cassettes, record):
    record("long", "\n".join(f"line {number}" for number in range(20)), answer="x" * 1000)

    cut = cassettes("show", "--folder", "cassettes", "long").out
    full = cassettes("show", "--folder", "cassettes", "long", "--full").out

    assert "     line 5\n     … 14 lines more: --full\n" in cut
    assert max(map(len, cut.splitlines())) < 200
    assert "     line 19\n" in full
    assert "x" * 1000 in full


def test_a_model_cannot_steer_the_terminal(desk, cassettes, record):
    record("evil", "Hello.", answer="\x1b[2Jgone\x07")

    outcome = cassettes("show", "--folder", "cassettes", "evil")

    assert "\\x1b[2Jgone\\x07" in outcome.out
    assert "\x1b" not in outcome.out


def test_a_damaged_file_is_one_clear_error(desk, cassettes):
    desk.copy("damaged/tab.yaml", "cassettes/both.yaml")

    outcome = cassettes("show", "cassettes/both.yaml")

    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("error: cassettes/both.yaml:4: the cassette is not readable as YAML")
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("where", [".", "inner"])
def test_a_test_file_shows_the_cassettes_of_its_tests(desk, cassettes, record, monkeypatch, where):
    record("test_it/test_gone", "Hello.")  # no test in it
    desk.file("inner/test_other.py", "import pytest\n@pytest.mark.llm_cassette\ndef test_it():\n    pass\n")
    record("inner/test_other/test_it", "Hello.")
    monkeypatch.chdir(desk.path / where)

    shown = cassettes("show", "../test_it.py" if where == "inner" else "test_it.py")
    full = cassettes("show", "--full", desk.path / "inner/test_other.py")

    assert (shown.status, shown.err) == (0, "")
    titles = [line for line in shown.out.splitlines() if ".yaml: " in line]
    names = ["both", "test_it/test_greets[ada]", "test_it/test_greets[bob]"]
    assert [title.partition("cassettes/")[2].partition(".yaml")[0] for title in titles] == names
    assert full.out.count(".yaml: 1 interaction") == 1


def test_a_test_file_without_cassettes_says_so(desk, cassettes):
    desk.file("test_none.py", "def test_it():\n    pass\n")
    desk.file("test_broken.py", "import nothing_of_this_name\n")

    none, broken = cassettes("show", "test_none.py"), cassettes("show", "test_broken.py")

    assert (none.status, none.out) == (2, "")
    assert none.err == "error: test_none.py: no test in it has a cassette yet\n"
    assert broken.err.startswith("error: test_broken.py: ModuleNotFoundError: ")


@pytest.mark.parametrize("content", ["# Notes\n", "interactions: []\nversion: 1\n", '{"a": 1}'])
def test_another_file_is_said_to_be_no_cassette(desk, cassettes, content):
    desk.file("notes.yaml", content)

    outcome = cassettes("show", "notes.yaml")

    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("error: notes.yaml: this file is no cassette")


def test_a_stream_that_broke_off_is_told(desk, cassettes, record):
    path = record("broken", "Hello.")
    [interaction] = load_cassette(path)
    cut = replace(interaction.response, cut=Truncation(0.5, "ReadError"))
    path.write_text(to_text([replace(interaction, response=cut)]))

    assert "3 out, broken off by ReadError\n" in cassettes("show", "--folder", "cassettes", "broken").out
