"""Helpers that know no feature: text, files, engine events, errors of clients."""
