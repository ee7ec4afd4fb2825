"""ListOPD: on-policy distillation for answers that must keep a contract."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from listopd.curve.api import target_curve

__all__ = ["target_curve"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: it needs numpy.
    if name == "target_curve":
        from listopd.curve.api import target_curve

        return target_curve
    raise AttributeError(f"module 'listopd' has no attribute '{name}'")
