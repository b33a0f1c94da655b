"""OGM-GE (Peng et al. 2022, "Balanced Multimodal Learning via On-the-fly Gradient Modulation").

After each backward pass modalities are compared by s_m, the sum over the batch of the probability that modality m alone
assigns to a clip's label (equation 8), and rho_m = s_m over the mean of the others' s (equation 9). Where rho_m > 1,
the gradients of that modality's encoder are multiplied by k_m = 1 - tanh(alpha rho_m) (equation 10, on-the-fly gradient
modulation), and Gaussian noise with each tensor's own standard deviation before that is added (section 3.3,
generalisation enhancement). As published, vectors of parameters (biases, normalisation) and the fusion are not changed.

Ours: for more than two modalities, the mean of the others; noise only where gradients were scaled; matrices as well as
convolutions.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from pydantic import Field
from torch import Tensor, nn

from affectstore.models.data.batch import Batch
from affectstore.models.data.rng import RngStreams
from affectstore.models.modules import UNLABELLED, Output
from affectstore.models.spec import TrickOptions, TrickSpec, TrickUse
from affectstore.models.training.distributed import all_reduce_sum
from affectstore.models.training.trick import Trick, TrickContext, TrickSetup

SPEC = TrickSpec(
    version=1,
    summary="gradients of the modality that is ahead are reduced",
    paper="Peng et al. 2022, Balanced Multimodal Learning via On-the-fly Gradient Modulation, equations 8 to 10",
    conflicts=("g_blending",),
)

_MIN_SUM = 1e-8  # of probabilities


class Options(TrickOptions):
    """Options of OGM-GE."""

    alpha: float = Field(default=0.3, gt=0, description="Strength of the modulation.")

    def problem(self, use: TrickUse) -> str | None:
        """Reason why no encoder can be modulated by itself, or None."""
        if use.fusion is None:
            return (
                "trick `ogm_ge` compares modalities that are fused, and none are; name a `fusion`, or leave the trick "
                "out (`train: {tricks: {}}` in this cell)"
            )
        if use.fusion.needs == "inputs":
            return (
                f"trick `ogm_ge` reduces the gradients of one modality's encoder, and fusion {use.fusion_name!r} feeds "
                "one with all; choose `g_blending`, or a fusion of encoder outputs"
            )
        if use.sharing == "shared":
            return (
                "trick `ogm_ge` reduces the gradients of one modality's encoder, and with `sharing: shared` there is "
                "one for all; choose `sharing: separate`"
            )
        return None


class OGMGE(Trick):
    """Scale the gradients of the modalities that are ahead, and add noise to them."""

    needs_unimodal_logits = True

    def __init__(self, options: Options, _setup: TrickSetup) -> None:
        self.alpha = options.alpha

    def on_gradients(self, run: TrickContext, output: Output, batch: Batch, rng: RngStreams) -> dict[str, float]:
        """Modulate the gradients; `gradient_<modality>` is its coefficient k_m."""
        logits = output.unimodal_logits
        sums = all_reduce_sum(label_confidence(logits, batch.labels), run.fabric).tolist()
        factors = dict(zip(logits, coefficients(sums, self.alpha), strict=True))
        for modality, factor in factors.items():
            if factor != 1:
                modulate(run.network.encoder(modality), factor, rng.on(run.fabric.device, "ogm_ge", modality))
        return {f"gradient_{modality}": factor for modality, factor in factors.items()}


def label_confidence(logits: Mapping[str, Tensor], labels: Tensor) -> Tensor:
    """Sum the probability that each modality alone assigns to the labels (s_m of equation 8), float64 (modality,).

    Args:
        logits: Modality -> logits (clip, class) of it alone.
        labels: int64 (clip,); clips without labels do not count.
    """
    labelled = labels != UNLABELLED
    place = labels[labelled].unsqueeze(1)
    return torch.stack(
        [torch.softmax(one[labelled].detach().double(), dim=1).gather(1, place).sum() for one in logits.values()]
    )


def coefficients(sums: Sequence[float], alpha: float) -> list[float]:
    """Coefficient k_m of each s_m; 1 for modalities that are not ahead."""
    ratios = [(len(sums) - 1) * own / max(sum(sums) - own, _MIN_SUM) for own in sums]
    return [1 - math.tanh(alpha * ratio) if ratio > 1 else 1.0 for ratio in ratios]


def modulate(encoder: nn.Module, coefficient: float, generator: torch.Generator) -> None:
    """Scale the gradients of an encoder, and add noise with their own standard deviation, in place.

    Args:
        encoder: Encoder of the modality, after a backward pass.
        coefficient: k_m.
        generator: Of the noise, on the gradients' device.
    """
    for parameter in encoder.parameters():
        gradient = parameter.grad
        if gradient is None or parameter.dim() < 2 or parameter.numel() < 2:
            continue
        noise = torch.randn(gradient.shape, generator=generator, device=gradient.device, dtype=gradient.dtype)
        gradient.copy_(coefficient * gradient + gradient.std() * noise)


build = OGMGE
