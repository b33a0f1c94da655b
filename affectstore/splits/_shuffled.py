"""One random fold, as scikit-learn's train_test_split(random_state=42) deals it over sorted names."""

from __future__ import annotations

import numpy as np
import pandas as pd

from affectstore.splits.base import exclusions, need, split_table, unlabelled

SEED = 42
#: Part of the training subset that is set aside to choose the epoch on.
VALIDATION = 0.1


def shuffled(clips: pd.DataFrame, tested: float, protocol: str) -> pd.DataFrame:
    """Deal the clips at random into training, validation and test subset.

    Args:
        clips: the clips table.
        tested: part of the clips that is tested, rounded up.
        protocol: the protocol's name, for messages.

    Raises:
        CorpusError: fewer than three clips are usable.
    """
    reason = exclusions(clips)
    reason = reason.mask((reason == "") & unlabelled(clips), "no label")
    ids = clips.loc[reason == "", "clip_id"].sort_values().to_numpy()
    need(len(ids), 3, "clips", protocol)
    # The old generator, because its stream is fixed for ever and is the one that scikit-learn draws from.
    order = np.random.RandomState(SEED).permutation(len(ids))
    n_test = int(np.ceil(tested * len(ids)))
    n_val = int(np.ceil(VALIDATION * (len(ids) - n_test)))
    subset = np.full(len(ids), "train", dtype=object)
    subset[order[:n_test]] = "test"
    subset[order[len(ids) - n_val :]] = "val"
    subsets = pd.Series(subset, index=ids)
    fold = pd.DataFrame({"clip_id": clips["clip_id"], "reason": reason})
    return split_table([fold.assign(subset=fold["clip_id"].map(subsets).fillna("excluded"))])
