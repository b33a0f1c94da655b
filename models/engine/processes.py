"""Several processes that train one network: who takes which clips, and what they add up."""

from __future__ import annotations

from typing import cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor


def fabric_of(precision: str, accelerator: str, processes: int) -> Fabric:
    """Fabric for so many processes of this machine, each on a device of its own; the others are started here.

    Those run the same command from its beginning, and meet this one when they get here.
    """
    # Also inside a Slurm job, whose environment Fabric would take for its own.
    plugins = [LightningEnvironment()]
    if processes == 1:
        return Fabric(accelerator=accelerator, devices=1, precision=precision, plugins=plugins)  # type: ignore[arg-type]
    # Some networks have weights that no loss moves (GoogLeNet's other heads).
    strategy = DDPStrategy(find_unused_parameters=True)
    fabric = Fabric(accelerator=accelerator, devices=processes, strategy=strategy, precision=precision, plugins=plugins)  # type: ignore[arg-type]
    fabric.launch()
    return fabric


def own_rows(clips: int, rank: int, processes: int) -> tuple[Tensor, int]:
    """Which clips of a batch a process takes, int64, and how many processes take them.

    They are dealt in turn. Where there are fewer clips than processes, all take all of them.
    """
    rows = torch.arange(clips)
    return (rows[rank::processes], 1) if clips >= processes else (rows, processes)


def sum_of(values: Tensor, fabric: Fabric) -> Tensor:
    """Numbers, each summed over all processes."""
    return (
        values
        if fabric.world_size == 1
        else cast("Tensor", fabric.all_reduce(values.detach().clone(), reduce_op="sum"))
    )


def mean_of(values: Tensor, fabric: Fabric) -> Tensor:
    """Numbers, each the mean over all processes."""
    return sum_of(values, fabric) / fabric.world_size if fabric.world_size > 1 else values
