"""Running tests twice to find prompts that are not deterministic (``--templates-twice``)."""
