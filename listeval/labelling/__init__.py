"""Labelling: a judge model grades texts by a rubric, through the same contracts and runs as every other model."""
