"""Modality dropout (Neverova et al. 2016, "ModDrop: Adaptive Multi-modal Gesture Recognition")."""

from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field

from affectstore.models.data.batch import Batch
from affectstore.models.data.rng import RngStreams
from affectstore.models.spec import TrickOptions, TrickSpec, TrickUse
from affectstore.models.training.trick import Trick, TrickSetup

SPEC = TrickSpec(
    version=1,
    summary="modalities of training clips are set to zero at random",
    paper="Neverova et al. 2016, ModDrop: Adaptive Multi-modal Gesture Recognition, section 4.2",
)

_Rate = Annotated[float, Field(ge=0, lt=1)]


class Options(TrickOptions):
    """Options of modality dropout."""

    rate: _Rate | dict[Literal["audio", "vision", "text"], _Rate] = Field(
        default=0.1,
        description="Probability that a training clip comes without a modality, one for all or one each. A clip that "
        "would lose all its modalities loses none, so cells of one modality are unaffected.",
    )

    def problem(self, use: TrickUse) -> str | None:
        """Reason why modalities cannot be dropped, or None."""
        if use.sharing == "modality_agnostic":
            return (
                "trick `modality_dropout` removes modalities from clips, and with `sharing: modality_agnostic` each is "
                "classified by itself"
            )
        strange = (
            [str(name) for name in self.rate if name not in use.known_modalities] if isinstance(self.rate, dict) else []
        )
        if strange:
            return (
                f"trick `modality_dropout` names {', '.join(strange)}, and the modalities are "
                f"{', '.join(use.known_modalities)}; leave it out"
            )
        return None


class ModalityDropout(Trick):
    """Set modalities of training clips to zero, the mean of the training subset, so that the network can miss them."""

    def __init__(self, options: Options, setup: TrickSetup) -> None:
        rates = {str(m): rate for m, rate in options.rate.items()} if isinstance(options.rate, dict) else None
        self.rates = [options.rate if rates is None else rates.get(m, 0.0) for m in setup.modalities]

    def on_batch(self, batch: Batch, rng: RngStreams) -> Batch:
        """Set the values of dropped modalities to zero; a clip never loses all."""
        sampled = torch.from_numpy(rng.of("modality_dropout").random((len(batch), len(batch.values))))
        dropped = sampled < torch.tensor(self.rates)
        dropped &= ~dropped.all(dim=1, keepdim=True)
        values = {
            name: torch.where(
                dropped[:, k].to(value.device).view(-1, *[1] * (value.dim() - 1)), value.new_zeros(()), value
            )
            for k, (name, value) in enumerate(batch.values.items())
        }
        return replace(batch, values=values)


build = ModalityDropout
