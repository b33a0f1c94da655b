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


def split(clips: pd.DataFrame) -> pd.DataFrame:
    """Deal the clips of a corpus.

    Raises:
        CorpusError: the corpus gives its clips no sides, or none that trains or tests.
    """
    reason = exclusions(clips, speakers=False).to_numpy(dtype=object).copy()
    side = clips["split"].astype("object").where(clips["split"].notna(), "").to_numpy(dtype=object).copy()
    reason[(side == "") & (reason == "")] = "the corpus gives it no side"
    no_label = unlabelled(clips)
    reason[(reason == "") & no_label & (side != "train")] = "no label to validate or test on"
    for needed in ("train", "test"):
        if not ((side == needed) & (reason == "")).any():
            raise CorpusError(
                f"protocol 'given' needs clips on the side {needed!r}, and the corpus gives it to none (column "
                "`split`); `sound` makes sides itself"
            )
    train = (side == "train") & (reason == "") & ~no_label
    if not ((side == "val") & (reason == "")).any():
        side[_validating(clips, train)] = "val"
    side[(side == "train") & no_label] = "unlabelled"
    side[reason != ""] = "excluded"
    return split_table([pd.DataFrame({"clip_id": clips["clip_id"], "side": side, "reason": reason})])


def _validating(clips: pd.DataFrame, train: np.ndarray) -> np.ndarray:
    """Which clips of the training side validate, bool (clip,)."""
    who = clips["speaker"].where(clips["speaker"].notna(), clips["clip_id"]).astype(str).to_numpy()
    names = sorted(set(who[train]), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    if len(names) < 2:
        raise CorpusError(
            "protocol 'given': the corpus gives no validation side, and none can be made of a training side of one "
            "speaker; say `val` in the column `split`"
        )
    return train & np.isin(who, names[: max(1, len(names) // _SHARE)])
