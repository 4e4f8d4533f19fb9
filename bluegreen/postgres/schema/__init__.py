"""Schemas: listing, comparing and copying them, and changing one for a stream."""
