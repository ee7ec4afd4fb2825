"""The locked constants of the target curve, each with its evidence."""

from __future__ import annotations

FLOOR = 3e-4
"""The base's least probability of a token that extrapolation is taken to reach.

Calibrated on pairs whose students were trained (`benchmarks/floor.py` on real checkpoints, `benchmarks/floor_lab.py` in
the laboratory: 32 rollouts a step, 140 steps, parse rate of 200 prompts, one seed each), then locked. Too low a floor
foretells cliffs that no training shows, too high a one hides those that it does:

| pair, λ | trained | floor 0 | 1e-4 | 3e-4 | 1e-3 | 3e-3 | 1e-2 |
| --- | --- | --- | --- | --- | --- | --- | --- |
| shipped, p > b, λ = 3 | .98 to 1.00 | .00 | .79 | .88 | .95 | .95 | .98 |
| shipped, p > b, λ = 5 | .96 | .00 | .63 | .80 | .93 | .93 | .98 |
| laboratory, p > b, λ = 3 | 1.00 sampled, .00 exact | .00 | .55 | .94 | 1.00 | 1.00 | 1.00 |
| laboratory, p > b, λ = 5 | .16 sampled, .00 exact | .00 | .00 | .12 | .98 | 1.00 | 1.00 |
| flip, base ends early in 3 %, λ = 1.2 | .55 | .38 | .38 | .38 | .38 | | |
| the same in 1 %, λ = 1.2 | .15 (70 steps) | .07 | .07 | .07 | .07 | .38 | .85 |
| the same in .3 %, λ = 1.2 | .02 (70 steps: .53) | .01 | .14 | .80 | .97 | .97 | .97 |

3e-4 is the lowest floor without a false cliff on the shipped pair (at 1e-4 it loses 36 % [23, 50] up to λ = 5), and sees
every cliff of the others but for flips whose token the base writes about once in a thousand steps: those come late in
training (none at 35 steps, all at 140), and only the plain target (a floor of 0) foretells them. Its level on the shipped
pair is too low from λ = 3 on. A floor of 1e-2 to 1e-3, which the shipped pair alone would suggest, misses cliffs at
p > b and half of the flips.
"""

GRID = (1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0, 2.5, 3.0, 4.0, 5.0)
"""λ of the curve unless others are asked for: close where sharp cliffs have been seen, open up to 5."""
