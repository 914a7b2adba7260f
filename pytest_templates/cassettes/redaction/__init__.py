"""Keeping secrets out of cassettes, reports and messages."""
