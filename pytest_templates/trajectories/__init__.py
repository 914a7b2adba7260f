"""Trajectories: which tools models called, and which templates a conversation went through, as expected."""
