"""A project of CREMA-D's size in which all is built, made in seconds: `python -m benchmarks.big_project CLIPS SHARDS`.

Run in an empty folder. The media are real files of a few hundred bytes under CREMA-D's names, every one
different; the features are written by the store's own writer, under the keys that the preflight plans,
but are rows of zeros; markers, metrics and tables are those of an experiment that has been trained, with
nothing in them. To the preflight and to Snakemake it is a finished project.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import yaml

from affectstore.corpora._crema_d_names import EMOTIONS, SENTENCES
from affectstore.features.extract import provenance, storage
from affectstore.features.keys import FeatureInstance
from affectstore.paths import RESULTS
from affectstore.preflight.cells import data_digests
from affectstore.preflight.stale_ledgers import FeatureState
from affectstore.preflight.stale_runs import runs_digest
from affectstore.preflight.state import State, plan_all
from affectstore.splits.base import PROTOCOLS, write_split
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.writer import ShardWriter
from affectstore.timeline import Grid

CORPUS, EXPERIMENT, CLIPS, SHARDS = "crema-d", "big", 7442, 16

_CONFIG = {
    "features": {
        "audio": {"extractor": "audio"},
        "frames": {"extractor": "frames", "options": {"size_px": 8}},
        "faces": {"extractor": "faces", "options": {"size_px": 8}},
        "mel": {"extractor": "mel"},
        "mel_image": {"extractor": "mel_image", "options": {"size_px": 8}},
        "mel_chunks": {"extractor": "mel_chunks", "options": {"width": 1}},
    },
    "experiments": [EXPERIMENT],
}
_EXPERIMENT = {
    "title": "as large as the whole corpus",
    "corpus": CORPUS,
    "seeds": 3,
    "cells": [
        {"modalities": modalities, "encoder": encoder, **fusion}
        for encoder in ("resnet18", "simple3d")
        for modalities, fusion in (
            (["audio"], {}),
            (["vision"], {}),
            (["audio", "vision"], {"fusion": "horizontal"}),
            (["audio", "vision"], {"fusion": "vertical"}),
        )
    ],
}


def make(clips: int, shards: int) -> None:
    """Make the project in the working folder."""
    Path("workflow/experiments").mkdir(parents=True)
    Path("config.yaml").write_text(
        yaml.safe_dump({"corpora": {CORPUS: {"root": "media", "shards": shards}}, **_CONFIG})
    )
    Path(f"workflow/experiments/{EXPERIMENT}.yaml").write_text(yaml.safe_dump(_EXPERIMENT))
    _write_media(Path("media/VideoFlash"), clips)
    state = plan_all()
    for name, feature in state.features.items():
        _write_feature(feature, state.stores[CORPUS][name])
    _write_runs(plan_all())


def names(clips: int) -> list[str]:
    """The first names of the corpus, as it makes them: the first sentence at three levels."""
    first, *others = SENTENCES
    spoken = [
        (first, emotion, "XX" if emotion == "NEU" else level) for emotion in EMOTIONS for level in _levels(emotion)
    ]
    spoken += [(sentence, emotion, "XX") for sentence in others for emotion in EMOTIONS]
    everything = itertools.product(range(1001, 1092), spoken)
    return [f"{actor}_{'_'.join(rest)}" for actor, rest in itertools.islice(everything, clips)]


def _levels(emotion: str) -> tuple[str, ...]:
    return ("XX",) if emotion == "NEU" else ("LO", "MD", "HI")


def _write_media(folder: Path, clips: int) -> None:
    folder.mkdir(parents=True)
    clip = _short_clip()
    for number, name in enumerate(names(clips)):
        path = folder / f"{name}.flv"
        # A `free` box is skipped by whoever reads the file, and makes it another file.
        path.write_bytes(clip + (16).to_bytes(4) + b"free" + number.to_bytes(8))
        os.utime(path, (1e9, 1e9))  # as old as a corpus is: what was written just now is read once more


def _short_clip() -> bytes:
    """Sound and picture of a fifth of a second; readers go by the content, not by the suffix."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width = video.height = 16
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=16000, layout="mono")
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
            container.mux(video.encode(frame))
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 3200), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 16000
        container.mux(audio.encode(sound))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    return buffer.getvalue()


def _write_feature(feature: FeatureInstance, planned: FeatureState) -> None:
    folder = RESULTS.feature(CORPUS, feature.name)
    arrays = storage(feature, None)
    row = {spec.name: np.zeros((1, *spec.shape), spec.dtype) for spec in arrays}
    clip = ClipArrays(row, Grid(Fraction(0), Fraction(1)))
    for shard, clip_ids in planned.clip_ids.items():
        with ShardWriter(folder, shard, feature.digest, arrays, provenance(feature)) as writer:
            for clip_id, key in zip(clip_ids, planned.keys[shard], strict=True):
                writer.append(clip_id, key, clip)
            writer.finish()
    commit(folder, list(planned.clip_ids), provenance(feature))


def _write_runs(state: State) -> None:
    experiment, clips = state.resolved.experiment(EXPERIMENT), state.manifests[CORPUS].clips
    split = PROTOCOLS.load(experiment.protocol).split(clips)
    folders = [
        RESULTS.split(CORPUS, experiment.protocol).parent,
        RESULTS.published_split(CORPUS, experiment.protocol).parent,
    ]
    write_split(split, CORPUS, experiment.protocol, clips, folders)
    keys = {name: held.key_of_clip() for name, held in state.stores[CORPUS].items()}
    cells = state.experiments[EXPERIMENT].cells
    for cell in cells:
        by_key = data_digests(experiment, clips, split, cell.fold, cell.features, keys)
        marker = {
            "digests": {**by_key, "config": cell.config},
            "keys": by_key["features"],
            "seeds": list(range(experiment.seeds)),
        }
        cell.marker.parent.mkdir(parents=True)
        cell.marker.write_text(json.dumps(marker))
    metrics = RESULTS.metrics(EXPERIMENT)
    for path in (metrics, *map(Path, state.targets([EXPERIMENT]))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        if path == metrics:
            RESULTS.scored_runs(EXPERIMENT).write_text(json.dumps({"runs": runs_digest(experiment, cells)}))


if __name__ == "__main__":
    make(int(sys.argv[1]), int(sys.argv[2]))
