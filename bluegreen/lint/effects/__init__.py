"""What each operation locks, rewrites and scans."""
