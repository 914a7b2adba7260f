"""Real models, through pydantic-ai's direct API; imported only when one is used."""
