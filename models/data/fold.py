"""Clips of one fold: the clips of each subset, and those left out with their reasons."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from affectstore.config.experiment import Experiment, Missing
from affectstore.config.training import Training
from affectstore.errors import StoreError
from affectstore.models.cells.clips import label_clips, no_label_reason
from affectstore.models.cells.parents import ParentRuns
from affectstore.models.cells.recipe import BaselineRecipe, Recipe
from affectstore.models.data.batch import Scale
from affectstore.models.data.dataset import ClipSet, find_unusable
from affectstore.models.data.word_spans import find_untimed
from affectstore.models.run_files import FoldFacts
from affectstore.models.spec import TrainingError
from affectstore.splits.base import SUBSETS

UNLABELLED_SUBSET = "unlabelled"


@dataclass(frozen=True)
class FoldClips:
    """Clips of one fold.

    Attributes:
        subsets: Subset -> columns clip_id, speaker and label, sorted by clip_id.
        left_out: Columns clip_id, subset, kind and reason: "excluded" by split, label or selection, "skipped" for want
            of a usable feature.
    """

    subsets: dict[str, pd.DataFrame]
    left_out: pd.DataFrame

    def reasons(self, kind: str, subset: str | None = None) -> dict[str, int]:
        """Reason -> number of clips that were "excluded" or "skipped", in one subset or in all."""
        rows = self.left_out[self.left_out["kind"] == kind]
        if subset is not None:
            rows = rows[rows["subset"] == subset]
        return {str(reason): int(count) for reason, count in rows["reason"].value_counts().sort_index().items()}


@dataclass(frozen=True)
class FoldData:
    """Data and settings that all seeds of a cell and fold share.

    Attributes:
        facts: The cell, the fold, and the numbers of its clips.
        recipe: Recipe of the network.
        settings: Settings of `train`.
        clips: Subset -> its clips; without "val" where the protocol has no validation subset.
        scales: Modality -> normalisation, from the training subset.
        init_from: Modality -> the trained cell whose encoder it starts from.
        teachers: Modality -> the trained cell that the fusion learns from.
        missing: Ways in which modalities are missing when the test subset is predicted without them.
    """

    facts: FoldFacts
    recipe: Recipe
    settings: Training
    clips: Mapping[str, ClipSet]
    scales: Mapping[str, Scale]
    init_from: Mapping[str, ParentRuns] = field(default_factory=dict)
    teachers: Mapping[str, ParentRuns] = field(default_factory=dict)
    missing: tuple[Missing, ...] = ("masked",)


def read_split(path: Path, fold: int) -> pd.DataFrame:
    """Read the rows of one fold: columns clip_id, subset and reason.

    Raises:
        StoreError: The file is missing or has no such fold.
    """
    try:
        split = pd.read_parquet(path)
    except FileNotFoundError:
        raise StoreError(f"no split at {path}; make it first: `affectstore run` does") from None
    rows = split[split["fold"] == fold]
    if rows.empty:
        raise StoreError(f"{path} has no fold {fold}; it has {', '.join(map(str, sorted(set(split['fold']))))}")
    return rows[["clip_id", "subset", "reason"]]


def select_clips(
    store: Any,
    split: pd.DataFrame,
    experiment: Experiment,
    recipe: Recipe | BaselineRecipe,
    where: str,
    unlabelled: bool = False,
) -> FoldClips:
    """Select the clips of each subset of a fold.

    Args:
        store: An open store.
        split: Rows of the fold: columns clip_id, subset and reason.
        experiment: Label target, selection and classes.
        recipe: Names the features that have to be usable.
        where: Name of the cell and fold in messages.
        unlabelled: Put clips of the training subset that have no label into a subset "unlabelled".

    Raises:
        TrainingError: No clip is left to train on or to test.
    """
    labelled = label_clips(store.clips, experiment)
    rows = split.sort_values("clip_id").merge(labelled, on="clip_id", how="left", suffixes=("_split", ""))
    subsets: tuple[str, ...] = SUBSETS
    if unlabelled:
        subsets = (*SUBSETS, UNLABELLED_SUBSET)
        bare = rows["subset"].isin(("train", UNLABELLED_SUBSET)) & (rows["reason"] == no_label_reason(experiment))
        rows.loc[bare, "subset"], rows.loc[bare, "reason"] = UNLABELLED_SUBSET, ""
    kind, reason = pd.Series("", index=rows.index, dtype="object"), pd.Series("", index=rows.index, dtype="object")

    def leave_out(these: pd.Series, as_kind: str, why: Any) -> None:
        new = these & (kind == "")
        reason[new] = why[new] if isinstance(why, pd.Series) else why
        kind[new] = as_kind

    leave_out(~rows["subset"].isin(subsets), "excluded", _split_reasons(rows))
    leave_out(rows["reason"].isna(), "skipped", "not in the clips table")
    leave_out(rows["reason"].fillna("") != "", "excluded", rows["reason"])
    wanted = rows.loc[kind == "", "clip_id"]
    why = find_unusable(store, recipe.inputs.values(), wanted)
    if isinstance(recipe, Recipe):
        why |= find_untimed(store, recipe, wanted[~wanted.isin(why)])
    leave_out(rows["clip_id"].isin(why), "skipped", rows["clip_id"].map(why))

    left_out = rows[["clip_id", "subset"]].assign(kind=kind, reason=reason)[kind != ""].reset_index(drop=True)
    kept = rows[kind == ""]
    columns = ["clip_id", "speaker", "label"]
    selected = {name: kept.loc[kept["subset"] == name, columns].reset_index(drop=True) for name in subsets}
    clips = FoldClips(selected, left_out)
    for name in ("train", "test"):
        if selected[name].empty:
            raise TrainingError(
                f"{where}: no clip is left in the {name} subset of {len(split)} in the split; "
                f"excluded: {clips.reasons('excluded') or 'none'}; skipped: {clips.reasons('skipped') or 'none'}"
            )
    return clips


def _split_reasons(rows: pd.DataFrame) -> pd.Series:
    """Subset of the split that a clip is in, and the split's reason where it has one."""
    subset, why = rows["subset"].astype("object"), rows["reason_split"].fillna("")
    return subset.where(why == "", subset + ": " + why)
