"""IEMOCAP: ten actors in scripted and improvised dialogues of two; 10,039 utterances, rated by several people.

Source: Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee & Narayanan (2008), IEMOCAP: Interactive emotional
dyadic motion capture database, Language Resources and Evaluation 42(4), 335-359.

A clip is an utterance: its sound is a file of its own (`sentences/wav`), its picture a part of the dialogue's video,
on the half where the speaker sits. The raters watched and listened, so the consensus is `label_audiovisual`; there is
no intended label.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import Field

from affectstore.config.base import Settings
from affectstore.corpora.base import Card, Found
from affectstore.corpora.iemocap._counts import COUNTS
from affectstore.corpora.iemocap._evaluation import EMOTIONS
from affectstore.corpora.iemocap._find import find_clips
from affectstore.corpora.iemocap._marker import MARKER
from affectstore.corpora.iemocap._names import SESSIONS
from affectstore.corpora.iemocap._ratings import ratings_table

__all__ = ["CARD", "Options", "find", "lookalike", "ratings"]

CARD = Card(
    name="iemocap",
    title="IEMOCAP: Interactive Emotional Dyadic Motion Capture database",
    licence="for research, by agreement with the University of Southern California; not to be passed on",
    citation="Busso, C., Bulut, M., Lee, C.-C., Kazemzadeh, A., Mower, E., Kim, S., Chang, J. N., Lee, S., & "
    "Narayanan, S. S. (2008). IEMOCAP: Interactive emotional dyadic motion capture database. Language Resources and "
    "Evaluation, 42(4), 335-359. https://doi.org/10.1007/s10579-008-9076-6",
    url="https://sail.usc.edu/iemocap/",
    labels=tuple(EMOTIONS),
    label_names=EMOTIONS,
    counts=COUNTS["all"],
    folds=tuple((session,) for session in SESSIONS),
    fold_column="session",
)


class Options(Settings):
    """Options of the corpus in config.yaml."""

    utterances: Literal["all", "four_classes", "seed_003"] = Field(
        default="all",
        description="`all`: 10,039, of which 2,507 have votes and no label; `four_classes`: the 5,531 that the raters "
        "agree to be ang, hap, exc, sad or neu (an experiment merges `{exc: hap}`); `seed_003`: those of them with a "
        "forced alignment and more to transcribe than breathing or garbage (5,520).",
    )
    audio: Literal["auto", "sentences", "dialog", "video"] = Field(
        default="auto",
        description="Where the sound of every utterance comes from: its own file in sentences/wav/, its part of the "
        "dialogue in dialog/wav/ (two channels), or of the dialogue's video; `auto`: the first of these that is there.",
    )


def find(root: Path, options: Mapping[str, Any]) -> Found:
    """Find the utterances of a complete or partial copy: any sessions, any of their folders.

    Args:
        root: folder that holds Session1 to Session5, or some of them.
        options: see `Options`.

    Raises:
        CorpusError: the folder is missing, empty or has no media; an option needs what is not there; a label is
            unknown.
    """
    chosen = Options(**options)
    return find_clips(Path(root), CARD.name, CARD.url, utterances=chosen.utterances, audio=chosen.audio, marker=MARKER)


def ratings(root: Path) -> pd.DataFrame:
    """What each rater gave to each utterance.

    Args:
        root: as of `find`.

    Returns:
        One row an utterance and rater, sorted: clip_id; rater (E1, E2, ... evaluators; F1, M1 the actors);
        self_evaluation, True for the actors' own, which are not in the consensus; categories (codes joined by ";");
        valence, activation, dominance (1 to 5, NaN where not given); comment.

    Raises:
        CorpusError: see `find`.
    """
    return ratings_table(Path(root), CARD.name, CARD.url)


def lookalike(root: Path, seed: int = 0, *, video: bool = True) -> None:
    """Make a small tree that is laid out as the corpus is, oddities included, with drawn faces and espeak-ng's voice.

    Nothing of the corpus is in it: the sentences, labels and ratings are made up. The same seed gives the same bytes.

    Args:
        root: folder of the tree; made when it is not there.
        seed: another seed gives other actors, takes and ratings of the same sentences.
        video: False leaves out the dialogues' videos, which take most of the time.

    Raises:
        CorpusError: the folder holds something else, or a part cannot be made.
    """
    from affectstore.corpora.iemocap._lookalike import make

    make(Path(root), seed, video=video)
