"""`cassettes import`: a cassette of vcrpy's becomes one of ours."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import vcr
import yaml

from pytest_templates.cassettes.storage.store import load_cassette

SECRET = "correct-horse-battery"
ASKED = {"model": "small", "messages": [{"role": "user", "content": "Hello."}]}


@pytest.fixture
def recorded(project, chat_server) -> Path:
    """A cassette that vcrpy recorded."""
    path = project.path / "old/test_it.yaml"
    headers = {"content-type": "application/json", "authorization": f"Bearer {SECRET}"}
    with vcr.use_cassette(str(path)):
        urlopen(Request(f"{chat_server.url}/chat/completions?key=abc", json.dumps(ASKED).encode(), headers)).read()
    return path


def test_a_recording_of_vcrpy_plays_as_one_of_ours(project, cassettes, recorded):
    url = load_url(recorded)
    project.tests(f"""
        import json
        from urllib.request import Request, urlopen

        @pytest.mark.llm_cassette
        def test_it(llm_cassette):
            request = Request({url!r}, {json.dumps(ASKED).encode()!r}, {{"content-type": "application/json"}})
            assert json.load(urlopen(request))["choices"][0]["message"]["content"] == "Answer 1."
            assert llm_cassette.unused == 0
    """)

    outcome = cassettes("import", "old/test_it.yaml", "--test", "test_it.py::test_it")

    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == "1 interaction of old/test_it.yaml written to cassettes/test_it/test_it.yaml\n"
    assert SECRET not in (project.path / "cassettes/test_it/test_it.yaml").read_text()
    assert cassettes("check").status == 0
    project.run().assert_outcomes(passed=1)


def load_url(path: Path) -> str:
    return yaml.safe_load(path.read_text())["interactions"][0]["request"]["uri"]


def test_values_of_the_environment_are_replaced(project, cassettes, recorded, monkeypatch):
    recorded.write_text(recorded.read_text().replace("Answer 1.", SECRET))
    monkeypatch.setenv("SOME_API_KEY", SECRET)

    cassettes("import", recorded, "-o", "new.yaml")

    [interaction] = load_cassette(project.path / "new.yaml")
    assert b"REDACTED" in interaction.response.body
    assert interaction.request.uri.endswith("?key=REDACTED")
    assert interaction.request.headers == (("content-type", "application/json"),)


def test_the_keys_that_requests_were_sent_with_are_replaced_everywhere(project, cassettes, recorded):
    recorded.write_text(recorded.read_text().replace("Answer 1.", f"Your key is {SECRET}."))

    assert cassettes("import", recorded, "-o", "new.yaml").status == 0

    assert SECRET not in (project.path / "new.yaml").read_text()


def test_the_formats_of_several_years_are_read(project, cassettes, of_vcrpy):
    assert cassettes("import", of_vcrpy, "-o", "new.yaml").status == 0

    [interaction] = load_cassette(project.path / "new.yaml")
    answer = {"choices": [{"message": {"role": "assistant", "content": "Yes."}}]}
    assert json.loads(interaction.response.body) == answer
    assert interaction.response.headers == (("content-type", "application/json"),)
    assert json.loads(interaction.request.body) == ASKED
    assert "=> answer: Yes." in cassettes("show", "new.yaml").out


def test_a_cassette_that_exists_is_replaced_only_when_that_is_wanted(project, cassettes, recorded):
    existing = project.file("new.yaml", "mine")

    outcome = cassettes("import", recorded, "-o", "new.yaml")

    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == "error: new.yaml exists: --yes replaces it\n"
    assert existing.read_text() == "mine"
    assert cassettes("import", recorded, "-o", "new.yaml", "--yes").status == 0
    assert load_cassette(existing)


REFUSED = {
    "not there": (None, "cannot be read: No such file or directory"),
    "no yaml": ("interactions: [", "the file is no YAML"),
    "python objects": ("interactions: !!python/object:os.x {}", "the file is no YAML"),
    "something else": ("- a list", "it has no list of interactions"),
    "one of ours": ("version: 1\ninteractions: []\nend:\n  interactions: 0\n", "is no cassette of vcrpy's"),
    "no address": ("interactions:\n- request: {method: GET}\n  response: {status: 200}\n", "interaction 1 lacks 'uri'"),
    "a broken one": ("interactions:\n- request: {method: GET, uri: x}\n", "interaction 1 lacks 'response'"),
}


@pytest.mark.parametrize(("text", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_cassette_of_vcrpy_is_refused(project, cassettes, text, why):
    if text is not None:
        project.file("old.yaml", text)

    outcome = cassettes("import", "old.yaml", "-o", "new.yaml")

    assert (outcome.status, outcome.out) == (2, "")
    assert len(outcome.err.splitlines()) == 1
    assert why in outcome.err
    assert not (project.path / "new.yaml").exists()


@pytest.mark.parametrize("words", [[], ["--test", "x", "-o", "y"]], ids=["no target", "two targets"])
def test_one_target_is_needed(cassettes, words):
    with pytest.raises(SystemExit) as end:
        cassettes("import", "old.yaml", *words)

    assert end.value.code == 2


def test_a_test_is_named_by_its_node_id(project, cassettes, recorded):
    outcome = cassettes("import", recorded, "--folder", "cassettes", "--test", "test_it")

    assert outcome.status == 2
    assert "'test_it' is no node id of a test" in outcome.err


LACKING = {
    "test_it.py::test_greet[ada]": "no test will play it: none that is marked llm_cassette is called "
    "test_it.py::test_greet[ada]; did you mean test_it.py::test_greets[ada] or test_it.py::test_greets[bob]?",
    "other.py::TestX::test_unheard_of": "no test will play it: none that is marked llm_cassette is called "
    "other.py::TestX::test_unheard_of",
    "test_it.py::test_one": "test_it.py::test_one will not play it: its marker names another cassette, both.yaml",
}


@pytest.mark.parametrize("node_id", LACKING)
def test_a_test_that_will_not_play_the_cassette_is_told(desk, cassettes, recorded, node_id):
    outcome = cassettes("import", recorded, "--test", node_id)

    assert (outcome.status, outcome.err) == (0, f"warning: {LACKING[node_id]}\n")


def test_whether_a_test_will_play_it_is_not_known_where_its_module_is_broken(project, cassettes, recorded):
    project.file("test_it.py", "import nothing_like_that")

    outcome = cassettes("import", recorded, "--test", "test_it.py::test_it")

    assert outcome.status == 0
    assert "not known, as not every test could be collected" in outcome.err
