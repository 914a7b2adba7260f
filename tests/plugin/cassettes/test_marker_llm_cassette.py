"""llm_cassette, the marker: a test whose calls of real models are replayed or recorded."""

from __future__ import annotations

import pytest


@pytest.fixture
def recorded(project, chat_server):
    """A project with one test whose call of a real model is recorded."""
    project.tests(
        """
@pytest.mark.llm_cassette
def test_it():
    assert ask(real()).last.content == "Answer 1."
"""
    )
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    assert chat_server.asked == ["Hello."]
    return project


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_a_recorded_call_is_replayed_without_the_model(recorded, chat_server, workers):
    result = recorded.run(*workers)

    result.assert_outcomes(passed=1)
    assert chat_server.asked == ["Hello."]
    result.stdout.fnmatch_lines(["templates: 1 call of 1 model, 13 tokens, *, 1 replayed"])


def test_a_cassette_lies_in_a_folder_of_the_module_and_is_named_after_the_test(project, chat_server):
    project.tests(
        """
@pytest.mark.llm_cassette
class TestDesk:
    @pytest.mark.parametrize("name", ["small", "large"])
    def test_method(self, name):
        ask(real(name))
""",
        "tests/desk/test_answers.py",
    )

    project.run("--templates-record=missing").assert_outcomes(passed=2)

    folder = project.path / "cassettes/tests/desk/test_answers"
    names = sorted(file.name for file in folder.iterdir())
    assert len(names) == 2
    assert all("TestDesk.test_method[" in name for name in names)
    assert all("template: talk/answer" in file.read_text() for file in folder.iterdir())


def test_a_call_without_a_recording_fails_with_the_template_and_the_command_that_records_it(recorded, chat_server):
    (recorded.path / "cassettes/test_it/test_it.yaml").unlink()

    result = recorded.run()

    result.assert_outcomes(failed=1)
    assert len(chat_server.asked) == 1
    recorded.says(
        result,
        "CassetteMiss: No recording for POST http://127.0.0.1:",
        "asked by  talk/answer (model openai:m)",
        "no-cassette: the file does not exist",
        "pytest test_it.py::test_it --templates-record=missing",
    )


def test_a_call_without_a_recording_fails_the_test_also_where_the_program_swallows_it(project, chat_server):
    project.tests("@pytest.mark.llm_cassette\ndef test_it():\n    swallow(ask, real())\n")

    result = project.run()

    result.assert_outcomes(failed=1)
    assert chat_server.asked == []
    project.says(result, "CassetteMiss: No recording for POST", "asked by  talk/answer")


def test_a_changed_prompt_shows_the_difference_to_the_nearest_recording(recorded):
    program = recorded.path / "program.py"
    program.write_text(program.read_text().replace("Hello.", "Good evening."))

    result = recorded.run()

    result.assert_outcomes(failed=1)
    recorded.says(result, "no-match: no recording equals this request", "- [Hello].", "+ [Good evening].")


def test_a_named_cassette_is_shared_by_tests(project, chat_server):
    project.tests(
        """
@pytest.mark.llm_cassette("shared")
@pytest.mark.parametrize("name", ["small", "large"])
def test_it(name, llm_cassette):
    ask(real(name))
    assert llm_cassette.path.name == "shared.yaml"
"""
    )

    project.run("--templates-record=missing").assert_outcomes(passed=2)

    assert [file.name for file in (project.path / "cassettes").iterdir()] == ["shared.yaml"]
    project.run().assert_outcomes(passed=2)
    assert len(chat_server.asked) == 2


def test_a_named_cassette_keeps_what_every_test_recorded_when_all_is_recorded_anew(project, chat_server):
    project.tests(
        """
@pytest.mark.llm_cassette("shared")
@pytest.mark.parametrize("name", ["small", "large"])
def test_it(name):
    ask(real(name))
"""
    )
    project.run("--templates-record=all").assert_outcomes(passed=2)

    project.run().assert_outcomes(passed=2)


def test_paths_of_the_body_can_be_left_out_of_the_comparison(recorded, project):
    project.tests(
        """
@pytest.mark.llm_cassette(ignore=["model"])
def test_it():
    assert ask(real("another")).last.content == "Answer 1."
"""
    )

    assert project.outcomes() == {"passed": 1}


def test_another_matcher_can_be_asked_for(recorded, project):
    project.tests(
        """
@pytest.mark.llm_cassette(match_on=["method", "uri"])
def test_it():
    assert ask(real("another")).last.content == "Answer 1."
"""
    )

    assert project.outcomes() == {"passed": 1}


@pytest.mark.parametrize(
    ("marker", "complaint"),
    [
        ("5", "name is the path of a file below the folder of the cassettes, without .yaml, not 5"),
        ("'../other'", "name is the path of a file"),
        ("''", "name is the path of a file"),
        ("'shared.yaml'", "name is the path of a file below the folder of the cassettes, without .yaml"),
        ("'shared.yml'", "name is the path of a file below the folder of the cassettes, without .yaml"),
        ("mode='all'", "got an unexpected keyword argument 'mode'"),
        ("'a', 'b'", "too many positional arguments|takes from 0 to 1 positional arguments"),
        ("match_on='body'", "match_on is a list of texts, not 'body'"),
        ("ignore=[5]", r"ignore is a list of texts, not \[5\]"),
        ("ignore=None", "ignore is a list of texts, not None"),
        ("match_on=['bodie']", "match_on= cannot be 'bodie'; the valid names are method, uri, .*, body, raw_body"),
        ("match_on=[]", "match_on= cannot be nothing; the valid names are method"),
        (
            "ignore=['messages[*].id']",
            r"ignore= cannot be 'messages\[\*\].id': .* such as 'metadata.id' or 'messages.\*.id'",
        ),
    ],
)
def test_a_marker_with_other_arguments_is_refused_when_tests_are_collected(project, marker, complaint):
    project.tests(f"@pytest.mark.llm_cassette({marker})\ndef test_it():\n    pass\n")

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.re_match_lines([rf".*test_it.py::test_it: marker llm_cassette: .*({complaint})"])
    project.says(result, "it takes llm_cassette(name=None, *, match_on=None, ignore=(), ignore_hosts=())")


def test_a_marked_test_that_is_skipped_does_not_look_at_its_cassette(project):
    project.tests("@pytest.mark.skip(reason='not here')\n@pytest.mark.llm_cassette\ndef test_it():\n    pass\n")
    project.copy("damaged/no-mapping.yaml", "cassettes/test_it/test_it.yaml")

    assert project.outcomes() == {"skipped": 1}


def test_a_damaged_cassette_fails_its_test_once_and_names_the_file(project):
    project.tests("@pytest.mark.llm_cassette\ndef test_it():\n    pass\n\ndef test_other():\n    pass\n")
    project.copy("damaged/no-mapping.yaml", "cassettes/test_it/test_it.yaml")

    result = project.run()

    assert result.parseoutcomes() == {"passed": 1, "errors": 1}
    project.says(result, "CassetteError", "test_it.yaml:1: the cassette is no cassette")


def test_calls_of_bare_clients_are_replayed_and_counted(project, chat_server):
    project.tests(
        """
import os
from openai import OpenAI

@pytest.mark.llm_cassette
def test_it():
    with OpenAI(base_url=os.environ["CHAT_URL"], api_key="x", max_retries=0) as client:
        said = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello."}])
    assert said.choices[0].message.content == "Answer 1."
"""
    )
    project.run("--templates-record=missing").assert_outcomes(passed=1)

    result = project.run()

    result.assert_outcomes(passed=1)
    assert len(chat_server.asked) == 1
    result.stdout.fnmatch_lines(["templates: 1 replayed"])


RECORDERS = {
    "marker": ("@pytest.mark.vcr\n", "", "the marker vcr of pytest-recording or pytest-vcr"),
    "marker with arguments": ('@pytest.mark.vcr("a.yaml")\n', "", "the marker vcr of pytest-recording or pytest-vcr"),
    "fixture": ("", "vcr", "the fixture vcr of pytest-recording or pytest-vcr"),
    "used fixture": ('@pytest.mark.usefixtures("vcr")\n', "", "the fixture vcr of pytest-recording or pytest-vcr"),
    "cassette": ("", "vcr_cassette", "the fixture vcr_cassette of pytest-vcr"),
    "betamax": ("", "client", "the fixture betamax_session of betamax"),
}
OTHER_RECORDERS = """
import pytest

@pytest.fixture(autouse=True)
def vcr():
    pass

@pytest.fixture
def vcr_cassette():
    pass

@pytest.fixture
def betamax_session():
    pass

@pytest.fixture
def client(betamax_session):
    pass

def pytest_configure(config):
    config.addinivalue_line("markers", "vcr: of another plugin")
"""


def test_two_recorders_on_one_test_are_told_when_it_is_collected(project):
    project.file("conftest.py", OTHER_RECORDERS)
    for number, (marker, fixture, _) in enumerate(RECORDERS.values()):
        text = f"@pytest.mark.llm_cassette\n{marker}def test_it({fixture}): pass\n"
        project.tests(text, f"test_{number}.py")
    project.tests("@pytest.mark.llm_cassette\ndef test_ours(): pass\n@pytest.mark.vcr\ndef test_theirs(): pass\n")

    result = project.run("--continue-on-collection-errors")

    result.assert_outcomes(passed=2, errors=len(RECORDERS))
    for number, (_, _, name) in enumerate(RECORDERS.values()):
        project.says(
            result,
            f"test_{number}.py::test_it: two recorders, llm_cassette and {name}: remove one of them",
            f"cassettes import OLD_FILE --test test_{number}.py::test_it",
        )


def test_a_marker_that_is_added_after_collection_is_told_when_the_test_starts(project):
    project.file(
        "conftest.py",
        """
        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker("vcr")
        """,
    )
    project.tests("@pytest.mark.llm_cassette\ndef test_it(): pass\n")

    result = project.run("-Wignore")

    result.assert_outcomes(errors=1)
    project.says(result, "two recorders, llm_cassette and the marker vcr")


LOOSE = """
def ask_with(heat, question="Hello.", name="m"):
    import json
    from urllib.request import Request, urlopen

    body = {{"model": name, "messages": [{{"role": "user", "content": question}}], "temperature": heat}}
    address = "{url}/chat/completions?at=" + str(heat)
    return urlopen(Request(address, json.dumps(body).encode(), {{"content-type": "application/json"}})).read()

@pytest.mark.llm_cassette(match_on=["method", "uri", "model", "messages"], ignore=["query.at"])
def test_it():
    ask_with({heat}, {question!r})
"""


def test_a_test_may_compare_the_conversation_instead_of_the_body(project, chat_server):
    def tests(heat, question="Hello."):
        project.tests(LOOSE.format(url=chat_server.url, heat=heat, question=question))

    tests(heat=0)
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    tests(heat=1)
    project.run().assert_outcomes(passed=1)
    tests(heat=1, question="Bye.")
    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, "it differs in messages (- recorded, + asked now):", "- [Hello].", "+ [Bye].")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ('match_on=["method", "body", "messages"]', "match_on= cannot be 'body' and 'messages' at once"),
        ('match_on=["mesages"]', "match_on= cannot be 'mesages'; the valid names are method,"),
        ('ignore=["query.X-*"]', "ignore= cannot be 'query.X-*': it takes query.NAME"),
    ],
)
def test_what_nothing_can_be_matched_by_is_told_when_the_test_is_collected(project, arguments, why):
    project.tests(f"@pytest.mark.llm_cassette({arguments})\ndef test_it(): pass\n")

    result = project.run()

    result.assert_outcomes(errors=1)
    project.says(result, why)
