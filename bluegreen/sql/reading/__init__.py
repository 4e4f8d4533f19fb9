"""Parse trees to operations, one file for each family of statements."""
