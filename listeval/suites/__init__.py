"""Suites: many runs from one file, one engine load a model, and what they show side by side."""
