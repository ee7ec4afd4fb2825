"""The tiny checkpoints of the engines' tests."""

from tests.backends.conftest import checkpoint, make_checkpoint

__all__ = ["checkpoint", "make_checkpoint"]
