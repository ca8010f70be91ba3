"""Tells where titles can be watched, what is leaving, and how sure that is."""
