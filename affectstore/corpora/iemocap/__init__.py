"""IEMOCAP: ten actors in scripted and improvised dialogues of two; 10,039 utterances, rated by several people.

Source: Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee & Narayanan (2008), IEMOCAP: Interactive emotional
dyadic motion capture database, Language Resources and Evaluation 42(4), 335-359.

A clip is an utterance: its audio is a file of its own (`sentences/wav`), its video a part of the dialogue's, on the
half where the speaker sits. The raters watched and listened, so the consensus is `label_audiovisual`; there is no
intended label.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import Field

from affectstore.config.base import Settings
from affectstore.corpora.base import Card, ScanResult
from affectstore.corpora.iemocap._counts import COUNTS
from affectstore.corpora.iemocap._evaluation import EMOTIONS
from affectstore.corpora.iemocap._find import find_clips
from affectstore.corpora.iemocap._marker import MARKER
from affectstore.corpora.iemocap._names import SESSIONS
from affectstore.corpora.iemocap._ratings import ratings_table

__all__ = ["CARD", "Options", "find", "ratings", "replica"]

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
        description="`all`: 10,039, of which 2,507 have votes and no label; `four_classes`: the 5,531 whose consensus "
        "label is ang, hap, exc, sad or neu (an experiment merges `{exc: hap}`); `seed_003`: those of them with a "
        "forced alignment and a transcription that is not only breathing or garbage (5,520).",
    )
    audio: Literal["auto", "sentences", "dialog", "video"] = Field(
        default="auto",
        description="Source of the audio of all utterances: their own files in sentences/wav/, their parts of the "
        "dialogues in dialog/wav/ (two channels), or of the dialogues' videos; `auto`: the first of these that exists.",
    )


def find(root: Path, options: Mapping[str, Any]) -> ScanResult:
    """Find the utterances of a complete or partial copy: any sessions, any of their folders.

    Args:
        root: Folder that holds Session1 to Session5, or some of them.
        options: Fields of `Options`.

    Raises:
        CorpusError: The folder is missing, empty or has no media, an option needs missing files, or a label is unknown.
    """
    chosen = Options(**options)
    return find_clips(Path(root), CARD.name, CARD.url, utterances=chosen.utterances, audio=chosen.audio, marker=MARKER)


def ratings(root: Path) -> pd.DataFrame:
    """Read every single rating.

    Args:
        root: Folder that holds the sessions.

    Returns:
        One row per utterance and rater, sorted: clip_id; rater (E1, E2, ... evaluators; F1, M1 the actors);
        self_evaluation, True for the actors' own ratings, which are not in the consensus; categories (codes joined by
        ";"); valence, activation, dominance (1 to 5, NaN if not rated); comment.

    Raises:
        CorpusError: The folder is missing or empty, or a file is damaged.
    """
    return ratings_table(Path(root), CARD.name, CARD.url)


def replica(root: Path, seed: int = 0, *, video: bool = True) -> None:
    """Generate a small replica of the corpus' folders and files, oddities included, with drawn faces and espeak-ng.

    It contains nothing of the corpus: sentences, labels and ratings are invented. The same seed gives the same bytes.

    Args:
        root: Folder of the replica; created if it is missing.
        seed: Seed; another one gives other actors, takes and ratings of the same sentences.
        video: Generate the dialogues' videos, which take most of the time.

    Raises:
        CorpusError: The folder holds something else, or a part cannot be generated.
    """
    from affectstore.corpora.iemocap._replica import make

    make(Path(root), seed, video=video)
