from __future__ import annotations

import pytest

from pytest_templates.support import json_text

REFUSED = {
    "deep lists": ("[" * 100_000, "nested too deeply|Expecting value"),
    "deep objects": ('{"a":' * 50_000 + "1" + "}" * 50_000, "nested too deeply"),
    "NaN": ("[NaN]", "NaN is no number that can be counted with"),
    "Infinity": ("[-Infinity]", "-Infinity is no number"),
    "a large number": ("[1e400]", "1e400 is no number"),
    "a number of 5,000 digits": (f"[{'9' * 5000}]", "a number of 5,000 digits is no number that can be counted with"),
    "a name twice": ('{"a": 1, "b": 2, "a": 3}', "the name 'a' stands twice in one object"),
    "no JSON": ("{", "Expecting property name"),
    "no UTF-8": (b'"\xff"', "can't decode"),
}


@pytest.mark.parametrize(("text", "problem"), REFUSED.values(), ids=REFUSED)
def test_json_of_which_something_would_be_lost_is_refused(text: str | bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        json_text.load(text)

    assert len(str(caught.value)) < 200


def test_json_is_read() -> None:
    assert json_text.load(b'{"a": [1, 2.5, "x", null, true], "b": 1' + b"0" * 300 + b"}") == {
        "a": [1, 2.5, "x", None, True],
        "b": 10**300,
    }
