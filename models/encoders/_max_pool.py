"""Max pooling of pictures and clips in which an axis that is shorter than the kernel is pooled to length 1.

So that small pictures and short clips work. Lengths are known without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def max_pool(values: Tensor, kernel: int) -> Tensor:
    """(clip, channel, height, width) or (clip, channel, frame, height, width), each axis behind the channels pooled.

    Args:
        values: see above.
        kernel: length and stride of the pooling.
    """
    from torch.nn import functional as F

    pool = F.max_pool2d if values.dim() == 4 else F.max_pool3d
    return pool(values, [min(kernel, length) for length in values.shape[2:]])


def pooled_size(lengths: tuple[int, ...], kernel: int, times: int) -> int:
    """How many places are left of axes of these lengths after so many poolings, each as `max_pool` does."""
    size = 1
    for length in lengths:
        for _ in range(times):
            length = max(1, length // kernel)
        size *= length
    return size
