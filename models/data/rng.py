"""Random numbers of a training step that follow from seed, epoch and step alone."""

import zlib
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class RngStreams:
    """Random streams of one training step: stateless, so that a resumed run uses the same numbers.

    Each purpose has a stream of its own: switching an option on changes none of the numbers of the others.

    Attributes:
        seed: Seed of the run.
        epoch: Epoch, counted from 1.
        step: Step of the epoch, counted from 0.
    """

    seed: int
    epoch: int
    step: int

    def of(self, *purpose: str) -> np.random.Generator:
        """Stream of a purpose, from its beginning."""
        return np.random.default_rng((self.seed, self.epoch, self.step, *(zlib.crc32(w.encode()) for w in purpose)))

    def on(self, device: torch.device, *purpose: str) -> torch.Generator:
        """Stream of a purpose on a device."""
        return torch.Generator(device).manual_seed(int(self.of(*purpose).integers(2**63)))
