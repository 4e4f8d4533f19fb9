"""Pointers that are names which clients look up. They hold no client back."""
