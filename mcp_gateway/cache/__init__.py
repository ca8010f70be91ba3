"""The cache: one interface, in memory or in Redis."""
