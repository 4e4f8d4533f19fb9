"""What decides where clients go: PgBouncer today, DNS to come. One file each."""
