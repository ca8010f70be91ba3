"""Tests of the suggest plugin."""
