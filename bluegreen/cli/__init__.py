"""One file a verb, and the one place where an error becomes an exit status."""
