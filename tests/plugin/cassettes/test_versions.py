"""Cassettes of version 1 of the format: played as ever, and upgraded when they are next written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_templates.cassettes.format.document import from_text, to_text
from pytest_templates.cassettes.recorded import RecordedRequest
from pytest_templates.cassettes.storage.store import load_cassette

FOLDER = Path(__file__).parents[3] / "fixtures" / "version-1"


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.yaml")))
def test_the_upgrade_changes_nothing_that_is_played(name: str) -> None:
    old = load_cassette(FOLDER / name)
    assert old
    assert from_text(to_text(old)) == old


def test_a_file_of_version_1_is_played_as_it_lies_and_upgraded_by_the_next_recording(
    cassette: Any, server: Any, path: Path
) -> None:
    path.parent.mkdir(parents=True)
    old = (FOLDER / "text-anthropic-whole.yaml").read_text("utf-8")
    path.write_text(old, "utf-8")
    [recorded] = load_cassette(path)

    with cassette("missing") as opened:
        assert opened.decide(recorded.request).replay is not None
        opened.save()
    assert path.read_text("utf-8") == old

    with cassette("missing") as opened:
        opened.record(opened.decide(RecordedRequest("GET", "http://model.test/", (), b"")), recorded.response)
        opened.save()
    assert path.read_text("utf-8").startswith("version: 2\n")
    assert load_cassette(path)[0] == recorded
