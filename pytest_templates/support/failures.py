"""How failures are shown: with pruned tracebacks, and with the errors that a program swallowed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Final

from pytest_templates.support.environment import is_users


def failure_text(errors: Sequence[Exception]) -> str:
    """The text of a failure: every error in order, each with its place in the user's program."""
    return "\n\n".join(_text(error) for error in errors)


def error_text(error: BaseException) -> str:
    """The class of an error with its text; the class alone where its text cannot be had."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  # a report of what was does not fail
        return f"{type(error).__name__}, whose text cannot be had"


def is_left_early(error: BaseException) -> bool:
    """Whether it is no error: the program has heard enough of a stream, and closes it."""
    return isinstance(error, GeneratorExit)


def not_shown_by(error: BaseException, errors: Iterable[Exception]) -> list[Exception]:
    """The errors that the traceback of another one does not show: not as itself, as a cause, or in a group."""
    shown = {id(one) for one in chain_of(error)}
    return [one for one in errors if id(one) not in shown]


def prune(error: BaseException) -> None:
    """Reduce the tracebacks of an error, its causes and its groups to the frames of the user's program.

    Of more causes than anybody reads the last ones are left out: pytest takes minutes to show thousands of them, and
    cannot show groups that are nested as deeply.
    """
    found = chain_of(error)
    for one in found:
        one.__traceback__ = pruned(one.__traceback__)
    if len(found) > _MOST_SHOWN:
        _shorten(error, len(found))


_MOST_SHOWN: Final = 50  # errors of one chain


def _shorten(error: BaseException, total: int) -> None:
    last, shown = error, 1
    while (cause := last.__cause__ or last.__context__) is not None:
        if shown == _MOST_SHOWN or len(in_groups(cause)) > _MOST_SHOWN:
            break
        last, shown = cause, shown + 1
    last.__cause__ = last.__context__ = None
    last.add_note(f"{total - shown:,} more errors that led to this one are not shown")


def in_groups(error: BaseException) -> list[BaseException]:
    """An error and what it groups, at any depth."""
    found, waiting = [], [error]
    while waiting:
        found.append(waiting.pop())
        waiting += getattr(found[-1], "exceptions", ())
    return found


def chain_of(error: BaseException) -> list[BaseException]:
    """An error with its causes, contexts and grouped errors, and theirs in turn."""
    found: dict[int, BaseException] = {}
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in found:
            found[id(one)] = one
            waiting += [one.__cause__ or one.__context__, *getattr(one, "exceptions", ())]
    return [*found.values()]


def pruned(traceback: TracebackType | None) -> TracebackType | None:
    """A traceback with only the frames of the user's program: without those of libraries, and without ours."""
    frames: list[TracebackType] = []
    while traceback is not None:
        if _is_user_frame(traceback):
            frames.append(traceback)
        traceback = traceback.tb_next
    kept: TracebackType | None = None
    for one in reversed(frames):
        kept = TracebackType(kept, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return kept


def _text(error: Exception) -> str:
    notes = "".join(f"\n  {note}" for note in getattr(error, "__notes__", ()))
    return f"{error_text(error)}{notes}{_place(pruned(error.__traceback__))}"


def _place(traceback: TracebackType | None) -> str:
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    return f"\n  seen at {code.co_filename}:{traceback.tb_lineno}, in {code.co_name}"


def _is_user_frame(traceback: TracebackType) -> bool:
    frame = traceback.tb_frame
    return is_users(str(frame.f_globals.get("__name__", "")), frame.f_code.co_filename)
