"""Several processes that train one network: their slices of a batch, their sums, and batch normalisation over all."""

from typing import cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, nn

from affectstore.models.blocks.batch_stats import autograd_all_reduce_sum


def make_fabric(precision: str, accelerator: str, processes: int) -> Fabric:
    """Fabric for several processes on this machine, each on a device of its own; the others are started here.

    They run the same command from its beginning, and synchronise with this one when they get here.
    """
    # Also inside a Slurm job, whose environment Fabric would take for its own.
    plugins = [LightningEnvironment()]
    if processes == 1:
        return Fabric(accelerator=accelerator, devices=1, precision=precision, plugins=plugins)  # type: ignore[arg-type]
    # Some networks have parameters that no loss reaches (GoogLeNet's auxiliary classifiers).
    strategy = DDPStrategy(find_unused_parameters=True)
    fabric = Fabric(accelerator=accelerator, devices=processes, strategy=strategy, precision=precision, plugins=plugins)  # type: ignore[arg-type]
    fabric.launch()
    return fabric


def rank_slice(clips: int, rank: int, processes: int) -> tuple[Tensor, int]:
    """Clips of a batch that a process computes, int64, and the number of processes that compute each.

    They are assigned in turn. Where there are fewer clips than processes, all processes compute all of them.
    """
    rows = torch.arange(clips)
    return (rows[rank::processes], 1) if clips >= processes else (rows, processes)


def all_reduce_sum(values: Tensor, fabric: Fabric) -> Tensor:
    """Sum over all processes, without gradients."""
    if fabric.world_size == 1:
        return values
    return cast("Tensor", fabric.all_reduce(values.detach().clone(), reduce_op="sum"))


def all_reduce_mean(values: Tensor, fabric: Fabric) -> Tensor:
    """Mean over all processes, without gradients."""
    return all_reduce_sum(values, fabric) / fabric.world_size if fabric.world_size > 1 else values


class SyncBatchNorm(nn.modules.batchnorm._BatchNorm):
    """`torch.nn.BatchNorm1d` to `3d` over the batch of all processes, on any device (torch's own needs GPUs).

    Parameters and buffers are the same, and numbers within rounding.
    """

    def _check_input_dim(self, x: Tensor) -> None:
        """Accept any number of axes; the second one is that of the channels."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (clip, channel, ...)."""
        if not self.training:
            return super().forward(x)
        axes, shape = [0, *range(2, x.dim())], [1, -1, *[1] * (x.dim() - 2)]
        count = autograd_all_reduce_sum(x.new_tensor(x.numel() / x.shape[1]))
        mean = autograd_all_reduce_sum(x.sum(dim=axes)) / count
        centred = x - mean.view(shape)
        variance = autograd_all_reduce_sum(centred.square().sum(dim=axes)) / count
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            rate = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean.detach(), rate)
            self.running_var.lerp_((variance * count / (count - 1)).detach(), rate)
        y = centred * torch.rsqrt(variance + self.eps).view(shape)
        return y if self.weight is None else y * self.weight.view(shape) + self.bias.view(shape)


def sync_batch_norm(network: nn.Module) -> None:
    """Replace every batch normalisation of a network by one over the batch of all processes, in place."""
    for name, child in list(network.named_children()):
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            setattr(network, name, _synchronised(child))
        else:
            sync_batch_norm(child)


def _synchronised(norm: nn.modules.batchnorm._BatchNorm) -> SyncBatchNorm:
    synchronised = SyncBatchNorm(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    synchronised.weight, synchronised.bias = norm.weight, norm.bias
    synchronised.running_mean, synchronised.running_var = norm.running_mean, norm.running_var
    synchronised.num_batches_tracked = norm.num_batches_tracked
    return synchronised.train(norm.training)
