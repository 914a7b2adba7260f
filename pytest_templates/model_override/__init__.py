"""Other models in the place of those that templates ask (``--templates-model``)."""
