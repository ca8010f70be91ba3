"""Benchmarks of the auth plugin."""
