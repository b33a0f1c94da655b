"""Selection and labels of clips."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from affectstore.config.experiment import Experiment
from affectstore.errors import ConfigError, UnknownNameError
from affectstore.models.cells.clips import label_clips, participants

CLIPS = pd.DataFrame(
    {
        "clip_id": list("abcdef"),
        "speaker": list("xxyyzz"),
        "level": ["HI", "LO", "HI", "HI", None, "HI"],
        "label_intended": ["ang", "exc", "hap", "sad", "ang", "fea"],
        "label_audio": ["ang", None, "hap", pd.NA, "sad", "fea"],
    },
    dtype="string",
)


def experiment(**changes: Any) -> Experiment:
    return Experiment(title="t", corpus="c", cells=({"modalities": ["audio"], "encoder": "resnet18"},), **changes)


def test_all_clips_with_a_label_take_part() -> None:
    assert participants(CLIPS, experiment())["label"].tolist() == ["ang", "exc", "hap", "sad", "ang", "fea"]
    assert participants(CLIPS, experiment())["speaker"].tolist() == list("xxyyzz")
    assert participants(CLIPS, experiment(label_target="audio"))["clip_id"].tolist() == list("acef")


def test_labels_are_merged_before_classes_are_kept() -> None:
    kept = participants(CLIPS, experiment(merge={"exc": "hap"}, classes=("hap", "sad")))
    assert list(zip(kept["clip_id"], kept["label"], strict=True)) == [("b", "hap"), ("c", "hap"), ("d", "sad")]


def test_every_clip_left_out_has_a_reason() -> None:
    labelled = label_clips(CLIPS, experiment(label_target="audio", select={"level": ("HI",)}, classes=("ang", "hap")))
    reasons = dict(zip(labelled["clip_id"], labelled["reason"], strict=True))
    assert reasons == {
        "a": "",
        "b": "level not selected",
        "c": "",
        "d": "no label_audio",
        "e": "level not selected",
        "f": "label_audio not among the classes",
    }


def test_an_unknown_column_or_target_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"'levle'.*Did you mean 'level'"):
        label_clips(CLIPS, experiment(select={"levle": ("HI",)}))
    with pytest.raises(ConfigError, match="label_visual"):
        label_clips(CLIPS, experiment(label_target="visual"))
