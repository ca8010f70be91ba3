"""Attacks on a running gateway: what it withstands, and what it does not yet."""
