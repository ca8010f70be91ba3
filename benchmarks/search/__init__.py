"""Benchmarks of the search plugin."""
