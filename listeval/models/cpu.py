"""What a CPU engine asks of the process around it: threads that sleep while they wait, memory that is kept."""

import ctypes
import os

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_GIB = 1 << 30


def wait_passively() -> None:
    """Let OpenMP threads sleep between two kernels, unless the user chose otherwise.

    They spin by default, and then any other load on the machine costs a small model's generation
    a factor of five to ten; asleep they lose nothing on an idle one. Takes effect only before
    the first import of torch in the process.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def keep_memory() -> None:
    """Keep freed blocks of up to 1 GiB in the process instead of handing each back to the kernel.

    Every decoding step copies the KV cache; glibc maps and unmaps such blocks anew each time, and
    the page faults took more than half of a 135M model's generation at 1,100 tokens of context.
    Does nothing on another C library.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _GIB)
        mallopt(_M_TRIM_THRESHOLD, 2 * _GIB - 1)
