"""``--templates-model``: lets templates call other models than their own in tests of real models."""
