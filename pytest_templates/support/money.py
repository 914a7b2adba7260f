"""Sums of money in US dollars: how they are read, and the one format in which they are printed."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation


def money(dollars: Decimal) -> str:
    """US dollars with four decimals, or with as many as the first two digits need: prices of calls are small."""
    return f"${dollars:.{max(4, 1 - dollars.adjusted()) if dollars else 4}f}"


def dollars(given: object) -> Decimal:
    """A sum of money: a number, or a text such as ``0.50``.

    Raises:
        ValueError: It is no number, or below 0.
    """
    try:
        sum_of_money = Decimal("NaN" if isinstance(given, bool) else str(given))
    except InvalidOperation:
        sum_of_money = Decimal("NaN")
    if not sum_of_money.is_finite() or sum_of_money < 0:
        raise ValueError("US dollars, 0 or more, such as 0.50")
    return sum_of_money
