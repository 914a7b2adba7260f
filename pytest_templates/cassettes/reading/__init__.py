"""What recorded calls say to people: prompts, answers, tokens, and what changed."""
