"""The verdict on samples: the rate that was counted, and the interval around it."""

from __future__ import annotations

from fractions import Fraction

import pytest

from pytest_templates.samples.verdict import SamplesRow, interval, is_enough


@pytest.mark.parametrize(
    ("passed", "count", "low", "high"),
    [  # Newcombe, Two-sided confidence intervals for the single proportion (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_the_interval_is_wilsons(passed, count, low, high):
    found = interval(passed, count)

    assert tuple(round(bound, 4) for bound in found) == (low, high)


@pytest.mark.parametrize("count", range(1, 60))
def test_a_rate_that_is_met_exactly_is_enough(count):
    for passed in range(count + 1):
        row = SamplesRow(count=count, passed=passed, pass_rate=float(Fraction(passed, count)), failed=[])
        assert is_enough(row)
        assert passed == 0 or not is_enough({**row, "passed": passed - 1})
