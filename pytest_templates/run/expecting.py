"""``expecting``: a block in which a verdict has to fall, which then fails nothing."""

from __future__ import annotations

from types import TracebackType
from typing import Generic, Self, TypeVar

import pytest

from antiphon.errors import InvalidConversation, InvalidType, InvalidValue
from pytest_templates.errors import TestingError
from pytest_templates.run.under_way import current_attempt

E = TypeVar("E", bound="TestingError | InvalidConversation")
_VERDICTS = (TestingError, InvalidConversation)


class expecting(Generic[E]):  # noqa: N801  # it is used as a function, as pytest.raises is
    """Expect a verdict in a block: ``with expecting(UnscriptedCall) as caught:``.

    A verdict fails its test also where the program swallows it. Here it may come up in any way, raised or swallowed,
    in a thread or a task, and fails nothing; one that is raised ends the block. Others fail the test as ever.

    Args:
        *kinds: The classes of the verdicts, such as ``UnscriptedCall``: those of ``pytest_templates.errors``, and
            ``InvalidConversation``. ``UnusedSteps`` comes at the end of a test: ``xfail(raises=UnusedSteps)``.

    Attributes:
        errors: What came up, in order; complete when the block has ended.

    Raises:
        InvalidType: One of them is no such class.
        InvalidValue: There is none, or outside of a test.
        pytest.fail.Exception: At the end of the block: none came up.
    """

    def __init__(self, *kinds: type[E]) -> None:
        for kind in kinds:
            given: object = kind
            if isinstance(given, tuple):
                raise InvalidType("expecting takes classes one by one: expecting(UnscriptedCall, BudgetExceeded)")
            if not (isinstance(given, type) and issubclass(given, _VERDICTS)):
                raise InvalidType(
                    f"expecting takes verdicts, the classes of pytest_templates.errors and InvalidConversation, "
                    f"not {given!r}; for what a program raises there is pytest.raises"
                )
        if not kinds:
            raise InvalidValue("expecting takes at least one class of errors, such as UnscriptedCall")
        self._kinds = kinds
        self.errors: list[E] = []

    @property
    def value(self) -> E:
        """The first one.

        Raises:
            InvalidValue: The block has not ended.
        """
        if not self.errors:
            raise InvalidValue("what a block expects is known when it has ended")
        return self.errors[0]

    def __enter__(self) -> Self:
        attempt = current_attempt()
        if attempt is None:
            raise InvalidValue("expecting stands in a test, or in a fixture of one")
        both = {id(one): one for one in (attempt.failures, attempt.whole.failures)}  # of a sample, and of its test
        self._failures = [(failures, len(failures)) for failures in both.values()]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        __tracebackhide__ = True
        found = [one for failures, begin in self._failures for one in failures.unsettled(begin)]
        self.errors = [one for one in found if isinstance(one, self._kinds)]
        if isinstance(error, self._kinds) and not any(one is error for one in self.errors):
            self.errors.append(error)
        for failures, _ in self._failures:
            for one in self.errors:
                failures.settle(one)
        if error is None and not self.errors:
            pytest.fail(f"{' or '.join(one.__name__ for one in self._kinds)} was expected, and none came up")
        return isinstance(error, self._kinds)
