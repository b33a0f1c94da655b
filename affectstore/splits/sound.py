"""Speaker-disjoint folds: a speaker's clips are all on one side, and the epoch is chosen on a fold of its own.

Fold k is tested on the k-th group of speakers, the epoch is chosen on the next group, and the others train. The
groups are those that the corpus' card lists, where there is a speaker of each (RAVDESS: six groups of actors;
IEMOCAP: five sessions); else five, or as many as there are speakers, that follow from the speakers' names, so that
a copy with fewer clips of the same speakers has the same folds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from affectstore.corpora.base import CORPORA
from affectstore.splits.base import exclusions, need, split_table, unlabelled

VERSION = 1
SPEAKER_DISJOINT = True
FOLDS = 5
#: How much larger, in clips, the largest group may be when speakers are dealt by name than when by size.
_UNEVEN = 1.25


def split(clips: pd.DataFrame) -> pd.DataFrame:
    """Deal the clips of a corpus.

    Raises:
        CorpusError: fewer than three speakers have usable clips.
    """
    reason = exclusions(clips)
    part = reason == ""
    group = _listed_groups(clips[part]) or groups_of(clips.loc[part, "speaker"])
    folds = max(group.values(), default=-1) + 1
    need(len(group), 3, "speakers", "sound")
    number = clips["speaker"].map(group).fillna(-1).to_numpy(dtype=np.int64)
    no_label = unlabelled(clips)
    dealt = []
    for fold in range(folds):
        side = np.where(number == fold, "test", np.where(number == (fold + 1) % folds, "val", "train")).astype(object)
        why = reason.to_numpy(dtype=object).copy()
        why[part & no_label & (side != "train")] = "no label to validate or test on"
        side[no_label] = "unlabelled"
        side[why != ""] = "excluded"
        dealt.append(pd.DataFrame({"clip_id": clips["clip_id"], "side": side, "reason": why}))
    return split_table(dealt)


def _listed_groups(clips: pd.DataFrame) -> dict[str, int]:
    """Group of each speaker by the corpus' card; nothing where it lists none, or some group has no speaker here."""
    corpus = clips["corpus"].iloc[0] if len(clips) else ""
    if corpus not in CORPORA.names():
        return {}
    card = CORPORA.load(corpus).CARD
    listed = {value: number for number, values in enumerate(card.folds) for value in values}
    number = clips[card.fold_column].map(listed)
    if not listed or number.isna().any() or number.nunique() < len(card.folds):
        return {}
    return {str(speaker): int(group) for speaker, group in zip(clips["speaker"], number, strict=True)}


def groups_of(speakers: pd.Series) -> dict[str, int]:
    """Group of each speaker, given the speaker of each clip.

    Speakers are dealt in turn in the order of their names, which a clip more or less does not change. Only
    where that leaves a group much larger than need be, they are dealt by size: the speaker with most clips
    first, each to the smallest group.
    """
    counts = speakers.value_counts().sort_index()
    folds = min(FOLDS, len(counts))
    by_name = {str(speaker): index % folds for index, speaker in enumerate(counts.index)}
    sizes = np.zeros(folds)
    by_size: dict[str, int] = {}
    for speaker, clips in counts.sort_values(ascending=False, kind="stable").items():
        smallest = int(sizes.argmin())
        by_size[str(speaker)] = smallest
        sizes[smallest] += clips
    largest = max(counts.groupby(counts.index.map(by_name)).sum(), default=0)
    return by_name if largest <= _UNEVEN * sizes.max(initial=0) else by_size
