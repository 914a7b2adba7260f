"""Models in place of those that a program asks: ``llm_override``, ``overriding``, ``--templates-model``."""
