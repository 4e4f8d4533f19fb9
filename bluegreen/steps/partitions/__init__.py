"""Partitions that are made while one side follows the other."""
