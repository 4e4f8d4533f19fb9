"""What catalogs and rows of live servers tell of compatibility."""
