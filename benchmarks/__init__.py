"""Benchmarks: each compares with a peer or baseline in the same run, and prints ratios."""
