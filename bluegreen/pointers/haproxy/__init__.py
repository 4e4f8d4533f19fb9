"""A backend of HAProxy as a pointer, by its runtime socket."""
