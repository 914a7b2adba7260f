"""``python -m pytest_templates``: the demo, and what a team does with its cassettes over time."""
