"""Snapshots of conversations: what a test saw once, kept in a file that people read."""
