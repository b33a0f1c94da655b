"""Table of every single rating."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affectstore.corpora.iemocap._evaluation import is_evaluator, read_evaluations
from affectstore.corpora.iemocap._tree import EVALUATION, read_tree

_TYPES = {
    "clip_id": "string",
    "rater": "string",
    "self_evaluation": "bool",
    "categories": "string",
    "valence": "float64",
    "activation": "float64",
    "dominance": "float64",
    "comment": "string",
}


def ratings_table(root: Path, corpus: str, url: str) -> pd.DataFrame:
    """Build the table of `affectstore.corpora.iemocap.ratings`."""
    tree = read_tree(root, corpus, url)
    evaluations = read_evaluations(root, tree.files[EVALUATION].items())
    rows = [
        (
            name,
            rater,
            not is_evaluator(rater),
            ";".join(rating.categories) or None,
            rating.valence,
            rating.activation,
            rating.dominance,
            rating.comment or None,
        )
        for name, utterance in sorted(evaluations.utterances.items())
        for rater, rating in sorted(utterance.ratings.items())
    ]
    return pd.DataFrame(rows, columns=list(_TYPES)).astype(_TYPES)
