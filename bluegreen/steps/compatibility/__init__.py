"""What the step `judge` is made of: the migration's text, both sides, the ruling."""
