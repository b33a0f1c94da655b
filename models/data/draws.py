"""Random numbers of a batch that follow from seed, epoch and batch alone."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Draws:
    """What is drawn for one batch: nothing remembers what was drawn before, so a resumed run draws the same.

    Each purpose has a stream of its own: an option that is switched on changes nothing of what others draw.

    Attributes:
        seed: of the run.
        epoch: counted from 1.
        batch: counted from 0.
    """

    seed: int
    epoch: int
    batch: int

    def of(self, *purpose: str) -> np.random.Generator:
        """The stream of a purpose, from its beginning."""
        return np.random.default_rng((self.seed, self.epoch, self.batch, *(zlib.crc32(w.encode()) for w in purpose)))

    def on(self, device: torch.device, *purpose: str) -> torch.Generator:
        """The stream of a purpose on a device."""
        return torch.Generator(device).manual_seed(int(self.of(*purpose).integers(2**63)))
