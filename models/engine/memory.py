"""How the C library handles the memory that tensors leave."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the process keep what it frees, for the next step to use again.

    glibc maps large blocks one by one and gives them back to the kernel as soon as they are freed, so each
    training step on a CPU faults all its activations in anew: nearly half the time of a small 3D network.

    Returns:
        Whether the C library has this setting (glibc has).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _NEVER))
