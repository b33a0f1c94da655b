"""Speaker-independent cross-validation: all clips of a speaker are in one subset, and validation has a fold of its own.

Fold k tests on the k-th group of speakers, validates on the next group and trains on the others. The groups are those
that the corpus' card lists, if each of them has a speaker here (RAVDESS: six groups of actors; IEMOCAP: five sessions).
Otherwise there are five groups, or as many as there are speakers if these are fewer, which follow from the names of the
speakers: a copy with fewer clips of the same speakers has the same folds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from affectstore.corpora.base import CORPORA
from affectstore.splits.base import check_count, exclusions, split_table, unlabelled

VERSION = 1
SPEAKER_DISJOINT = True
FOLDS = 5
#: Size of the largest group, in clips, up to which groups by name are kept, relative to the largest group by size.
_UNEVEN = 1.25


def split(clips: pd.DataFrame) -> pd.DataFrame:
    """Assign the clips of a corpus to folds and subsets.

    Raises:
        CorpusError: Fewer than three speakers have usable clips.
    """
    reason = exclusions(clips)
    part = reason == ""
    group = _listed_groups(clips[part]) or groups_of(clips.loc[part, "speaker"])
    folds = max(group.values(), default=-1) + 1
    check_count(len(group), 3, "speakers", "speaker_independent")
    number = clips["speaker"].map(group).fillna(-1).to_numpy(dtype=np.int64)
    no_label = unlabelled(clips)
    tables = []
    for fold in range(folds):
        subset = np.where(number == fold, "test", np.where(number == (fold + 1) % folds, "val", "train")).astype(object)
        why = reason.to_numpy(dtype=object).copy()
        why[part & no_label & (subset != "train")] = "no label to validate or test on"
        subset[no_label] = "unlabelled"
        subset[why != ""] = "excluded"
        tables.append(pd.DataFrame({"clip_id": clips["clip_id"], "subset": subset, "reason": why}))
    return split_table(tables)


def _listed_groups(clips: pd.DataFrame) -> dict[str, int]:
    """Return the group of each speaker on the corpus' card; empty if it lists none, or a group has no speaker here."""
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
    """Return the group of each speaker.

    Speakers are assigned to the groups in turn, in the order of their names, which does not depend on the number of
    clips. If the largest group is then much larger than it has to be, they are assigned by size instead: the speaker
    with the most clips first, each to the group that is smallest so far.

    Args:
        speakers: Speaker of each clip.
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
