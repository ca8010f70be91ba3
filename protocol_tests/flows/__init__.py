"""Whole journeys through a running gateway."""
