"""Tables of the terminal: numbers below numbers, and cells folded where the terminal is narrow."""

from __future__ import annotations

from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_templates.support.text import columns_of, listed, table, terminal_width

HEADS = ("template", "model", "calls", "tokens in", "tokens out", "cost", "answers from")
ROWS = [
    (
        "support/conversation/turns/answer",
        "openai:gpt-4o-mini-2024-07-18",
        "1,200",
        "10",
        "200",
        "$0.0500",
        "cassette, recorded",
    ),
    ("日本語のテンプレート/答え", "small", "3", "4", "5", "$0.1000", "script"),
]


def lines_in(width: int | None) -> list[str]:
    return table(HEADS, ROWS, numbers={*HEADS[2:6]}, width=width).splitlines()


def test_numbers_end_below_each_other_whatever_stands_before_them():
    ends = [
        columns_of(line[: line.index(cost) + len(cost)])
        for line, cost in zip(lines_in(None)[1:], ("500", "1000"), strict=True)
    ]

    assert len({*ends}) == 1
    assert lines_in(None) == lines_in(200)


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_cells_are_folded_and_nothing_of_them_is_lost(width):
    lines = lines_in(width)

    assert max(map(columns_of, lines)) <= width
    said = "".join("".join(lines).split())
    assert sorted(said) == sorted("".join("".join([*HEADS, *ROWS[0], *ROWS[1]]).split()))
    assert next(line for line in lines if "1,200" in line).count("$0.0500") == 1


def test_a_terminal_narrower_than_any_table_gets_it_as_narrow_as_it_can_be():
    assert max(map(columns_of, lines_in(10))) == max(map(columns_of, lines_in(30)))


@settings(max_examples=40, deadline=None)
@given(parts=st.lists(st.text(alphabet="ab 日", min_size=1, max_size=9), max_size=6), width=st.integers(3, 30))
def test_a_list_is_broken_between_its_parts_and_only_where_it_has_to_be(parts, width):
    lines = listed(parts, width)

    held = [line.removesuffix(",").split(", ") for line in lines]
    assert [part for line in held for part in line] == parts
    assert listed(parts) == [", ".join(parts)][: len(parts)]
    assert all(columns_of(line) <= width or len(inside) == 1 for line, inside in zip(lines, held, strict=True))
    for line, (first, *_) in zip(lines, held[1:], strict=False):
        assert columns_of(f"{line} {first},") > width


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_tables_of_commands_are_as_wide_as_the_terminal_and_those_in_files_as_they_need(monkeypatch):
    monkeypatch.setenv("COLUMNS", "72")

    monkeypatch.setattr("sys.stdout", Terminal())
    assert terminal_width() == 72
    monkeypatch.setattr("sys.stdout", StringIO())
    assert terminal_width() is None
