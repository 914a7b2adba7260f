"""Real model calls, recorded to files and replayed from them."""
