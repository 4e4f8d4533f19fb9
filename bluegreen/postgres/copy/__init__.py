"""What copies of a database rest on: snapshots, progress, and a trial database."""
