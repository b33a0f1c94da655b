"""Which clips take part in an experiment, and under which label."""

from __future__ import annotations

import pandas as pd

from affectstore.config.experiment import Experiment
from affectstore.errors import ConfigError, UnknownNameError


def judge_clips(clips: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Every clip with its label under the experiment, or the reason why it takes no part.

    Args:
        clips: the clips table.
        experiment: names the label target, the labels that are merged and kept, and the rows selected.

    Returns:
        Columns clip_id, speaker, label and reason, one row a clip in the order of `clips`; `reason` is
        '' for the clips that take part.

    Raises:
        UnknownNameError: `select` names a column that the clips table does not have.
        ConfigError: the clips table has no label of this target.
    """
    column = f"label_{experiment.label_target}"
    if column not in clips.columns:
        raise ConfigError(f"label_target {experiment.label_target!r}: the clips table has no column {column!r}")
    label = clips[column].astype("string").map(lambda value: experiment.merge.get(value, value), na_action="ignore")
    reason = pd.Series("", index=clips.index, dtype="string")
    for name, kept in experiment.select.items():
        if name not in clips.columns:
            raise UnknownNameError("column of the clips table in `select`", name, clips.columns)
        out = ~clips[name].astype("string").isin(kept).fillna(False).astype(bool)
        reason = reason.mask(out & (reason == ""), f"{name} not selected")
    reason = reason.mask(label.isna() & (reason == ""), no_label(experiment))
    if experiment.classes:
        out = ~label.isin(experiment.classes).fillna(False).astype(bool)
        reason = reason.mask(out & (reason == ""), f"{column} not among the classes")
    return pd.DataFrame(
        {
            "clip_id": clips["clip_id"].astype("string"),
            # A clip whose speaker is not known stands for itself where speakers are resampled.
            "speaker": clips["speaker"].astype("string").fillna(clips["clip_id"].astype("string")),
            "label": label.astype("string"),
            "reason": reason,
        }
    )


def no_label(experiment: Experiment) -> str:
    """The reason of clips that lack nothing but a label."""
    return f"no label_{experiment.label_target}"


def participants(clips: pd.DataFrame, experiment: Experiment, unlabelled: bool = False) -> pd.DataFrame:
    """The clips that take part: columns clip_id, speaker and label; see `judge_clips`.

    Args:
        clips, experiment: as of `judge_clips`.
        unlabelled: whether those that lack nothing but a label take part too.
    """
    judged = judge_clips(clips, experiment)
    kept = judged["reason"].isin(("", no_label(experiment)) if unlabelled else ("",))
    return judged.loc[kept, ["clip_id", "speaker", "label"]].reset_index(drop=True)
