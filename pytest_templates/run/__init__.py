"""What happens to a test from set-up to tear-down, and the private hooks by which features take part in it."""
