"""``assert_path``: which templates a conversation went through, compared with what is expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from antiphon import ModelCall, Session, Trace
from antiphon.errors import InvalidType, shown
from antiphon.trace import path_pattern
from pytest_templates.support.targets import OF_THE_TEST, which_template, without_iterations
from pytest_templates.support.text import visible
from pytest_templates.trajectories.alignment import DIFFERENT, FITS, aligned, shown_pairs


def assert_path(used: Trace | Session, expected: Sequence[str]) -> None:
    """Make sure that a conversation went through these templates, in this order, and through no others.

    A conversation goes through a template when that asks a model, or one within it does: that is what the trace tells,
    in the order in which the calls ended. Templates that only say a text of their own are no places of the path, nor
    are calls from outside of templates, or of judges
    and simulated users.

    Args:
        used: A trace, or the session that has one.
        expected: Templates, each by its id, its path or a glob of that, where ``*`` stays within a segment and ``**``
            crosses ``/``. A path may begin at any template, and leave out iterations: ``research/*`` means
            ``desk/research@2/look_up``, too. Each stands for one or more places in a row: for the calls of the template
            it means, and of all within that.

    Raises:
        AssertionError: It took another path; the text is a table of what was expected and gone through.
        InvalidType: That is no trace, or something expected is no text.

    Example:
        ``assert_path(session, ["triage", "research/*", "answer"])``
    """
    __tracebackhide__ = True
    if not isinstance(used, Session | Trace):
        raise InvalidType(f"assert_path takes a Trace or a Session, not {shown(used)}")
    if not isinstance(expected, list | tuple):
        raise InvalidType(f"assert_path takes a list of ids, paths and globs of paths, not {shown(expected)}")
    for target in expected:
        if not isinstance(target, str):
            raise InvalidType(f"a template is named by its id or a glob of its path, not by {shown(target)}")
    comparison = _Comparison(expected, used.trace if isinstance(used, Session) else used)
    if not comparison.holds:
        raise AssertionError(f"the conversation took another path\n{comparison}")


def _places(calls: Sequence[ModelCall]) -> list[tuple[str, str]]:
    """The paths and ids of the templates that asked models, in order; equal ones in a row are one place."""
    asked = (
        (call.template_path, call.template_id)
        for call in calls
        if call.template_path is not None and call.template_id not in OF_THE_TEST
    )
    return [place for place, _ in groupby(asked)]


def _names(path: str, template_id: str) -> set[str]:
    """What a place may be called: the path of its template, or of one around it, from the root or from within."""
    names = {template_id}
    for written in {path, without_iterations(path)}:
        segments = written.split("/")
        names |= {
            "/".join(segments[start:end])
            for start in range(len(segments))
            for end in range(start + 1, len(segments) + 1)
        }
    return names


class _Comparison:
    """What was expected, compared with the templates that asked models.

    Args:
        expected: Ids, paths and globs of paths.
        trace: The trace with the calls.
    """

    def __init__(self, expected: Sequence[str], trace: Trace) -> None:
        self._expected = expected
        self._places = _places(trace.calls)
        names = [_names(*place) for place in self._places]
        patterns = [path_pattern(target).fullmatch for target in expected]
        self._costs = [[FITS if any(map(fits, some)) else DIFFERENT for some in names] for fits in patterns]
        self._pairs = aligned(self._costs, len(self._places), spanning=True)

    @property
    def holds(self) -> bool:
        return all(map(self._is_right, self._pairs))

    def _is_right(self, pair: tuple[int | None, int | None]) -> bool:
        one, place = pair
        return one is not None and place is not None and self._costs[one][place] == FITS

    def __str__(self) -> str:
        return "\n".join([shown_pairs(("expected", "gone through"), list(self._rows())), *map(visible, self._hints())])

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        shown_before: int | None = None
        for pair in self._pairs:
            one, place = pair
            wanted = "(not expected here)" if one is None else "" if one == shown_before else self._expected[one]
            gone = "(not gone through here)" if place is None else self._places[place][0]
            yield "" if self._is_right(pair) else "✗", wanted, gone
            shown_before = one

    def _hints(self) -> Iterator[str]:
        if not self._places:
            yield "no template asked a model here; a session that was saved and loaded has no trace"
            return
        for target, costs in dict(zip(self._expected, self._costs, strict=True)).items():
            if FITS not in costs:
                yield f"{target!r}: no such template asked a model{which_template(target, self._places)}"
