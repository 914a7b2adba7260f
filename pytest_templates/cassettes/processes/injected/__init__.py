"""What is put on the path of Python processes that a test starts; nothing else may lie here."""
