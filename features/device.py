"""Device and precision of networks: the GPU where there is one, else one thread of the CPU.

On a CPU the numbers are the same on any number of cores: sums that are split over threads differ in
their last bits. On a GPU they differ from the CPU's in the last bits of float32 (the coarser TensorFloat-32
is switched off) and are the same each time. `CUDA_VISIBLE_DEVICES=` hides a GPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def default_device() -> torch.device:
    """Return the first GPU, or the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextlib.contextmanager
def deterministic_inference() -> Iterator[None]:
    """Disable gradients, threads and TensorFloat-32, so that numbers are the same on any number of cores."""
    import torch

    threads, matmul = torch.get_num_threads(), torch.backends.cuda.matmul.allow_tf32
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with (
            torch.inference_mode(),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        ):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32 = matmul
