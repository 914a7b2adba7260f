"""What models did in a run: collected, and said."""
