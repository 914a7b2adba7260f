"""Conversation snapshots: the fixture ``llm_snapshot``."""
