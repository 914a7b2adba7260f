"""--templates-twice with recorded tests: what a cassette takes for the same is the same."""

from __future__ import annotations

import pytest

ASKS = """
@pytest.mark.llm_cassette({marker})
def test_it():
    say(f"Ticket {{uuid.uuid4()}}", Plain())
"""
BARE = """
import json
from urllib.request import Request, urlopen

@pytest.mark.llm_cassette
def test_it():
    body = {"messages": [{"role": "user", "content": ", ".join({*"abcdefghij"})}]}
    url = os.environ["CHAT_URL"] + "/chat/completions"
    urlopen(Request(url, json.dumps(body).encode(), {"content-type": "application/json"}))
"""


def test_what_was_just_recorded_is_replayed_and_found_before_it_breaks(project, chat_server, twice):
    text = "@pytest.mark.llm_cassette\ndef test_it():\n    say(', '.join({*'abcdefghij'}), Plain())\n"

    result = twice(text, "--templates-record=missing")  # in one process, a set has one order

    assert result.parseoutcomes() == {"passed": 1, "errors": 1}
    assert len(chat_server.asked) == 1
    project.says(
        result,
        "NotDeterministic: the prompt of talk/answer is not the same in a second run (- first, + second):",
        "the same words in another order, as a set does: sort them",
        'llm_cassette(ignore=["messages.0.content"])',
    )
    assert "CassetteMiss" not in str(result.stdout)


@pytest.mark.parametrize("marker", ["ignore=['messages.*.content']", "match_on=['method', 'uri']"])
def test_what_is_left_out_of_the_comparison_of_recordings_is_no_difference(project, chat_server, twice, marker):
    result = twice(ASKS.format(marker=marker), "--templates-record=missing")

    assert result.parseoutcomes() == {"passed": 1}
    project.says(result, "1 test run twice, 0 not deterministic")


@pytest.mark.parametrize("mode", ["missing", "changed", "all"])
def test_the_second_run_asks_no_model(chat_server, twice, mode):
    text = "@pytest.mark.llm_cassette\ndef test_it():\n    say('Hello.', Plain())\n"

    for _ in range(2):
        assert twice(text, f"--templates-record={mode}").parseoutcomes() == {"passed": 1}

    assert len(chat_server.asked) == (2 if mode == "all" else 1)


def test_what_a_program_asks_without_the_engine_is_compared_too(project, chat_server, twice):
    result = twice(BARE, "--templates-record=missing")

    assert result.parseoutcomes() == {"passed": 1, "errors": 1}
    project.says(result, "NotDeterministic: the prompt of code outside of templates is not the same", "another order")


def test_tests_that_share_a_cassette_are_replayed_after_all_have_recorded(chat_server, twice):
    test = "@pytest.mark.llm_cassette('shared')\ndef test_{0}():\n    say('{0}', Plain())\n\n"

    result = twice("".join(map(test.format, "abcd")), "--templates-record=missing", "-n2")

    assert result.parseoutcomes() == {"passed": 4}
    assert sorted(chat_server.asked) == [*"abcd"]
