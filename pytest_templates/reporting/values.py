"""The kinds of values that reports consist of, with the ranges that a reader may rely on."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

_LEAST_EXPONENT: Final = -60


def _written_out(dollars: Decimal) -> Decimal:
    if dollars and dollars.adjusted() < _LEAST_EXPONENT:
        raise ValueError("a price is written out in tens of decimals at most")
    return dollars


Count: TypeAlias = Annotated[int, Field(ge=0, le=10**30)]  # as sums are; more fits neither a table nor a float
Place: TypeAlias = Annotated[int, Field(ge=0, le=10**9)]  # in a list
Rate: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds: TypeAlias = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Dollars: TypeAlias = Annotated[
    Decimal, Field(ge=0, le=10**30), AfterValidator(_written_out), PlainSerializer(lambda dollars: f"{dollars:f}", str)
]


class Value(BaseModel):
    """A part of a report; immutable. Fields that are not known here are left out: a newer version has written them."""

    model_config = ConfigDict(frozen=True)
