"""A store with everything that networks read by default: twelve clips of small images and short sequences."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd

from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.spec import ArraySpec
from affectstore.store.writer import ShardWriter
from affectstore.timeline import Grid

CLASSES = ("ANG", "HAP", "SAD")
#: Columns of every sequence: as many in each modality, so that weights can be shared.
COLUMNS = 6
_SIZE_PX, _BANDS, _WORDS = 32, 16, 3
_RATE_HZ = 5
_IMAGES = ArraySpec("values", "uint8", ("frame", "height", "width", "channel"), (_SIZE_PX, _SIZE_PX, 3))
_STEPS = ArraySpec("values", "float32", ("frame", "feature"), (COLUMNS,))

SPECS = {
    "mel_image": (ArraySpec("values", "uint8", ("image", "height", "width"), (_SIZE_PX, _SIZE_PX)),),
    "mel_chunks": (ArraySpec("values", "float16", ("frame", "band", "column"), (_BANDS, 4), unit="dB"),),
    "faces": (_IMAGES,),
    "frames": (_IMAGES,),
    "lld": (_STEPS,),
    "vggface": (_STEPS,),
    "bert": (
        ArraySpec("values", "float16", ("word", "feature"), (COLUMNS,)),
        ArraySpec("times", "float64", ("word",), unit="s", allow_nan=True),
        ArraySpec("ends", "float64", ("word",), unit="s", allow_nan=True),
    ),
}


def write_store(root: Path, clips: int = 12) -> Path:
    """Write the store: classes alternate, a class is a level of all values, and clips differ in length.

    Returns:
        A split of it beside the store: half of the clips train, a quarter each validate and test.
    """
    ids = [f"{k:03d}" for k in range(clips)]
    labels = [CLASSES[k % len(CLASSES)] for k in range(clips)]
    rng = np.random.default_rng(0)
    for name, specs in SPECS.items():
        with ShardWriter(root / name, "000", "ab" * 32, specs, {}) as writer:
            for k, (clip_id, label) in enumerate(zip(ids, labels, strict=True)):
                writer.append(clip_id, "cd" * 32, _clip(name, 4 + k % 3, CLASSES.index(label), rng))
            writer.finish()
        commit(root / name, ["000"], {})
    table = pd.DataFrame({"clip_id": ids, "speaker": [f"s{k % 4}" for k in range(clips)], "label_intended": labels})
    table.to_parquet(root / "clips.parquet")
    subsets = np.array(["train", "train", "val", "test"])[np.arange(clips) // 3 % 4]
    split = root.parent / "split.parquet"
    pd.DataFrame({"fold": 0, "clip_id": ids, "subset": subsets, "reason": ""}).to_parquet(split)
    return split


def _clip(name: str, rows: int, level: int, rng: np.random.Generator) -> ClipArrays:
    """A clip of so many rows (an image is one, words are three), all values around a level."""
    values, *others = SPECS[name]
    if others:
        words = rng.normal(level, 0.5, (_WORDS, *values.shape)).astype(values.dtype)
        edges = np.linspace(0, rows / _RATE_HZ, _WORDS + 1)
        return ClipArrays({"values": words, "times": edges[:-1], "ends": edges[1:]})
    shape = (1 if name == "mel_image" else rows, *values.shape)
    if values.dtype == "uint8":
        levels = rng.integers(0, 100, shape) + 70 * level
    else:
        levels = rng.normal(level, 0.5, shape)
        levels = 10 * levels - 50 if values.unit == "dB" else levels
    return ClipArrays({"values": levels.astype(values.dtype)}, Grid(Fraction(0), Fraction(_RATE_HZ)))
