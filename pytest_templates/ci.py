"""Whether the tests run in continuous integration."""

from __future__ import annotations

import os


def in_ci() -> bool:
    """Whether the environment variable ``CI`` is set to anything but a word for no."""
    return os.environ.get("CI", "").strip().lower() not in {"", "0", "false", "no", "off"}
