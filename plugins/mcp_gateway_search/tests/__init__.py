"""Tests of the search plugin."""
