"""The sides that the corpus itself gives its clips (the column `split` of the clips table): one fold.

Where it gives no validation side, a fifth of the training side's speakers become one, dealt by their names; of
clips whose speakers are not known, a fifth of the clips. Whether speakers are kept apart is the corpus' doing.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from affectstore.errors import CorpusError
from affectstore.splits.base import exclusions, split_table, unlabelled

VERSION = 1
SPEAKER_DISJOINT = False
#: One of so many speakers, or clips, validates.
_SHARE = 5
_NO_LABEL = "no label to validate or test on"


def split(clips: pd.DataFrame) -> pd.DataFrame:
    """Deal the clips of a corpus.

    Raises:
        CorpusError: the corpus gives its clips no sides, or none that trains or tests.
    """
    reason = exclusions(clips, speakers=False).to_numpy(dtype=object).copy()
    side = clips["split"].astype("object").where(clips["split"].notna(), "").to_numpy(dtype=object).copy()
    reason[(side == "") & (reason == "")] = "the corpus gives it no side"
    no_label = unlabelled(clips)
    reason[(reason == "") & no_label & (side != "train")] = _NO_LABEL
    for needed in ("train", "test"):
        if not ((side == needed) & (reason == "") & ~no_label).any():
            raise CorpusError(
                f"protocol 'given' needs usable clips with a label on the side {needed!r}, and the corpus gives it to "
                "none (column `split`); `sound` makes sides itself"
            )
    train = (side == "train") & (reason == "")
    if not ((side == "val") & (reason == "")).any():
        validating = _validating(clips, train & ~no_label) & train
        side[validating] = "val"
        reason[validating & no_label] = _NO_LABEL
    side[(side == "train") & no_label] = "unlabelled"
    side[reason != ""] = "excluded"
    return split_table([pd.DataFrame({"clip_id": clips["clip_id"], "side": side, "reason": reason})])


def _validating(clips: pd.DataFrame, train: np.ndarray) -> np.ndarray:
    """Whose clips validate instead of training, bool (clip,), by the speakers of the labelled ones."""
    who = clips["speaker"].where(clips["speaker"].notna(), clips["clip_id"]).astype(str).to_numpy()
    names = sorted(set(who[train]), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    if len(names) < 2:
        raise CorpusError(
            "protocol 'given': the corpus gives no validation side, and none can be made of a training side of one "
            "speaker; say `val` in the column `split`"
        )
    return np.isin(who, names[: max(1, len(names) // _SHARE)])
