"""`cassettes check`: damage and secrets, each with its line and what to do."""

from __future__ import annotations

from threading import Event, Thread
from time import sleep

import pytest

from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.storage.store import Store, load_cassette

SECRET = "correct-horse-battery"


@pytest.fixture
def dirty(desk, record, cassettes):
    """A project of which one cassette holds what no cassette should."""
    path = record("dirty", "Hello.", f"My key is {SECRET}.")
    text = path.read_text().replace(
        "      content-type: application/json\n", "      x-trace: abc\n      content-type: application/json\n", 1
    )
    path.write_text(text)
    cassettes("check", "--fix", "--folder", "cassettes", path)
    return desk


def test_clean_cassettes_pass(desk, cassettes):
    outcome = cassettes("check")

    assert (outcome.status, outcome.out, outcome.err) == (0, "3 files checked, 0 problems found\n", "")


def test_secrets_and_headers_are_named_with_their_lines_and_never_shown(dirty, cassettes, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    lines = (dirty.path / "cassettes/dirty.yaml").read_text().splitlines()
    header = next(number for number, line in enumerate(lines, 1) if "x-trace" in line)
    secret = next(number for number, line in enumerate(lines, 1) if SECRET in line)

    outcome = cassettes("check", "--folder", "cassettes")

    assert outcome.status == 1
    assert f"cassettes/dirty.yaml:{header}: the request's header x-trace is not kept" in outcome.out
    assert f"cassettes/dirty.yaml:{secret}: " in outcome.out
    assert "the environment variable SOME_API_KEY (interaction 2, request body)" in outcome.out
    assert outcome.out.endswith("4 files checked, 2 problems found\n")
    assert "cassettes scrub" in outcome.out
    assert SECRET not in outcome.out + outcome.err


def test_damage_is_named_with_its_line(desk, cassettes):
    path = desk.copy("damaged/cut-off.yaml", "cassettes/both.yaml")
    last = len(path.read_text().splitlines())

    outcome = cassettes("check", "--folder", "cassettes")

    assert outcome.status == 1
    assert f"cassettes/both.yaml:{last}: the cassette is cut off" in outcome.out
    assert outcome.out.endswith("3 files checked, 1 problem found\n")


@pytest.mark.parametrize("name", ["vcrpy", "vcrpy-in-json", "vcrpy-empty", "no-mapping"])
def test_files_of_other_programs_are_no_problem(desk, cassettes, name):
    desk.copy(f"damaged/{name}.yaml", "cassettes/other.yaml")
    desk.file("cassettes/compose.yaml", 'version: "3"\nservices: {}\n')
    desk.file("cassettes/README", "Recorded in May.\n")
    desk.file("cassettes/.gitkeep", "")

    outcome = cassettes("check", "--folder", "cassettes")

    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == "3 files checked, 0 problems found; left alone: 2 files of other programs\n"
    assert cassettes("check", "cassettes/other.yaml").status == 0
    assert "3 cassettes" in cassettes("list").out


@pytest.mark.parametrize("kept", [5, 12, 25, 30, 200])
def test_a_cassette_that_was_cut_off_anywhere_is_a_problem(desk, cassettes, kept):
    path = desk.path / "cassettes/both.yaml"
    path.write_text(path.read_text()[:kept])

    assert cassettes("check", "cassettes/both.yaml").status == 1


def test_every_kind_of_damage_is_named(cassettes, fixtures_dir):
    of_others = {"vcrpy", "vcrpy-empty", "vcrpy-in-json", "vcrpy-without-headers", "no-mapping"}
    found = sorted((fixtures_dir / "damaged").glob("*.error"))
    errors = [error for error in found if error.stem not in of_others]

    outcome = cassettes("check", "--folder", fixtures_dir / "damaged")

    assert outcome.status == 1
    assert [
        error.stem for error in errors if f"{error.stem}.yaml:{error.read_text('utf-8').rstrip()}" not in outcome.out
    ] == []
    assert outcome.out.endswith(
        f"{len(errors)} files checked, {len(errors)} problems found; left alone: 5 files of other programs\n"
    )


def test_files_can_be_given_as_a_hook_does(desk, cassettes):
    desk.copy("damaged/empty.yaml", "cassettes/bad.yaml")

    assert cassettes("check", "cassettes/both.yaml").out == "1 file checked, 0 problems found\n"
    outcome = cassettes("check", "cassettes/both.yaml", "cassettes/bad.yaml")
    assert outcome.status == 1
    assert outcome.out.startswith("cassettes/bad.yaml:1: the cassette is empty")


def test_a_file_that_does_not_exist_is_an_error(desk, cassettes):
    outcome = cassettes("check", "cassettes/gone.yaml")

    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == "error: cassettes/gone.yaml: there is no such file\n"


def test_answers_that_wait_are_named_with_their_test_and_are_no_problem(waiting, cassettes):
    waiting("test_it.py::test_one")
    waiting("test_it.py::test_two", answers=2)

    outcome = cassettes("check", "--folder", "cassettes")

    assert (outcome.status, outcome.err) == (0, "")
    *lines, total = outcome.out.splitlines()
    assert sorted(lines) == [
        "1 answer of test_it.py::test_one waits for the next recording",
        "2 answers of test_it.py::test_two wait for the next recording",
    ]
    assert total == "3 files checked, 0 problems found"


def test_a_journal_that_the_next_recording_cannot_read_is_a_problem(waiting, cassettes):
    journal = waiting("test_it.py::test_one", answers=2)
    heading, _, second = journal.read_text().splitlines(keepends=True)
    journal.write_text(heading + "damage\n" + second)

    outcome = cassettes("check", "--folder", "cassettes")

    assert outcome.status == 1
    assert outcome.out.startswith(f"cassettes/.journal/{journal.name}:2: this journal")
    assert outcome.out.endswith("3 files checked, 1 problem found\n")


def test_files_that_a_killed_run_left_are_found(desk, cassettes):
    desk.file("cassettes/.journal/abc.jsonl", "half")
    desk.file("cassettes/.journal/lock", "")

    outcome = cassettes("check", "--folder", "cassettes")

    assert outcome.status == 1
    assert "cassettes/.journal/abc.jsonl: was left by a run" in outcome.out
    assert outcome.out.endswith("3 files checked, 1 problem found\n")


@pytest.fixture
def edited(record):
    """A cassette in which a word of an answer was changed by hand."""
    path = record("edited", "Hello.", answer="I am fine.")
    text = path.read_text()
    response = text.rindex("content-type: application/json\n")
    length = "content-length: '147'\n      "
    path.write_text(text[:response] + length + text[response:].replace("I am fine.", "I am very well."))
    return path


def test_a_word_that_was_edited_by_hand_is_a_problem_with_its_line(desk, edited, cassettes):
    before = edited.read_text()
    line = before[: before.rindex("- template")].count("\n") + 1

    outcome = cassettes("check", "--folder", "cassettes")

    assert outcome.status == 1
    assert f"cassettes/edited.yaml:{line}: the cassette has an interaction with the checksum " in outcome.out
    assert "python -m pytest_templates cassettes check --fix" in outcome.out
    assert edited.read_text() == before


def test_fix_accepts_an_edit_and_shows_the_prompt_with_the_answer(desk, edited, cassettes):
    fixed = cassettes("check", "--fix", "--folder", "cassettes", edited)
    checked = cassettes("check", "--folder", "cassettes")
    scrubbed = cassettes("scrub", "--folder", "cassettes")

    assert fixed.status == 0
    [accepted] = [line for line in fixed.out.splitlines() if "accepted" in line]
    assert accepted.startswith("cassettes/edited.yaml:")
    assert accepted.endswith(": accepted as it stands: user: Hello. => I am very well.")
    assert (checked.status, checked.out) == (0, "4 files checked, 0 problems found\n")
    assert scrubbed.out == "nothing to change\n"


def test_fix_accepts_an_edit_of_what_was_said_in_pieces(desk, cassettes):
    said = ["It", "is", "a", "very", "fine", "day"]
    deltas = [f'data: {{"choices": [{{"delta": {{"content": "{word} "}}}}]}}\n\n' for word in said]
    request = RecordedRequest("POST", "https://host/v1", (), b"")
    response = RecordedResponse(200, "", (("content-type", "text/event-stream"),), "".join(deltas).encode())
    path = desk.file("cassettes/edited.yaml", to_text([Interaction(None, None, request, response)]))
    path.write_text(path.read_text().replace("a very fine day", "a day"))

    assert "the sizes of 'data/choices/0/delta/content' add up" in cassettes("check", path).out
    fixed = cassettes("check", "--fix", "--folder", "cassettes", path)
    assert fixed.out.splitlines()[0].endswith("=> It is a day")
    assert cassettes("check", path).status == 0


def test_fix_without_a_file_is_refused(desk, edited, cassettes, capsys):
    before = edited.read_bytes()

    with pytest.raises(SystemExit) as refusal:
        cassettes("check", "--fix", "--folder", "cassettes")

    assert refusal.value.code == 2
    assert "--fix accepts what stands in the files that it is given: check --fix FILE" in capsys.readouterr().err
    assert edited.read_bytes() == before


@pytest.mark.parametrize("name", ["edited", "deep/edited"])
def test_fix_loses_nothing_that_is_recorded_meanwhile(desk, edited, cassettes, name):
    """A recording holds the lock of the store, and adds a call before it lets go."""
    store, held = Store(desk.path / "cassettes"), Event()
    path = edited.rename(desk.file(f"cassettes/{name}.yaml", edited.read_text()))
    fine = RecordedResponse(200, "", (), b"fine")
    added = to_text([Interaction(None, None, RecordedRequest("GET", "https://host/new", (), b""), fine)])
    item = added[added.index("- template") : added.index("end: true")]

    def record() -> None:
        with store.lock():
            content = path.read_bytes()
            held.set()
            sleep(0.3)
            store.replace(path, [content.replace(b"end: true", f"{item}end: true".encode())])

    recording = Thread(target=record)
    recording.start()
    held.wait()
    outcome = cassettes("check", "--fix", "--folder", "cassettes", path)
    recording.join()

    assert outcome.status == 0
    assert load_cassette(path)[-1].request.uri == "https://host/new"


def test_fix_of_a_file_that_does_not_exist_is_an_error(desk, cassettes):
    for name in "cassettes/gone.yaml", "memory://bucket/tapes/gone.yaml":
        outcome = cassettes("check", "--fix", "--folder", "cassettes", name)

        assert (outcome.status, outcome.out, outcome.err) == (2, "", f"error: {name}: there is no such file\n")


def test_fix_changes_no_sound_file(desk, cassettes):
    files = {path: path.read_bytes() for path in (desk.path / "cassettes").rglob("*.yaml")}

    assert cassettes("check", "--fix", "--folder", "cassettes", *files).out == "3 files checked, 0 problems found\n"

    assert {path: path.read_bytes() for path in files} == files


@pytest.mark.parametrize("damage", ["end-missing", "cut-off", "merge-conflict", "version-3"])
def test_fix_of_what_is_damaged_is_refused(desk, cassettes, damage):
    path = desk.copy(f"damaged/{damage}.yaml", "cassettes/both.yaml")
    before = path.read_bytes()

    outcome = cassettes("check", "--fix", "--folder", "cassettes", path)

    assert outcome.status == 1
    assert "cassettes/both.yaml:" in outcome.out
    assert "accepted" not in outcome.out
    assert path.read_bytes() == before


def test_fix_shows_no_secret(dirty, cassettes, monkeypatch):
    path = dirty.path / "cassettes/dirty.yaml"
    path.write_text(path.read_text().replace(f"My key is {SECRET}.", f"The key is {SECRET}."))
    monkeypatch.setenv("SOME_API_KEY", SECRET)

    outcome = cassettes("check", "--fix", "--folder", "cassettes", path)

    assert "accepted as it stands" in outcome.out
    assert SECRET not in outcome.out + outcome.err


HELD = [
    "See https://host/a.png?sv=1&sig=UGFyaXNJc1RoZUNhcGl0YWw%3D and say what it shows.",
    'Log in with {"user": "ada", "clientSecret": "p4VwB8mQz"}.',
    "DB_PASSWORD=p4VwB8mQz",
    "postgres://ada:p4VwB8mQz@db/shop",
    "curl -H 'x-portkey-api-key: p4VwB8mQz' https://host",
    "Authorization: Bearer p4VwB8mQzT2cL9xK",
    "glpat-p4VwB8mQzT2cL9xK1aYz",
]


def test_what_shows_by_its_name_or_its_shape_is_found_and_scrubbed(desk, record, cassettes):
    path = record("held", *HELD)

    outcome = cassettes("check", "cassettes/held.yaml")

    assert outcome.status == 1
    assert outcome.out.endswith(f"1 file checked, {len(HELD)} problems found\n")
    assert "p4VwB8mQz" not in outcome.out
    assert cassettes("scrub", "--folder", "cassettes", "--yes").status == 0
    assert "p4VwB8mQz" not in path.read_text()
    assert "UGFyaXN" not in path.read_text()
    assert cassettes("check", "cassettes/held.yaml").status == 0
