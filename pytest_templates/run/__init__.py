"""The life of a test, from set-up to tear-down; knows no feature."""
