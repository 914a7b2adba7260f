"""What is known of a run when it is over, as values for the hooks of a project."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class ReportedCall:
    """One call of a model.

    Attributes:
        template_id: As with ``ModelCall``.
        template_path: As with ``ModelCall``.
        model: The name of the model that was asked.
        served_by: The name that the provider reported, where it did.
        chosen_by: Whose choice the model was, as with ``ModelCall``.
        input_tokens: Tokens sent, as far as the provider said.
        output_tokens: Tokens received, as far as the provider said.
        cost: US dollars; ``None`` where the price is not known.
        source: Where the answer came from: ``"script"``, ``"cassette"``, ``"recorded"`` just now, or the ``"model"``.
        error: What the call raised, in words; ``None`` when it did not.
    """

    template_id: str
    template_path: str | None
    model: str
    served_by: str | None
    chosen_by: str
    input_tokens: int
    output_tokens: int
    cost: Decimal | None
    source: str
    error: str | None


@dataclass(frozen=True, slots=True)
class ReportedTest:
    """One test; one that was run again is there once for every attempt.

    Attributes:
        nodeid: Its name, as pytest writes it.
        outcome: ``"failed"`` if one of its phases failed, else ``"skipped"`` or ``"passed"``; to pytest, a failure
            that was expected is skipped.
        calls: The model calls in it, in order.
        subroutines: How many subroutines were checked.
    """

    nodeid: str
    outcome: str
    calls: tuple[ReportedCall, ...]
    subroutines: int


@dataclass(frozen=True, slots=True)
class Report:
    """A run of pytest, in however many processes.

    Attributes:
        tests: The tests that were run or skipped, also those without a model, in the order in which they began.
    """

    tests: tuple[ReportedTest, ...]

    @property
    def calls(self) -> tuple[ReportedCall, ...]:
        """The model calls of all tests."""
        return tuple(call for test in self.tests for call in test.calls)

    @property
    def cost(self) -> Decimal:
        """US dollars, of the calls whose price is known."""
        return sum((call.cost for call in self.calls if call.cost is not None), Decimal(0))
