"""What a project says of the state of its own types, by its hook ``pytest_templates_state``."""

from __future__ import annotations

from typing import Any

import pluggy

from pytest_templates.errors import HookError
from pytest_templates.isolation.state import Custom
from pytest_templates.run.attempt import Attempt
from pytest_templates.support.project_hooks import answer_of, implementations_of


def custom_states(attempt: Attempt) -> Custom | None:
    """What the project says about the state of its own types, in an attempt of a test; ``None`` where it says nothing.

    An implementation that fails, fails the attempt, and is asked no more: nothing is raised into the program.
    """
    hook = attempt.item.ihook.pytest_templates_state
    try:
        implementations = implementations_of(hook, HookError)
    except HookError as error:
        attempt.failures.append(error)
        return None
    return _States(implementations, attempt) if implementations else None


class _States:
    """Asks the implementations of the hook, the first answer but ``None`` counts.

    Args:
        implementations: These.
        attempt: The attempt that fails with them.
    """

    def __init__(self, implementations: list[pluggy.HookImpl], attempt: Attempt) -> None:
        self._implementations = implementations
        self._attempt = attempt

    def __call__(self, value: Any) -> Any:
        for one in [*self._implementations]:
            try:
                answer = answer_of(one, HookError, value=value)
            except HookError as error:
                self._implementations.remove(one)
                self._attempt.failures.append(error)
                continue
            if answer is not None:
                return answer
        return None
