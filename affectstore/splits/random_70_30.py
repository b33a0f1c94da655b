"""70/30 at random, as early studies on CREMA-D did: seed 42 over sorted names, neither stratified nor
speaker-disjoint. Every actor is on both subsets, so its figures say how well known faces and voices are
recognised; they are no estimate for new ones.

The studies chose the epoch by its number or on the test subset. Here the last tenth of the shuffled training
subset is set aside for that: of 273 clips 191 train and 82 are tested, and of the 191, 20 choose the epoch.
"""

from __future__ import annotations

import pandas as pd

from affectstore.splits._shuffled import shuffled

VERSION = 1
SPEAKER_DISJOINT = False


def split(clips: pd.DataFrame) -> pd.DataFrame:
    """Deal the clips of a corpus.

    Raises:
        CorpusError: fewer than three clips are usable.
    """
    return shuffled(clips, 0.3, "random_70_30")
