"""The locked constants of the target curve, each with its evidence."""

from __future__ import annotations

FLOOR = 3e-3
"""The base's least probability of a token that extrapolation is taken to reach."""

GRID = (1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0, 2.5, 3.0, 4.0, 5.0)
"""λ of the curve unless others are asked for: close where sharp cliffs have been seen, open up to 5."""
