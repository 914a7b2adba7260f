"""How failures are shown: pruned tracebacks, and errors that a program swallowed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType

from pytest_templates.support.environment import is_users


def failure_text(errors: Sequence[Exception]) -> str:
    """The text that fails a test: every error in order, each with its place in the user's program."""
    return "\n\n".join(_text(error) for error in errors)


def not_shown_by(error: BaseException, errors: Iterable[Exception]) -> list[Exception]:
    """The errors that another one does not show by itself, by what it was raised from, or by what it groups."""
    shown = {id(one) for one in _chain(error)}
    return [one for one in errors if id(one) not in shown]


def prune(error: BaseException) -> None:
    """Leave the frames of the user's program alone in an error and in those that it was raised from."""
    for one in _chain(error):
        one.__traceback__ = pruned(one.__traceback__)


def _chain(error: BaseException) -> list[BaseException]:
    """An error, and all that it was raised from, that was under way, or that it groups."""
    found: dict[int, BaseException] = {}
    behind: list[BaseException | None] = [error]
    while behind:
        one = behind.pop()
        if one is not None and id(one) not in found:
            found[id(one)] = one
            behind += [one.__cause__ or one.__context__, *getattr(one, "exceptions", ())]
    return [*found.values()]


def pruned(traceback: TracebackType | None) -> TracebackType | None:
    """A traceback with the frames of the user's program alone: none of a library's, and none of ours."""
    if traceback is None:
        return None
    rest = pruned(traceback.tb_next)
    if not _is_the_users(traceback):
        return rest
    return TracebackType(rest, traceback.tb_frame, traceback.tb_lasti, traceback.tb_lineno)


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}{_place(pruned(error.__traceback__))}"


def _place(traceback: TracebackType | None) -> str:
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    return f"\n  seen at {code.co_filename}:{traceback.tb_lineno}, in {code.co_name}"


def _is_the_users(traceback: TracebackType) -> bool:
    frame = traceback.tb_frame
    return is_users(str(frame.f_globals.get("__name__", "")), frame.f_code.co_filename)
