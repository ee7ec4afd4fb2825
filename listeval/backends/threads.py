"""How the CPU threads of torch wait for each other: asleep, not spinning."""

import os


def wait_passively() -> None:
    """Let OpenMP threads sleep between two kernels, unless the user chose otherwise.

    They spin by default, and then any other load on the machine costs a small model's generation
    a factor of five to ten; asleep they lose nothing on an idle one. Takes effect only before
    the first import of torch in the process.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
