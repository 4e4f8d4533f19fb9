"""What is known before a statement, as the files before it left it."""
