"""Selection and labels of the clips of an experiment."""

import pandas as pd

from affectstore.config.experiment import Experiment
from affectstore.errors import ConfigError, UnknownNameError


def label_clips(clips: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Label every clip, or state the reason why it takes no part in the experiment.

    Args:
        clips: Clips table.
        experiment: Names the label target, the labels that are merged and kept, and the rows selected.

    Returns:
        Columns clip_id, speaker, label and reason, one row per clip in the order of `clips`; `reason` is '' for the
        clips that take part.

    Raises:
        UnknownNameError: `select` names a column that the clips table does not have.
        ConfigError: The clips table has no label of this target.
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
    reason = reason.mask(label.isna() & (reason == ""), no_label_reason(experiment))
    if experiment.classes:
        out = ~label.isin(experiment.classes).fillna(False).astype(bool)
        reason = reason.mask(out & (reason == ""), f"{column} not among the classes")
    return pd.DataFrame(
        {
            "clip_id": clips["clip_id"].astype("string"),
            # A clip of an unknown speaker counts as a speaker of its own where speakers are resampled.
            "speaker": clips["speaker"].astype("string").fillna(clips["clip_id"].astype("string")),
            "label": label.astype("string"),
            "reason": reason,
        }
    )


def no_label_reason(experiment: Experiment) -> str:
    """Reason of clips that lack nothing but a label."""
    return f"no label_{experiment.label_target}"


def participants(clips: pd.DataFrame, experiment: Experiment, unlabelled: bool = False) -> pd.DataFrame:
    """Select the clips that take part: columns clip_id, speaker and label; see `label_clips`.

    Args:
        clips, experiment: As of `label_clips`.
        unlabelled: Keep clips that lack nothing but a label, too.
    """
    labelled = label_clips(clips, experiment)
    kept = labelled["reason"].isin(("", no_label_reason(experiment)) if unlabelled else ("",))
    return labelled.loc[kept, ["clip_id", "speaker", "label"]].reset_index(drop=True)
