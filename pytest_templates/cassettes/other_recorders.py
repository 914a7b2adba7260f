"""Tests that two recorders would record: this plugin, and another one that has hold of the same HTTP libraries."""

from __future__ import annotations

from inspect import signature
from typing import Final

import pytest

from pytest_templates.support.text import command_line

_MARKER: Final = "vcr"  # of pytest-recording and pytest-vcr
_VCR: Final = "vcr"  # pytest-recording gives this fixture to every test, so it counts where a test asks for it itself
_FIXTURES: Final = {
    "vcr_cassette": "pytest-vcr",
    "betamax_recorder": "betamax",
    "betamax_session": "betamax",
    "betamax_parametrized_recorder": "betamax",
    "betamax_parametrized_session": "betamax",
}


def refuse_other_recorder(item: pytest.Item) -> None:
    """Refuse a test that another recorder records as well: what either of them sees depends on who comes first.

    Raises:
        pytest.Collector.CollectError: The text names the other one, and what to do.
    """
    other = _other_recorder(item)
    if other:
        words = ["python", "-m", "pytest_templates", "cassettes", "import", "OLD_FILE", "--test", item.nodeid]
        raise pytest.Collector.CollectError(
            f"{item.nodeid}: two recorders, llm_cassette and {other}: remove one of them\n"
            "  to keep llm_cassette and what was recorded before, take that over with\n"
            f"  {command_line(words)}"
        )


def _other_recorder(item: pytest.Item) -> str | None:
    """The other recorder of a test, in words."""
    if item.get_closest_marker(_MARKER) is not None:
        return f"the marker {_MARKER} of pytest-recording or pytest-vcr"
    if _VCR in _asked_for(item):
        return f"the fixture {_VCR} of pytest-recording or pytest-vcr"
    name = next((name for name in getattr(item, "fixturenames", ()) if name in _FIXTURES), None)
    return name and f"the fixture {name} of {_FIXTURES[name]}"


def _asked_for(item: pytest.Item) -> set[str]:
    """The fixtures that a test itself asks for."""
    function = getattr(item, "function", None)
    used = {name for marker in item.iter_markers("usefixtures") for name in marker.args}
    return used | set(signature(function).parameters if function else ())
