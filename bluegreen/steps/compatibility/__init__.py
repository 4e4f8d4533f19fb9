"""What the step `compat` is made of: the migration's text, both sides, the ruling."""
