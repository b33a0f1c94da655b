"""The clips of one fold: who is on which side, who is left out, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from affectstore.config.experiment import Experiment
from affectstore.errors import StoreError
from affectstore.models.base import TrainingError
from affectstore.models.classical.recipe import BaselineRecipe
from affectstore.models.data.dataset import unusable
from affectstore.models.data.word_spans import untimed
from affectstore.models.recipe import Recipe
from affectstore.models.select import judge_clips, no_label

SIDES = ("train", "val", "test")
UNLABELLED_SIDE = "unlabelled"


@dataclass(frozen=True)
class FoldClips:
    """Clips of one fold.

    Attributes:
        sides: side -> columns clip_id, speaker and label, sorted by clip_id.
        left_out: columns clip_id, side, kind and reason: "excluded" by split, label or selection,
            "skipped" for want of a usable feature.
    """

    sides: dict[str, pd.DataFrame]
    left_out: pd.DataFrame

    def reasons(self, kind: str, side: str | None = None) -> dict[str, int]:
        """Reason -> how many clips were "excluded" or "skipped", on one side or on all."""
        rows = self.left_out[self.left_out["kind"] == kind]
        if side is not None:
            rows = rows[rows["side"] == side]
        return {str(reason): int(count) for reason, count in rows["reason"].value_counts().sort_index().items()}


def read_split(path: Path, fold: int) -> pd.DataFrame:
    """Rows of one fold: columns clip_id, side and reason.

    Raises:
        StoreError: the file is missing or has no such fold.
    """
    try:
        split = pd.read_parquet(path)
    except FileNotFoundError:
        raise StoreError(f"no split at {path}; make it first: `affectstore run` does") from None
    rows = split[split["fold"] == fold]
    if rows.empty:
        raise StoreError(f"{path} has no fold {fold}; it has {', '.join(map(str, sorted(set(split['fold']))))}")
    return rows[["clip_id", "side", "reason"]]


def clips_of_fold(
    store: Any,
    split: pd.DataFrame,
    experiment: Experiment,
    recipe: Recipe | BaselineRecipe,
    where: str,
    unlabelled: bool = False,
) -> FoldClips:
    """Deal the clips of a fold to their sides.

    Args:
        store: an open store.
        split: rows of the fold: columns clip_id, side and reason.
        experiment: label target, selection and classes.
        recipe: says which features have to be usable.
        where: what messages call the cell and fold.
        unlabelled: whether clips of the training side that have no label make up a side "unlabelled".

    Raises:
        TrainingError: no clip is left to train on or to test.
    """
    judged = judge_clips(store.clips, experiment)
    rows = split.sort_values("clip_id").merge(judged, on="clip_id", how="left", suffixes=("_split", ""))
    sides: tuple[str, ...] = SIDES
    if unlabelled:
        sides = (*SIDES, UNLABELLED_SIDE)
        bare = rows["side"].isin(("train", UNLABELLED_SIDE)) & (rows["reason"] == no_label(experiment))
        rows.loc[bare, "side"], rows.loc[bare, "reason"] = UNLABELLED_SIDE, ""
    kind, reason = pd.Series("", index=rows.index, dtype="object"), pd.Series("", index=rows.index, dtype="object")

    def leave_out(which: pd.Series, as_kind: str, why: Any) -> None:
        new = which & (kind == "")
        reason[new] = why[new] if isinstance(why, pd.Series) else why
        kind[new] = as_kind

    beside = ~rows["side"].isin(sides)
    by_split = (
        rows["side"]
        .astype("object")
        .where(
            rows["reason_split"].fillna("") == "",
            rows["side"].astype("object") + ": " + rows["reason_split"].fillna(""),
        )
    )
    leave_out(beside, "excluded", by_split)
    leave_out(rows["reason"].isna(), "skipped", "not in the clips table")
    leave_out(rows["reason"].fillna("") != "", "excluded", rows["reason"])
    wanted = rows.loc[kind == "", "clip_id"]
    why = unusable(store, recipe.inputs.values(), wanted)
    if isinstance(recipe, Recipe):
        why |= untimed(store, recipe, wanted[~wanted.isin(why)])
    leave_out(rows["clip_id"].isin(why), "skipped", rows["clip_id"].map(why))

    left_out = rows[["clip_id", "side"]].assign(kind=kind, reason=reason)[kind != ""].reset_index(drop=True)
    kept = rows[kind == ""]
    dealt = {
        side: kept.loc[kept["side"] == side, ["clip_id", "speaker", "label"]].reset_index(drop=True) for side in sides
    }
    clips = FoldClips(dealt, left_out)
    for side in ("train", "test"):
        if dealt[side].empty:
            raise TrainingError(
                f"{where}: no clip is left on the {side} side of {len(split)} in the split; "
                f"excluded: {clips.reasons('excluded') or 'none'}; skipped: {clips.reasons('skipped') or 'none'}"
            )
    return clips
