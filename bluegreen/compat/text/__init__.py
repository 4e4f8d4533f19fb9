"""What a migration's text alone tells of compatibility."""
