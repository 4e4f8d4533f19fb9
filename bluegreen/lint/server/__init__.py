"""What `lint --dsn` asks a server: its catalog, and rows in the way."""
