"""What a database and its server are: reading catalogs, settings and activity."""
