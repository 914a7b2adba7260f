"""What is printed hides nothing, and ordinary text of any language stays as it is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.printing import visible

SHOWN = {
    "\x1b[31mred\x1b[0m": "\\x1b[31mred\\x1b[0m",
    "a\rb\nc\td\0e\x07f\x7fg\x9bh": "a\\rb\\nc\\td\\x00e\\x07f\\x7fg\\x9bh",
    "abc\u202egpj.exe\u2066x\u200f": "abc\\u202egpj.exe\\u2066x\\u200f",
    "a\u200bb\u2060c\ufeffd\xade\u200df": "a\\u200bb\\u2060c\\ufeffd\\xade\\u200df",
    "a\u2028b\u2029c\x85d": "a\\u2028b\\u2029c\\x85d",
    "tags \U000e0041\U000e0042": "tags \\U000e0041\\U000e0042",
    "selectors a\ufe00b\U000e0100": "selectors a\\ufe00b\\U000e0100",
    "half \ud83d": "half \\ud83d",
    "\u3164": "\\u3164",
}


@pytest.mark.parametrize(("text", "shown"), SHOWN.items())
def test_what_hides_or_steers_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


ORDINARY = [
    "plain, with \\ and 'quotes'",
    "Grüße, naïve, Žluťoučký, Việt, e\u0301",
    "中文 日本語 한국어 ไทย हिन्दी",
    "\u05e2\u05d1\u05e8\u05d9\u05ea \u0627\u0644\u0639\u0631\u0628\u064a\u0629",  # Hebrew, Arabic
    "\u0645\u06cc\u200c\u062e\u0648\u0627 \u0915\u094d\u200d\u0937",  # with joiners: Persian, Hindi
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f\u200d\U0001f308",  # a family, a flag
    "1\ufe0f\u20e3 \u2764\ufe0f",
    "no\u00a0break, wide\u3000space, thin\u2009space",
    "«quotes» - dashes \u2014 \u2026 \u23ce · \u2713",
    "private \ue0b0, replaced \ufffd",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays(text: str) -> None:
    assert visible(text) == text


def test_line_breaks_stay_where_lines_are_printed() -> None:
    assert visible("a\r\nb\n\tc\rd", keep="\n\t") == "a\nb\n\tc\\rd"


@given(st.text())
def test_no_text_steers_a_terminal(text: str) -> None:
    shown = visible(text)

    assert not any(unicodedata.category(char) in {"Cc", "Zl", "Zp", "Cs"} for char in shown)
    assert not any(
        unicodedata.bidirectional(char) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI"} for char in shown
    )
    assert visible(shown) == shown
