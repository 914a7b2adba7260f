"""Which templates and branches the tests rendered."""
