"""Tests that are run several times, each time with answers of their own, and judged as a whole."""
