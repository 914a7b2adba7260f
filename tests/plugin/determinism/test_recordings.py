"""--templates-twice with recorded tests: what a cassette takes for the same is the same."""

from __future__ import annotations

SETS = """
import json
from urllib.request import Request, urlopen

pytestmark = pytest.mark.llm_cassette

def test_template():
    say(', '.join({*'abcdefghij'}), Plain())

def test_bare():
    body = {"messages": [{"role": "user", "content": ", ".join({*"abcdefghij"})}]}
    url = os.environ["CHAT_URL"] + "/chat/completions"
    urlopen(Request(url, json.dumps(body).encode(), {"content-type": "application/json"}))
"""
LEFT_OUT = """
@pytest.mark.llm_cassette(ignore=['messages.*.content'])
def test_ignored():
    say(f"Ticket {uuid.uuid4()}", Plain())

@pytest.mark.llm_cassette(match_on=['method', 'uri'])
def test_not_matched_on():
    say(f"Ticket {uuid.uuid4()}", Plain())
"""


def test_what_was_just_recorded_is_replayed_and_found_before_it_breaks(project, chat_server, twice):
    result = twice(SETS, "--templates-record=missing")  # in one process, a set has one order

    assert result.parseoutcomes() == {"passed": 2, "errors": 2}
    assert len(chat_server.asked) == 2
    project.says(
        result,
        "ERROR at teardown of test_template",
        "NotDeterministic: the prompt of talk/answer is not the same in a second run (- first, + second):",
        "the same words in another order, as a set does: sort them",
        'llm_cassette(ignore=["messages.0.content"])',
        "ERROR at teardown of test_bare",
        "NotDeterministic: the prompt of code outside of templates is not the same",
        "another order",
    )
    assert "CassetteMiss" not in str(result.stdout)


def test_what_is_left_out_of_the_comparison_of_recordings_is_no_difference(project, chat_server, twice):
    result = twice(LEFT_OUT, "--templates-record=missing")

    assert result.parseoutcomes() == {"passed": 2}
    project.says(result, "2 tests run twice, 0 not deterministic")


def test_the_second_run_asks_no_model(chat_server, twice):
    text = "@pytest.mark.llm_cassette\ndef test_it():\n    say('Hello.', Plain())\n"

    for mode, asked in {"missing": 1, "changed": 1, "all": 2}.items():
        assert twice(text, f"--templates-record={mode}").parseoutcomes() == {"passed": 1}
        assert len(chat_server.asked) == asked


def test_tests_that_share_a_cassette_are_replayed_after_all_have_recorded(chat_server, twice):
    test = "@pytest.mark.llm_cassette('shared')\ndef test_{0}():\n    say('{0}', Plain())\n\n"

    result = twice("".join(map(test.format, "abcd")), "--templates-record=missing", "-n2")

    assert result.parseoutcomes() == {"passed": 4}
    assert sorted(chat_server.asked) == [*"abcd"]
