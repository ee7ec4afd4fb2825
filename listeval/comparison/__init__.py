"""Two or more runs on the same samples: paired differences, costs, migrations of failures, and one verdict."""

from listeval.comparison.analysis import compare, compare_arms
from listeval.comparison.arms import Arm, open_arms
from listeval.comparison.result import Comparison, Contrast

__all__ = ["Arm", "Comparison", "Contrast", "compare", "compare_arms", "open_arms"]
