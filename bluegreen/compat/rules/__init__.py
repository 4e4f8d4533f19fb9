"""The laws of compatibility. Pure."""
