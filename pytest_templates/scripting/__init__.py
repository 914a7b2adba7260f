"""Scripted models and users, and faults put on templates."""
