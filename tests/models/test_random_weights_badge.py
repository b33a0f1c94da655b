"""The run.json of a network trained on features of random weights states it."""

from __future__ import annotations

import json
from typing import Any

import pytest

CELL = {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "time"}


@pytest.mark.parametrize("random", [(), ("frames",), ("frames", "mel_chunks")])
def test_a_run_on_features_of_random_weights_has_a_badge(bench: Any, fake: Any, random: tuple[str, ...]) -> None:
    for name in random:
        bench.store.features[name].attrs = {"random_weights": [name, "vggface"]}
    run = json.loads((bench.train(fake.experiment(CELL)) / "run.json").read_text())
    named = {(): [], ("frames",): ["frames", "vggface"]}.get(random, ["mel_chunks", "vggface", "frames"])
    assert run["random_weights"] == named
    assert run["badges"] == ([f"input from random weights: {', '.join(named)}"] if named else [])
