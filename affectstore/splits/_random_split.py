"""One random fold, as scikit-learn's train_test_split(random_state=42) splits sorted names."""

from __future__ import annotations

import numpy as np
import pandas as pd

from affectstore.splits.base import check_count, exclusions, split_table, unlabelled

SEED = 42
#: Share of the training subset that is set aside as validation subset.
VALIDATION = 0.1


def random_split(clips: pd.DataFrame, tested: float, protocol: str) -> pd.DataFrame:
    """Assign clips to training, validation and test subset at random.

    Args:
        clips: Clips table.
        tested: Share of the clips that is tested, rounded up.
        protocol: Name of the protocol, for messages.

    Raises:
        CorpusError: Fewer than three clips are usable.
    """
    reason = exclusions(clips)
    reason = reason.mask((reason == "") & unlabelled(clips), "no label")
    ids = clips.loc[reason == "", "clip_id"].sort_values().to_numpy()
    check_count(len(ids), 3, "clips", protocol)
    # The legacy generator, because its stream is fixed and is the one of scikit-learn.
    order = np.random.RandomState(SEED).permutation(len(ids))
    n_test = int(np.ceil(tested * len(ids)))
    n_val = int(np.ceil(VALIDATION * (len(ids) - n_test)))
    subset = np.full(len(ids), "train", dtype=object)
    subset[order[:n_test]] = "test"
    subset[order[len(ids) - n_val :]] = "val"
    subsets = pd.Series(subset, index=ids)
    fold = pd.DataFrame({"clip_id": clips["clip_id"], "reason": reason})
    return split_table([fold.assign(subset=fold["clip_id"].map(subsets).fillna("excluded"))])
