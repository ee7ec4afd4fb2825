"""Scaffolds: a list answer of fixed text in which only the numbers are decoded."""
