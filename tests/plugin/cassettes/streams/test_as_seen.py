from __future__ import annotations

from typing import Any

import pytest

TESTS = """
import os
import httpx2

def words(count):
    heard = []
    with httpx2.Client() as client, client.stream("POST", os.environ["SPEAKER_URL"], json={}) as answer:
        for line in answer.iter_lines():
            if line:
                heard.append(line.removeprefix("data: "))
            if len(heard) == count:
                break
    return heard

@pytest.mark.llm_cassette("one")
def test_stream():
    assert words(int(os.environ["COUNT"])) == ["one"]
"""


def test_a_test_that_reads_further_than_its_recording_fails_and_says_why(
    project: Any, speaker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker.script = [b"data: one\n\n", "wait"]
    monkeypatch.setenv("SPEAKER_URL", speaker.url)
    monkeypatch.setenv("COUNT", "1")
    project.tests(TESTS)
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)
    monkeypatch.setenv("COUNT", "2")
    result = project.run()
    result.assert_outcomes(failed=1)
    project.says(
        result,
        "The recording ends early for POST http://127.0.0.1:",
        "left-early: the answer was not read to its end when it was recorded, and is read further now",
        "pytest test_it.py::test_stream --templates-record=all",
    )
    assert speaker.asked == 1
