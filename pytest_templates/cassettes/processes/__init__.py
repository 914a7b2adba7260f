"""Processes that a test forks or starts while its cassette is open."""
