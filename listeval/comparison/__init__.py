"""Two or more runs on the same samples: paired differences, costs, migrations of failures, and one verdict."""

from listeval.comparison.analysis import Comparison, compare, compare_arms
from listeval.comparison.arms import Arm, open_arms

__all__ = ["Arm", "Comparison", "compare", "compare_arms", "open_arms"]
