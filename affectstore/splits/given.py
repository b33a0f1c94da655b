"""Subsets of the corpus itself (column `split` of the clips table): one fold.

If the corpus has no validation subset, it consists of a fifth of the training subset's speakers, chosen by their names,
or of a fifth of the clips if speakers are unknown. The corpus determines if speakers are separated.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from affectstore.errors import CorpusError
from affectstore.splits.base import exclusions, split_table, unlabelled

VERSION = 1
SPEAKER_DISJOINT = False
#: One of this many speakers, or clips, is used for validation.
_VALIDATION_EVERY = 5
_NO_LABEL = "no label to validate or test on"


def split(clips: pd.DataFrame) -> pd.DataFrame:
    """Assign the clips of a corpus to its own subsets.

    Raises:
        CorpusError: The corpus has no subsets, or no usable clip for training or test.
    """
    reason = exclusions(clips, speakers=False).to_numpy(dtype=object).copy()
    subset = clips["split"].astype("object").where(clips["split"].notna(), "").to_numpy(dtype=object).copy()
    reason[(subset == "") & (reason == "")] = "the corpus gives it no subset"
    no_label = unlabelled(clips)
    reason[(reason == "") & no_label & (subset != "train")] = _NO_LABEL
    for needed in ("train", "test"):
        if not ((subset == needed) & (reason == "") & ~no_label).any():
            raise CorpusError(
                f"protocol 'given' needs usable clips with a label in the subset {needed!r}, and the corpus gives it "
                "to none (column `split`); `speaker_independent` makes subsets itself"
            )
    train = (subset == "train") & (reason == "")
    if not ((subset == "val") & (reason == "")).any():
        validating = _validating(clips, train & ~no_label) & train
        subset[validating] = "val"
        reason[validating & no_label] = _NO_LABEL
    subset[(subset == "train") & no_label] = "unlabelled"
    subset[reason != ""] = "excluded"
    return split_table([pd.DataFrame({"clip_id": clips["clip_id"], "subset": subset, "reason": reason})])


def _validating(clips: pd.DataFrame, train: np.ndarray) -> np.ndarray:
    """Choose the clips that validate instead of training, bool (clip,), by the speakers of the labelled ones."""
    speakers = clips["speaker"].where(clips["speaker"].notna(), clips["clip_id"]).astype(str).to_numpy()
    names = sorted(set(speakers[train]), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    if len(names) < 2:
        raise CorpusError(
            "protocol 'given': the corpus has no validation subset, and a training subset of one speaker cannot be "
            "divided; write `val` in the column `split`"
        )
    return np.isin(speakers, names[: max(1, len(names) // _VALIDATION_EVERY)])
