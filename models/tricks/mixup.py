"""Mixup (Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization"): convex mixtures of clips and their labels."""

from dataclasses import replace

import torch
from pydantic import Field

from affectstore.models.data.batch import Batch
from affectstore.models.data.rng import RngStreams
from affectstore.models.spec import TrickOptions, TrickSpec, TrickUse
from affectstore.models.training.trick import Trick, TrickSetup

SPEC = TrickSpec(
    version=1,
    summary="each batch is mixed with itself in another order, and so are its labels",
    paper="Zhang et al. 2018, mixup: Beyond Empirical Risk Minimization, section 2",
    conflicts=("distillation",),
)


class Options(TrickOptions):
    """Options of mixup."""

    alpha: float = Field(default=0.2, gt=0, description="Both parameters of the Beta distribution of the mixing ratio.")

    def problem(self, use: TrickUse) -> str | None:
        """Reason why clips cannot be mixed, or None."""
        if use.unlabelled:
            return "trick `mixup` mixes labels, and `unlabelled` clips have none; choose one of them"
        return None


class Mixup(Trick):
    """Mix each batch with a permutation of itself.

    Ours: the ratio is sampled once per batch, and is the larger part of each clip, so that the clip's own label stays
    its main one. A step or frame is valid where either clip has it; padding is mixed in as zero, the mean. Words keep
    the clip's own times.
    """

    def __init__(self, options: Options, _setup: TrickSetup) -> None:
        self.alpha = options.alpha

    def on_batch(self, batch: Batch, rng: RngStreams) -> Batch:
        """Mix values, masks and spans; the labels that are mixed in are kept beside the clips' own."""
        generator = rng.of("mixup")
        sampled = float(generator.beta(self.alpha, self.alpha))
        ratio = max(sampled, 1 - sampled)
        order = torch.from_numpy(generator.permutation(len(batch))).to(batch.labels.device)
        return replace(
            batch,
            values={m: ratio * value + (1 - ratio) * value[order] for m, value in batch.values.items()},
            masks={m: mask | mask[order] for m, mask in batch.masks.items()},
            spans={m: torch.where(span[..., 1:] > 0, span, span[order]) for m, span in batch.spans.items()},
            mixed_labels=batch.labels[order],
            mix_ratio=ratio,
        )


build = Mixup
