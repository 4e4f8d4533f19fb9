"""Fuzzers that run as programs, for as long as they are given."""
