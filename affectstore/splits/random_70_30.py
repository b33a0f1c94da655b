"""Random split 70/30 of early studies on CREMA-D: seed 42 over sorted names, not stratified and not speaker-disjoint.

All actors are in both subsets, so results measure the recognition of known faces and voices, not of new ones.

The studies chose the epoch by its number or on the test subset. Here the last tenth of the shuffled training subset is
set aside for that: of 273 clips 191 train and 82 are tested, and of the 191, 20 choose the epoch.
"""

from __future__ import annotations

from functools import partial

from affectstore.splits._random_split import random_split

VERSION = 1
SPEAKER_DISJOINT = False
split = partial(random_split, tested=0.3, protocol="random_70_30")
