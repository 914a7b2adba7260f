"""How the location of cassettes is read: as the path of a folder, or as a URL."""

from __future__ import annotations


def is_url(location: str) -> bool:
    """Whether a location of cassettes is a URL, not the path of a folder."""
    return "://" in location
