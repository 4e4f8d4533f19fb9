"""Throw-away servers and clients on loopback, for demo, rehearsal and tests."""
