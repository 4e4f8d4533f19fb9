"""Logical replication between the sides: streams, markers, heartbeats, sequences."""
