"""What a sweep over λ shows, with how well it is known: isotonic curve, plateau, midpoint, onset, and a gate.

Needs numpy, and scipy for the isotonic fit.
"""

from listopd.estimates.cliff_estimate import GATE, ONSET_LOSS, Cliff, cliff, cliff_points, midpoint_shift
from listopd.estimates.isotonic import crossing, falling
from listopd.estimates.outcomes import Outcomes

__all__ = [
    "GATE",
    "ONSET_LOSS",
    "Cliff",
    "Outcomes",
    "cliff",
    "cliff_points",
    "crossing",
    "falling",
    "midpoint_shift",
]
