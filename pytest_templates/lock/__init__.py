"""The prompt lock: what templates say and which models answer, in one file (``--templates-lock``)."""
