"""`cassettes adopt`: a test that was renamed or moved gets its recording, and a miss says which that is."""

from __future__ import annotations

import subprocess

import pytest

from pytest_templates.cassettes import orphans
from pytest_templates.cassettes.places import place_of, store_in

TESTS = """
import os

@pytest.mark.llm_cassette
def test_old(llm_snapshot):
    model = connect("openai:small", base_url=os.environ["CHAT_URL"], api_key="x")
    assert ask(model, "Hello.") == llm_snapshot

@pytest.mark.llm_cassette
@pytest.mark.parametrize("name", ["ada", "bob"])
def test_greets(name):
    ask(connect("openai:small", base_url=os.environ["CHAT_URL"], api_key="x"), name)
"""
TWO_QUESTIONS = """
import os

@pytest.mark.llm_cassette
def test_one():
    model = connect("openai:small", base_url=os.environ["CHAT_URL"], api_key="x")
    for text in ("Nobody asked this.", "Hello."):
        try:
            ask(model, text)
        except Exception:
            pass
"""
PROGRAM = """
from antiphon import *

def ask(model, text):
    return Runner(model, template=LinearTemplate([UserTemplate(text), AssistantTemplate()])).run()
"""


@pytest.fixture
def renamed(project, chat_server, monkeypatch):
    """A project with recordings and a snapshot, whose test module is written anew: ``renamed(text, name)``."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # syrupy sums nothing up in a worker
    project.file("asking.py", PROGRAM)
    head = "from asking import ask\n"
    project.tests(head + TESTS)
    project.run("--templates-record=missing", "--snapshot-update").assert_outcomes(passed=3)
    chat_server.asked.clear()

    def rewrite(text: str, name: str = "test_it.py"):
        project.path.joinpath("test_it.py").unlink()
        project.tests(head + text, name)
        return project

    yield rewrite
    assert chat_server.asked == []


def files(project) -> list[str]:
    found = [*project.path.rglob("*.yaml"), *project.path.rglob("*.chat")]
    return sorted(path.relative_to(project.path).as_posix() for path in found)


NEW = {
    "the test": (TESTS.replace("test_old", "test_new"), "test_it.py", "test_it/test_old", "test_it.py::test_new"),
    "the module": (TESTS, "test_moved.py", "test_it/test_old", "test_moved.py::test_old"),
    "a parameter": (TESTS.replace('"bob"]', 'pytest.param("bob", id="rob")]'), "test_it.py", "test_it/test_greets[bob]",
                    "test_it.py::test_greets[rob]"),
}  # fmt: skip


@pytest.mark.parametrize("workers", [(), ("-n1",)])
@pytest.mark.parametrize(("text", "module", "old", "new"), NEW.values(), ids=NEW)
def test_a_miss_names_the_cassette_and_the_command_moves_it(renamed, cassettes, text, module, old, new, workers):
    project = renamed(text, module)
    replay = project.run(*workers)
    quoted = f"'cassettes/{old}.yaml' '{new}'" if "[" in new else f"cassettes/{old}.yaml {new}"

    project.says(
        replay,
        f"cassettes/{old}.yaml holds this request, and no test of that name is there any more.",
        f"python -m pytest_templates cassettes adopt {quoted}",
    )
    outcome = cassettes("adopt", f"cassettes/{old}.yaml", new)

    assert (outcome.status, outcome.err) == (0, "")
    stem = f"{module.removesuffix('.py')}/{new.partition('::')[2]}"
    assert f"cassettes/{old}.yaml -> cassettes/{stem}.yaml\n" in outcome.out
    project.run(new).assert_outcomes(passed=1)


def test_all_are_found_by_what_their_tests_ask(renamed, cassettes):
    project = renamed(TESTS.replace("test_old", "test_new"), "sub/test_moved.py")
    before = files(project)

    listed = cassettes("adopt")
    there = files(project)
    moved = cassettes("adopt", "--yes")

    assert listed.out.endswith("3 cassettes of a test that was renamed or moved: --yes moves what is listed\n")
    assert (
        "cassettes/test_it/test_old.yaml -> cassettes/sub/test_moved/test_new.yaml  sub/test_moved.py::" in listed.out
    )
    assert there == before
    assert (moved.status, moved.err) == (0, "")
    assert files(project) == [
        "cassettes/sub/test_moved/test_greets[ada].yaml",
        "cassettes/sub/test_moved/test_greets[bob].yaml",
        "cassettes/sub/test_moved/test_new.yaml",
        "sub/__snapshots__/test_moved/test_new.chat",
    ]
    assert not (project.path / "cassettes/test_it").exists()
    project.run().assert_outcomes(passed=3)
    assert cassettes("adopt").out == "no test misses what a cassette without a test holds\n"


def test_recordings_of_another_model_are_not_overwritten_unasked(renamed, cassettes):
    project = renamed(TESTS.replace("test_old", "test_new"))
    folder = project.path / "cassettes"
    other = folder / "a=m_x-01234567/test_it"
    other.mkdir(parents=True)
    content = (folder / "test_it/test_greets[ada].yaml").read_bytes()
    for name in ("test_old", "test_new"):
        (other / f"{name}.yaml").write_bytes(content)
    before = files(project)

    outcome = cassettes("adopt", "--yes")

    assert "a=m_x-01234567/test_it/test_new.yaml holds 1 recording already: nothing is moved" in outcome.out
    assert files(project) == before
    (other / "test_new.yaml").unlink()
    moved = cassettes("adopt", "--yes").out
    assert moved.count("test_it/test_old.yaml -> cassettes/test_it/test_new.yaml") == 1
    assert moved.count("a=m_x-01234567/test_it/test_old.yaml -> ") == 1


def test_all_are_found_where_tests_are_distributed(renamed, cassettes):
    project = renamed(TESTS.replace("test_old", "test_new"))
    project.path.joinpath("pytest.ini").write_text("[pytest]\naddopts = -n 2 --dist loadfile\n")

    assert "holds 1 of 1 request that it asks" in cassettes("adopt").out


def test_a_snapshot_that_is_there_is_replaced_only_when_that_is_asked_for(renamed, cassettes):
    project = renamed(TESTS.replace("test_old", "test_new"))
    taken = project.path / "__snapshots__/test_it/test_new.chat"
    taken.write_text("mine")

    refused = cassettes("adopt", "test_it/test_old", "test_it.py::test_new")
    stays = taken.read_text()
    replaced = cassettes("adopt", "test_it/test_old", "test_it.py::test_new", "--yes")

    assert (refused.status, stays) == (2, "mine")
    assert "test_new.chat is there already: nothing is moved; --yes replaces it" in refused.err
    assert "test_new.chat (replaced)" in replaced.out
    assert taken.read_text() != "mine"


def test_snapshots_stay_where_the_cassette_has_a_name_of_its_own(renamed, cassettes):
    named = TESTS.replace("llm_cassette\ndef test_old", 'llm_cassette("shared")\ndef test_new')
    project = renamed(named)

    outcome = cassettes("adopt", "test_it/test_old", "test_it.py::test_new")

    assert outcome.status == 0
    assert "__snapshots__/test_it/test_old.chat" in files(project)
    assert ".chat" not in outcome.out


def test_one_question_in_common_is_no_proof(renamed, cassettes):
    project = renamed(TWO_QUESTIONS, "test_else.py")
    before = files(project)

    outcome = cassettes("adopt", "--yes")

    assert (
        "test_old.yaml holds 1 of 2 requests that it asks; to give it that: python -m pytest_templates" in outcome.out
    )
    assert files(project) == before


FAILS = """
@pytest.mark.llm_cassette
def test_new():
    import no_such_module
"""


def test_a_test_that_fails_before_it_asks_is_told(renamed, cassettes):
    project = renamed(FAILS)
    before = files(project)

    outcome = cassettes("adopt", "--yes")

    assert outcome.status == 0
    assert (
        "test_it.py::test_new: failed before it asked anything, so what it misses is not known: "
        "ModuleNotFoundError: No module named 'no_such_module'"
    ) in outcome.out
    assert "no test misses what a cassette without a test holds" in outcome.out
    assert files(project) == before


def test_a_test_that_misses_what_no_cassette_holds_has_not_failed_before_it_asked(renamed, cassettes):
    renamed(
        TESTS.replace("Hello.", "Other words.").replace('["ada", "bob"]', '["eve"]').replace("test_old", "test_new")
    )

    assert cassettes("adopt").out == "no test misses what a cassette without a test holds\n"


def test_files_that_git_knows_are_moved_in_git(renamed, cassettes):
    project = renamed(TESTS, "test_moved.py")

    def git(*words):
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *words]
        return subprocess.run(command, cwd=project.path, capture_output=True, text=True, check=True).stdout

    git("init", "-q")
    git("add", "cassettes", "__snapshots__")
    git("commit", "-qm", "before")

    cassettes("adopt", "--yes")

    changes = [line.split("\t") for line in git("diff", "--cached", "-M", "--name-status").splitlines()]
    assert [kind for kind, *_ in changes] == ["R100"] * 4
    assert changes[0][2] == "__snapshots__/test_moved/test_old.chat"


def test_a_cassette_that_holds_something_is_not_overwritten(renamed, cassettes, record):
    project = renamed(TESTS.replace("test_old", "test_new"))
    other = record("test_it/test_new", "Another question.")
    content = other.read_bytes()

    refused = cassettes("adopt", "test_it.py::test_old", "test_it.py::test_new")
    stays = other.read_bytes()
    replaced = cassettes("adopt", "test_it.py::test_old", "test_it.py::test_new", "--yes")

    assert refused.status == 2
    assert "test_new.yaml holds 1 recording already: nothing is moved; --yes replaces it" in refused.err
    assert stays == content
    assert replaced.status == 0
    project.run("-k", "test_new").assert_outcomes(passed=1, deselected=2)


def test_a_cassette_that_has_a_test_and_a_test_that_is_none_are_refused(renamed, cassettes):
    project = renamed(TESTS.replace("test_old", "test_new"))
    before = files(project)

    owned = cassettes("adopt", "test_it/test_greets[ada]", "test_it.py::test_new")
    unknown = cassettes("adopt", "test_it/test_old", "test_it.py::test_knew")

    assert owned.status == unknown.status == 2
    assert "is the cassette of test_it.py::test_greets[ada]" in owned.err
    assert "no test that is marked llm_cassette is called test_it.py::test_knew" in unknown.err
    assert files(project) == before


STAY = {
    "a test that was not asked for": ("", "test_it.py::test_new"),
    "a marker elsewhere": (
        '@pytest.mark.llm_cassette("test_it/test_old")\ndef test_other():\n    pass\n',
        "test_it.py",
    ),
}


@pytest.mark.parametrize(("elsewhere", "asked"), STAY.values(), ids=STAY)
def test_a_cassette_that_another_test_may_have_is_not_offered(renamed, elsewhere, asked):
    both = TESTS if not elsewhere else TESTS.replace("test_old", "test_new")
    copy = TESTS.partition("@pytest.mark.parametrize")[0].replace("test_old", "test_new")
    copy = copy.rpartition("@pytest.mark.llm_cassette")[0]
    project = renamed(both if elsewhere else both + copy)
    if elsewhere:
        project.tests(elsewhere, "test_elsewhere.py")

    replay = project.run(asked, "-k", "test_new")

    project.says(replay, "No recording for POST")
    assert "no test of that name is there any more" not in str(replay.stdout)


def test_of_a_module_that_was_not_collected_the_source_is_asked(renamed):
    project = renamed(TESTS.replace("test_old", "test_new"))
    project.tests("from asking import ask\n" + TESTS.replace("test_old", "test_elsewhere"), "test_elsewhere.py")

    replay = project.run("test_elsewhere.py", "-k", "test_elsewhere")

    project.says(replay, "cassettes/test_it/test_old.yaml holds this request, and no test of that name")


def test_what_a_run_has_collected_is_read_once_however_many_cassettes_there_are(request, tmp_path):
    class Owners(dict):
        read = 0

        def __iter__(self):
            Owners.read += 1
            return super().__iter__()

    place = place_of(tmp_path / "test_it.py", request.config)
    owners = Owners({f"test_it/test_{number}.yaml": [f"test_it.py::test_{number}"] for number in range(20)})
    row = {"place": place.as_data(), "owners": owners, "tests": [], "modules": ["test_it"], "left_out": False}
    found = {"places": [row], "left_out": False, "whole": True, "tests": 20, "errors": []}
    collected = orphans._Collected(found, request.config)
    folder = store_in(place, request.config).folder

    assert not any(collected.has_no_test(name, folder) for name in list(owners.keys()))
    assert Owners.read <= 2


def test_a_test_whose_answer_waits_for_the_next_recording_has_asked(renamed, cassettes, chat_server):
    project = renamed(TESTS.replace("test_old", "test_new").replace('"Hello.") ==', '"Other words.") == 1 +'))
    result = project.run("--templates-record=missing", "-k", "test_new")
    result.assert_outcomes(failed=1, deselected=2)
    chat_server.asked.clear()

    assert cassettes("adopt").out == "no test misses what a cassette without a test holds\n"
