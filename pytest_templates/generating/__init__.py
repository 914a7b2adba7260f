"""Answers that nobody has written: made up from the schema of what is asked for, the same for the same request."""
