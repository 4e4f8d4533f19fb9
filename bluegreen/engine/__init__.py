"""Plan, runner, journal, lease: runs steps knowing only their contract."""
