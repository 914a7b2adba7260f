"""Which files a test keeps its conversations in."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_templates.snapshots.refusal import FIXTURE


def snapshots_of(item: pytest.Item, root: Path) -> list[str]:
    """The files in which a test keeps what ``llm_snapshot`` compares, relative to the root directory."""
    if FIXTURE not in getattr(item, "fixturenames", ()):
        return []
    from syrupy.location import PyTestLocation

    from pytest_templates.snapshots.extension import ConversationExtension as Kind

    location = PyTestLocation(item)
    files = sorted(Path(Kind.dirname(test_location=location)).glob(f"*.{Kind.file_extension}"))
    own = [file for file in files if Kind.matches_test_location(test_location=location, snapshot_location=str(file))]
    return [(file.relative_to(root) if file.is_relative_to(root) else file).as_posix() for file in own]
