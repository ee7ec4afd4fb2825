"""Scores of parsed answers: one module a family of metrics, each a pure function of labels and answers."""
