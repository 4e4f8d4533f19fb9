"""What we know of PostgreSQL, and the only owner of `psycopg` on this side."""
