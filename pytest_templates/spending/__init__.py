"""Limits on calls, tokens and cost: of a test, of a run, of a recording."""
