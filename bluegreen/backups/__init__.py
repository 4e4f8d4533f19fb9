"""Ways to keep a copy that can be restored, and proofs that it can."""
