"""The rules, a module for each subject. `registry.py` puts them together."""
