"""Answers of the fashion task with a planted truth."""

import json


def good(row, drop=0):
    """The right ranking, less `drop` objects."""
    grades = list(row["target"]["grades"].items())
    return json.dumps([{"review_id": name, "score": score} for name, score in grades[: len(grades) - drop]])
