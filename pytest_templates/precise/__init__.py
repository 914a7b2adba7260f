"""The guard of ``--templates-isolation=precise``: who changed what, what is shared, and what lies around it."""
