"""The proofs of the step `validate`, one file each."""
