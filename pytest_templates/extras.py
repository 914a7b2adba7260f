"""The packages that the plugin needs, and an installation of the engine alone does not have."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

HOW_TO_INSTALL = 'pip install "antiphon[pytest]"'
HOW_TO_REACH = 'pip install "antiphon[pytest,remote]"'


def require_packages(what: str) -> None:
    """Fail the test where a package is missing; the text says what to install."""
    __tracebackhide__ = True
    missing = [name for name in ("vcr", "deepdiff", "syrupy", "filelock", "rstr") if find_spec(name) is None]
    if missing:
        which = "which is" if len(missing) == 1 else "which are"
        pytest.fail(f"{what} needs {', '.join(missing)}, {which} not installed: {HOW_TO_INSTALL}", pytrace=False)
