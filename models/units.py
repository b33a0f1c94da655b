"""What is classified: clips, or each modality of a clip by itself (`sharing: union`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F


def stacked(values: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """All modalities as one batch: every clip's first one, then every clip's next one.

    Args:
        values: modality -> (clip, ...), of one shape but for the number of steps.
        masks: modality -> bool (clip, frame) or (clip, step).

    Returns:
        Values (modality x clip, ...) and mask (modality x clip, frame or step); shorter sequences are padded with
        zeros.
    """
    steps = max(mask.shape[1] for mask in masks.values())
    wide = {m: F.pad(x, (0, 0, 0, steps - x.shape[1])) if x.dim() == 3 else x for m, x in values.items()}
    return torch.cat([*wide.values()]), torch.cat([F.pad(mask, (0, steps - mask.shape[1])) for mask in masks.values()])


def labels_of_units(labels: Tensor, logits: Tensor) -> Tensor:
    """The labels of what the logits are of: of the clips, once or once a modality.

    Args:
        labels: int64 (clip,).
        logits: (clip, class) or (modality x clip, class).

    Returns:
        int64, one for each row of the logits.
    """
    return labels.repeat(len(logits) // len(labels))


def units_of(clips: pd.DataFrame, modalities: Sequence[str]) -> pd.DataFrame:
    """What predictions are of, in the order of the logits.

    Args:
        clips: columns clip_id, speaker and label.
        modalities: those that are classified for themselves; none: clips are.

    Returns:
        The same rows, or as many for each modality with a column of its name; numbered from 0.
    """
    parts = [clips.assign(modality=modality) for modality in modalities] or [clips]
    return pd.concat(parts, ignore_index=True)
