"""What holds for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No server here speaks TLS: clients need not read the world's certificate authorities, which takes each of them 25 ms.
os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)
os.environ.pop("SSL_CERT_FILE", None)

settings.register_profile("suite", deadline=None)  # no test is about time: machines are busy now and then
settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Type checkers take longest, and begin first: else other workers wait for them in the end."""
    items.sort(key=lambda item: item.path.parent.name != "typing")
