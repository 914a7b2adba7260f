"""Template coverage: which templates and branches no test rendered (``--templates-coverage``)."""
