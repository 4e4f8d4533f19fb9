"""A PgBouncer entry as a pointer: its files, its console, and the proof of both."""
