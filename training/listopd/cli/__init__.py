"""Verbs of `listeval` that listopd brings; `listeval.cli.main` imports them when they are asked for."""
