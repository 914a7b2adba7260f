"""How much a run has to render, as command lines say it."""

from __future__ import annotations

import argparse


def percentage(given: str) -> float:
    """The percentage that a text holds, from 0 to 100.

    Raises:
        argparse.ArgumentTypeError: It holds none.
    """
    try:
        percent = float(given)
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise argparse.ArgumentTypeError(f"{given}: it takes a percentage, from 0 to 100")
    return percent
