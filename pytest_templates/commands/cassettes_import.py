"""``cassettes import``: convert a cassette that vcrpy or pytest-recording wrote."""

from __future__ import annotations

import os
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from pytest_templates.cassettes.collection import CollectedTests
from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.format.vcr_import import load_vcr
from pytest_templates.cassettes.scrubbing.credentials import Credentials
from pytest_templates.cassettes.scrubbing.leaks import refuse_leaks
from pytest_templates.cassettes.scrubbing.scrub import scrub
from pytest_templates.cassettes.storage.store import Store, write_cassette
from pytest_templates.commands.survey import shown
from pytest_templates.errors import CassetteError
from pytest_templates.support.text import counted


def import_cassette(source: Path, target: Path, store: Store, say: Callable[[str], None], *, overwrite: bool) -> int:
    """Convert a cassette of vcrpy to one of ours, decoded and without secrets; returns 0.

    Raises:
        CassetteError: The source is no cassette of vcrpy, or the target exists and is not to be overwritten.
    """
    place = shown(store.place(target))
    if store.read(target) is not None and not overwrite:
        raise CassetteError(f"{place} exists: --yes replaces it")
    recorded, credentials = load_vcr(source), Credentials(os.environ)
    for interaction in recorded:
        credentials.learn(interaction.request)  # the keys that it was sent with
    secrets = credentials.secrets()
    interactions = [scrub(interaction, secrets) for interaction in recorded]
    text = to_text(interactions)
    refuse_leaks(place, text, secrets)
    write_cassette(target, text, store)
    say(f"{counted(len(interactions), 'interaction')} of {shown(source)} written to {place}")
    return 0


def why_not_replayed(cassette: str, node_id: str, found: CollectedTests | None) -> str:
    """Why a test will not replay its new cassette; ``""`` where it will.

    Args:
        cassette: The cassette's path in the folder of the cassettes.
        node_id: The node id of the test.
        found: What was collected.
    """
    if found is None or found["errors"]:
        return "whether there is such a test is not known, as not every test could be collected"
    cassette_of = {test: path for path, tests in found["owners"].items() for test in tests}
    if cassette in found["owners"]:
        return ""
    if node_id in cassette_of:
        return f"{node_id} will not play it: its marker names another cassette, {cassette_of[node_id]}"
    close = get_close_matches(node_id, cassette_of, n=2)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"no test will play it: none that is marked llm_cassette is called {node_id}{hint}"
