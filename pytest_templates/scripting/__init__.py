"""Test doubles for models and users, which play scripts, and the injection of faults into templates."""
