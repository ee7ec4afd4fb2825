"""Intervals, paired comparison and agreement: pure functions of numbers."""
