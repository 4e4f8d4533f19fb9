"""Rules over migration files and schemas, pure."""
