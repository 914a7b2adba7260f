"""Names of tests that hold a secret, as those of parameters do: pytest prints them, and files are called after them."""

from __future__ import annotations

import pytest

REMEDY = 'give the parameter an id: pytest.param(..., id="...")'


def refuse_secret_name(item: pytest.Item, why: str) -> None:
    """Refuse a test whose name holds a secret.

    Args:
        item: The test.
        why: What would come of it.

    Raises:
        pytest.Collector.CollectError: The text says what it is, and never the value.
    """
    from pytest_templates.redaction.secrets import secrets_of

    secrets = secrets_of()
    leak = secrets.find(item.nodeid)
    if leak:
        name = secrets.replace(item.nodeid)
        raise pytest.Collector.CollectError(f"{name}: the name of this test holds {leak.what}, and {why}\n  {REMEDY}")
