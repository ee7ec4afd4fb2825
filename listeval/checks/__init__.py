"""Model-free checks of a task plug-in: what must hold before a model's answers mean anything."""

from listeval.checks.check import CheckResult, State, Template, check_task
from listeval.checks.version import record_version

__all__ = ["CheckResult", "State", "Template", "check_task", "record_version"]
