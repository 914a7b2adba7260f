"""What a recorded call has cost."""

from __future__ import annotations

from decimal import Decimal

from pytest_templates.run.calls import UNBILLED


def price_of(model: str, input_tokens: int, output_tokens: int) -> Decimal | None:
    """US dollars, at today's prices; ``None`` where they are not known.

    Args:
        model: The name of the model, as the engine or the request says it.
        input_tokens: How many tokens it read.
        output_tokens: How many tokens it wrote.
    """
    provider, _, name = model.rpartition(":")
    if provider in UNBILLED:
        return Decimal(0)
    try:
        from genai_prices import Usage, calc_price
    except ImportError:  # it comes with the extras that reach real models
        return None
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    try:
        return calc_price(usage, name, provider_id=provider.partition("-")[0] or None).total_price
    except LookupError:
        return None
