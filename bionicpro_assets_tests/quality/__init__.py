"""Whether the data-quality claims are right: simulated fleets, and histories in which nothing is wrong."""
