"""``cassettes import``: take over a cassette that vcrpy or pytest-recording wrote."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pytest_templates.cassettes import persister
from pytest_templates.cassettes.credentials import Credentials
from pytest_templates.cassettes.foreign import load_vcr
from pytest_templates.cassettes.format import to_text
from pytest_templates.cassettes.leaks import refuse_leaks
from pytest_templates.cassettes.scrub import scrub
from pytest_templates.cassettes.store import Store
from pytest_templates.command.listing import many
from pytest_templates.command.survey import shown
from pytest_templates.errors import CassetteError


def import_cassette(source: Path, target: Path, store: Store, say: Callable[[str], None], *, overwrite: bool) -> int:
    """Write what a cassette of vcrpy's holds as one of ours: decoded, and without secrets; returns 0.

    Raises:
        CassetteError: The source is no cassette of vcrpy's, or the target exists and is not to be overwritten.
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
    persister.write(target, text, store)
    say(f"{many(len(interactions), 'interaction')} of {shown(source)} written to {place}")
    return 0
