"""Typed results to terminal and JSON; one renderer a format."""
