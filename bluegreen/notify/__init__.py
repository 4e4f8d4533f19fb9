"""Telling people what happened, through whatever they read."""
