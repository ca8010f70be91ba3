"""Keeps offers up to date: asks the sources of availability again and again, and takes in what changed."""
