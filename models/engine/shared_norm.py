"""Batch normalisation over the batch of all processes, on any device (torch's own needs GPUs)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from affectstore.models.layers.over_processes import added


class SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """As `torch.nn.BatchNorm1d` to `3d`: the same weights, buffers and, within rounding, numbers."""

    def _check_input_dim(self, x: Tensor) -> None:
        """Any number of axes, the second of which are the channels."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (clip, channel, ...)."""
        if not self.training:
            return super().forward(x)
        axes, shape = [0, *range(2, x.dim())], [1, -1, *[1] * (x.dim() - 2)]
        count = added(x.new_tensor(x.numel() / x.shape[1]))
        mean = added(x.sum(dim=axes)) / count
        apart = x - mean.view(shape)
        variance = added(apart.square().sum(dim=axes)) / count
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            rate = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean.detach(), rate)
            self.running_var.lerp_((variance * count / (count - 1)).detach(), rate)
        y = apart * torch.rsqrt(variance + self.eps).view(shape)
        return y if self.weight is None else y * self.weight.view(shape) + self.bias.view(shape)


def share_norms(network: nn.Module) -> None:
    """Let every batch normalisation of a network see the batch of all processes, in place."""
    for name, child in list(network.named_children()):
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            setattr(network, name, _shared(child))
        else:
            share_norms(child)


def _shared(norm: nn.modules.batchnorm._BatchNorm) -> SharedBatchNorm:
    shared = SharedBatchNorm(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    shared.weight, shared.bias = norm.weight, norm.bias
    shared.running_mean, shared.running_var = norm.running_mean, norm.running_var
    shared.num_batches_tracked = norm.num_batches_tracked
    return shared.train(norm.training)
