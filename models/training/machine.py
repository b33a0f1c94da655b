"""Settings of the process that trains."""

import ctypes
import os

import torch

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the process keep the memory that it frees, for the next step to use again.

    glibc maps large blocks one by one and returns them to the kernel when they are freed, so that each training step on
    a CPU faults all its activations in anew: nearly half the time of a small 3D network.

    Returns:
        True where the C library has this setting (glibc has).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _NEVER))


def use_deterministic_kernels() -> None:
    """Choose deterministic CUDA kernels; those without a deterministic form (backward of 3D pooling) warn."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False


def reset_peak_memory(device: torch.device) -> None:
    """Forget the peak memory of earlier runs on a GPU."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
