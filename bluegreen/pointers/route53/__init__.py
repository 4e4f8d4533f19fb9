"""A record in a hosted zone of Amazon Route 53."""
