"""Telling a project of the model calls of its tests, by a hook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from antiphon import ModelCall
    from pytest_templates.errors import HookError


def tell_of(call: ModelCall, item: pytest.Item) -> Iterator[HookError]:
    """Tell every implementation of a call; gives what was wrong with one, and goes on to the next."""
    hook = item.ihook.pytest_templates_model_call
    if not hook.get_hookimpls():
        return
    from pytest_templates.errors import HookError
    from pytest_templates.support.project_hooks import answer_of, implementations_of

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
