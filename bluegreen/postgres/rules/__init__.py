"""What rows have to fit, and rows of a database that do not, although they should."""
