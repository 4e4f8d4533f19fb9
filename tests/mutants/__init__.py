"""Bugs that a cutover tool must not have, and the proof that a test finds each."""
