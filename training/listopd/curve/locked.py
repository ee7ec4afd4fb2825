"""The locked constants of the target curve, each with its evidence."""

from __future__ import annotations

FLOOR = 3e-4
"""The base's least probability of a token that extrapolation is taken to reach.

Calibrated on pairs whose students were trained, then locked. Shipped pair: 80 to 320 steps, exact and sampled, 56
groups, one seed each (`benchmarks/floor.py` runs such trainings, and pairs with a planted flip). Laboratory: 140 steps
of 32 rollouts, 200 prompts, one seed each. Parse rates; too low a floor foretells cliffs that no training shows, too
high a one hides those that it does:

| pair, λ | trained | floor 0 | 1e-4 | 3e-4 | 1e-3 | 3e-3 | 1e-2 |
| --- | --- | --- | --- | --- | --- | --- | --- |
| shipped, p > b, λ = 3 | .98 to 1.00 | .00 | .79 | .88 | .95 | .95 | .98 |
| shipped, p > b, λ = 5 | .96 | .00 | .63 | .80 | .93 | .93 | .98 |
| laboratory, p > b, λ = 3 | 1.00 sampled, .00 exact | .00 | .55 | .94 | 1.00 | 1.00 | 1.00 |
| laboratory, p > b, λ = 5 | .16 sampled, .00 exact | .00 | .00 | .12 | .98 | 1.00 | 1.00 |
| flip, base ends early in 3 %, λ = 1.2 | .55 (70 steps: .24) | .38 | .38 | .38 | .38 | .38 | .41 |
| flip, base ends early in 1 %, λ = 1.2 | .17 (70 steps: .15) | .07 | .07 | .07 | .07 | .38 | .85 |
| flip, base ends early in .3 %, λ = 1.2 | .02 (70 steps: .53) | .01 | .14 | .80 | .97 | .97 | .97 |
| flip, base ends early in .1 %, λ = 1.2 | .05 (70 steps: 1.00) | .01 | .39 | .94 | .97 | .97 | .97 |

3e-4 has no false cliff on the shipped pair (1e-4 loses 36 % [23, 50] up to λ = 5), though its level is too low there
from λ = 3 on. It sees every other cliff but those of the last two rows, whose token the base writes about once in a
thousand right answers: training finds them late, and only a floor near 0 foretells them. The exact update breaks at p >
b earlier (λ = 2.6) than foretold. A floor of 1e-3 or more, which the shipped pair alone would suggest, misses more of
them.

Tested once locked, on two planted pairs at K = 8 with ids of several tokens, three seeds each (the published study
`planted`): the curve at this floor is within .05 of the trained parse rate at all five λ of one pair, within .13 at
those of the other.
"""

GRID = (1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0, 2.5, 3.0, 4.0, 5.0)
"""λ of the curve unless others are asked for: close where sharp cliffs have been seen, open up to 5."""

LIMIT = 128
"""Examples of each seed unless another number is asked for: rates need more prompts than p and b do."""
