"""The text of a cassette file: how interactions and bodies are written and read."""
