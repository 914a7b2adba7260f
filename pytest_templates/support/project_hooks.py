"""Calls the implementations of a project's hook one by one, so that an error names the file or plugin of its own.

Pluggy itself calls none of these hooks: it would not say which implementation failed, or returned a wrong value.
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import TYPE_CHECKING, Any

import pluggy
import pytest

if TYPE_CHECKING:
    from antiphon import ModelCall
    from pytest_templates.errors import HookError, TestingError


def implementations_of(hook: pluggy.HookCaller, error: type[TestingError]) -> list[pluggy.HookImpl]:
    """The implementations, in the order in which pluggy calls them.

    Args:
        hook: The hook.
        error: The type of the error for one that cannot be called.

    Raises:
        TestingError: One is a wrapper, async or a generator: its code would not run.
    """
    found = list(reversed(hook.get_hookimpls()))
    for one in found:
        if one.wrapper or one.hookwrapper:
            raise error(f"{one.plugin_name}: {hook.name} cannot be a wrapper: write it as a plain function")
        if iscoroutinefunction(one.function) or isasyncgenfunction(one.function) or isgeneratorfunction(one.function):
            kind = "a generator" if isgeneratorfunction(one.function) else "async"
            raise error(
                f"{one.plugin_name}: {hook.name} cannot be {kind}, it would not run: write it as a plain function"
            )
    return found


def answer_of(implementation: pluggy.HookImpl, error: type[TestingError], **given: object) -> Any:
    """What an implementation returns.

    Raises:
        TestingError: It failed; an error of the given type, whose text names the implementation.
    """
    try:
        return implementation.function(*(given[name] for name in implementation.argnames))
    except Exception as raised:
        text = f"{named(implementation)} failed with {type(raised).__name__}: {raised}"
        raise error(text).with_traceback(raised.__traceback__) from raised


def nonsense(implementation: pluggy.HookImpl, expected: str, problem: str) -> str:
    """The text of the error about an implementation that returned a wrong value."""
    return f"{named(implementation)} is to return {expected}; of what it returned, {problem}"


def kind_of(answer: object) -> str:
    """The problem with an answer of a wrong type, in words."""
    return f"the type is {type(answer).__name__}"


def named(implementation: pluggy.HookImpl) -> str:
    """The file or plugin of an implementation, and the name of its hook."""
    return f"{implementation.plugin_name}: the hook {implementation.function.__name__}"


def announce(call: ModelCall, item: pytest.Item) -> Iterator[HookError]:
    """Call every implementation of ``pytest_templates_model_call``; yields the errors of those that failed."""
    hook = item.ihook.pytest_templates_model_call
    if not hook.get_hookimpls():
        return
    from pytest_templates.errors import HookError

    try:
        implementations = implementations_of(hook, HookError)
    except HookError as error:
        yield error
        return
    for one in implementations:
        try:
            answer_of(one, HookError, call=call, item=item)
        except HookError as error:
            yield error
