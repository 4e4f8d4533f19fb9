"""Tools that bring green's schema forward, behind one small protocol."""
