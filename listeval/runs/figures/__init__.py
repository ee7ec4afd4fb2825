"""What every figure is (`columns`), how it is written (`numbers`) and what it is called (`words`), defined once.

Metrics of a run, comparisons, reports and exports all take their figures from here.
"""
