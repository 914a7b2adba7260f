"""The pytest plugin that tests programs built on antiphon."""
