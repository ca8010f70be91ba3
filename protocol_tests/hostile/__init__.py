"""Clients that mean harm, or cannot do better: what they send, what they do not read, what they cancel."""
