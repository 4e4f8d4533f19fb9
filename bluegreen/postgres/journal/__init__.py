"""Our own schema in a database: the journal, the lease, and whom it belongs to."""
