"""Names of files: made of any text, or refused where not every system could have them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_templates.support.files import refuse_unportable, safe_name

REFUSED = {
    "a\0b": "holds the character '\\x00'",
    "a\nb": "holds the character '\\n'",
    "a/b\x1b[2J/c": "holds the character '\\x1b'",
    "abc\u202egnp": "holds the character '\\u202e'",
    "a\u200bb": "holds the character '\\u200b'",
    "what?": "holds the character '?'",
    "a<b": "holds the character '<'",
    "a\\b": "holds the character '\\\\'",
    "c:/a": "holds the character ':'",
    "con": "is the name of a device on Windows",
    "folder/NUL": "is the name of a device on Windows",
    "aux.yaml": "is the name of a device on Windows",
    "aux.b/c": "is the name of a device on Windows",
    "com1 .txt": "is the name of a device on Windows",
    "com\u00b9": "is the name of a device on Windows",
    "CONIN$": "is the name of a device on Windows",
    "a.": "ends in a dot or a space",
    "a /b": "ends in a dot or a space",
    "..": "is no name of a file",
    "a//b": "is no name of a file",
    "/a": "is no name of a file",
    "...": "is no name of a file",
    "a" * 300: "is too long",
    "\U0001f600" * 60: "is too long",
}


@pytest.mark.parametrize(("path", "problem"), REFUSED.items())
def test_a_path_that_not_every_system_could_have_is_refused(path: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)) as caught:
        refuse_unportable(path)

    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "path", ["", "a", "desk/refund", "a b", ".hidden", "Ünïcode 中文 😀", "console", "com10", "a.b.yaml"]
)
def test_a_path_that_every_system_has_is_accepted(path: str) -> None:
    refuse_unportable(path)


@given(st.text() | st.sampled_from(list(REFUSED)))
def test_a_name_that_is_made_of_a_text_is_one_that_every_system_has(text: str) -> None:
    refuse_unportable(f"{safe_name(text)}.yaml")
