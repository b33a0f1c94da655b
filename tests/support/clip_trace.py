"""Trace from video files to a row of a table: a module to run, which prints what ran as JSON.

The planning and the job functions run in one process, in the order of the DAG, under a profile hook that notes the
modules of our packages whose functions run, and those whose functions receive or return values of clips.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd

from support import odd_media, tiny_project
from support.python import run_python

CONFIG: dict[str, Any] = {
    "corpora": {"own": {"kind": "folder", "root": "media", "shards": 1}},
    "features": {"audio": {"extractor": "audio"}, "mel": {"extractor": "mel"}},
    "experiments": ["tiny"],
}
EXPERIMENT: dict[str, Any] = {
    "title": "tiny",
    "corpus": "own",
    "folds": [0],
    "seeds": 1,
    "inputs": {"audio": {"sequence": "mel"}},
    "train": {"epochs": 1, "batch_size": 4},
    "cells": [{"modalities": ["audio"], "encoder": "blstm", "name": "net"}],
}
CLIPS = 12
#: Types of our packages that stand for values without being arrays, or before they are read.
VALUE_TYPES = {"LazyArrays", "ConfusionCounts", "Row"}


def holds_values(thing: Any, depth: int = 4) -> bool:
    """Test if an argument or a result is or contains values of clips.

    Values are packets and frames of an opened video, arrays and tensors, tables of predictions and metrics, confusion
    counts and rows. Int64 arrays are none (positions, labels and sizes), nor are parameters of networks.
    """
    if isinstance(thing, pd.DataFrame):
        return any(column == "metric" or str(column).startswith("p_") for column in thing.columns)
    if type(thing).__module__.split(".")[0] == "av" or type(thing).__name__ in VALUE_TYPES:
        return True
    if isinstance(thing, np.ndarray):
        return thing.ndim > 0 and thing.dtype.kind in "fiu" and thing.dtype not in (np.int64, np.uint64)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(thing, torch.Tensor):
        return thing.dim() > 0 and thing.dtype != torch.int64 and not isinstance(thing, torch.nn.Parameter)
    if depth == 0 or isinstance(thing, type):
        return False
    if isinstance(thing, dict):  # names with a dot: the state of a network
        thing = [] if any("." in str(key) for key in thing) else list(thing.values())
    elif dataclasses.is_dataclass(thing):
        thing = [getattr(thing, field.name, None) for field in dataclasses.fields(thing)]
    return isinstance(thing, list | tuple) and any(holds_values(part, depth - 1) for part in thing[:20])


class Trace:
    """Profile hook that collects modules.

    Attributes:
        ran: Modules with a function that ran.
        held: Module -> its functions that received or returned values of clips.
    """

    def __init__(self) -> None:
        self.ran: set[str] = set()
        self.held: dict[str, set[str]] = {}

    def __call__(self, frame: FrameType, event: str, result: Any) -> None:
        """Note a call or a return."""
        code, module = frame.f_code, frame.f_globals.get("__name__", "")
        if event not in ("call", "return") or code.co_name == "<module>" or not module.startswith("affectstore"):
            return
        module = module.removesuffix("__declaration")  # a file of which only SPEC and Options are read
        self.ran.add(module)
        functions = self.held.setdefault(module, set())
        if code.co_qualname in functions:
            return
        sys.setprofile(None)  # a look at a value is no part of the way
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        values = [frame.f_locals.get(name) for name in names] if event == "call" else [result]
        if any(map(holds_values, values)):
            functions.add(code.co_qualname)
        sys.setprofile(self)


def main(folder: Path) -> None:
    """Write videos into `folder`, and take them to a row of a table."""
    tiny_project.make_project(folder, CONFIG, EXPERIMENT)
    media = folder / "media"
    media.mkdir()
    video = odd_media.good_mp4(media, "0.mp4", seconds=0.6).read_bytes()
    rows = ["path,label,speaker"]
    for number in range(CLIPS):
        (media / f"{number}.mp4").write_bytes(video + (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big"))
        rows.append(f"{number}.mp4,{('calm', 'tense')[number % 2]},s{number // 2}")
    (media / "clips.csv").write_text("\n".join(rows) + "\n")
    os.chdir(folder)
    trace = Trace()
    sys.setprofile(trace)
    threading.setprofile(trace)
    try:
        row = run_everything()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    held = {module: sorted(functions) for module, functions in trace.held.items() if functions}
    print(json.dumps({"ran": sorted(trace.ran), "held": held, "row": row}))


def run_everything() -> str:
    """Plan and run every job, as `affectstore run` does; return the table."""
    from affectstore.jobs.commit import commit
    from affectstore.jobs.extract import extract
    from affectstore.jobs.score import score
    from affectstore.jobs.split import split
    from affectstore.jobs.tabulate import tabulate
    from affectstore.jobs.train import train
    from affectstore.preflight.state import plan_runs, plan_stores

    state = plan_stores()
    for feature, instance in state.features.items():
        extract(state.config_file, "own", feature, "000", instance.digest)
        commit(state.config_file, "own", feature, instance.digest)
    state = plan_runs(plan_stores())
    split(state.config_file, "own", "speaker_independent")
    digest = state.cell("tiny", "net", 0).config
    assert digest is not None
    train(state.config_file, "tiny", "net", 0, digest)
    score(state.config_file, "tiny")
    return tabulate(state.config_file, "tiny")


def traced(folder: Path) -> dict[str, Any]:
    """Trace in a process of its own, whose caches are empty."""
    done = run_python("-m", "support.clip_trace", str(folder), tests=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
