"""Running tests a second time, in a process of another kind, to find prompts that are not deterministic."""
