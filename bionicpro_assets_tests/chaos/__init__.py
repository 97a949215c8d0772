"""Chaos: random histories, random windows, writers that are killed, and readers that watch."""
