"""Trackers of experiments that an evaluation run reports to, where its user asked for one."""
