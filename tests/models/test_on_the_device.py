"""Placement of data: rows are scaled on the device, and stay there or come back; batches are prefetched."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from affectstore.models.cells.recipe import Recipe, recipe_for
from affectstore.models.data import dataset
from affectstore.models.data.batch import BatchMaker, compute_scales
from affectstore.models.data.dataset import estimate_nbytes, load_clips
from affectstore.models.data.fold import FoldData
from affectstore.models.network import Network
from affectstore.models.run_files import FoldFacts, cpu_name
from affectstore.models.train_fold import _fits_on
from affectstore.models.training import loader
from affectstore.models.training import run as training_run
from affectstore.models.training.evaluate import calibrate, predict_logits
from affectstore.models.training.machine import reset_peak_memory
from affectstore.models.training.trainer import Trainer
from affectstore.models.tricks.g_blending import head_losses

CLASSES = ("ANG", "HAP", "SAD")
CPU, GPU, META = torch.device("cpu"), torch.device("cuda"), torch.device("meta")
IMAGE = {"modalities": ["vision"], "encoder": "resnet18"}
CLIP = {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "mean"}
CALIBRATED = CLIP | {"fusion": "weighted"}
STEPS = {"modalities": ["audio", "vision"], "encoder": "mlp", "fusion": "concat"}
STEPS |= {"inputs": {"audio": "mel_chunks", "vision": "faces"}}
DIMS = {"mel_chunks": 64, "faces": 768}
FACTS = FoldFacts("cell", 0, {}, {}, {}, 0)


def recipe(fake: Any, cell: dict[str, Any], colour: str = "grayscale", image_px: int = 8) -> Recipe:
    images = {"image_px": image_px, "colour": colour, "frames": 4}
    experiment = fake.experiment(cell, images=images, sequences={"pool": {"audio": 3}})
    return recipe_for(experiment, experiment.cells[0], CLASSES, DIMS)


def table(store: Any, clips: int = 5) -> pd.DataFrame:
    ids = store.clips["clip_id"][:clips]
    return pd.DataFrame({"clip_id": ids, "speaker": "s", "label": store.clips["label_intended"][:clips]})


class Journal(TorchDispatchMode):
    """Operations on tensors in their order, with the type and the device of their first one."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[str, torch.dtype, str]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for one in args:
            if isinstance(one, torch.Tensor):
                target = str((kwargs or {}).get("device") or one.device)
                self.done.append((f"{function.overloadpacket.__name__} to {target}", one.dtype, one.device.type))
                break
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("colour", ["grayscale", "rgb"])
def test_rows_are_scaled_and_padded_on_the_device_where_they_arrive_as_they_are_stored(
    fake: Any, tmp_path: Path, colour: str
) -> None:
    store, rules = fake.store(), recipe(fake, CLIP, colour)
    here = load_clips(store, rules, table(store), tmp_path)
    with Journal() as journal:
        there = load_clips(store, rules, table(store), tmp_path, META, resident=True)
    sent = {kind for what, kind, device in journal.done if what == "_to_copy to meta" and device == "cpu"}
    assert sent == {torch.uint8, torch.float16, torch.bool, torch.int64}  # images, levels, masks, labels
    scaled = [device for what, _, device in journal.done if "upsample" in what]
    assert scaled == ["meta"] * 2 * 5
    assert {device for what, _, device in journal.done if what.startswith(("mul", "sum", "round"))} <= {"meta"}
    assert there.labels.device == META
    for modality, inputs in here.inputs.items():
        other = there.inputs[modality]
        assert (other.values.device, other.mask.device) == (META, META)
        assert (other.values.shape, other.values.dtype) == (inputs.values.shape, inputs.values.dtype)


def test_values_that_do_not_fit_come_back_as_bytes(fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, rules = fake.store(), recipe(fake, IMAGE)
    expected = load_clips(store, rules, table(store), tmp_path)
    devices = []

    def spy(rows: torch.Tensor, device: torch.device) -> torch.Tensor:
        devices.append(device)
        assert rows.dtype == torch.uint8
        return rows

    monkeypatch.setattr(dataset, "to_device", spy)
    found = load_clips(store, rules, table(store), tmp_path, GPU)
    assert devices == [GPU] * 5
    assert found.labels.device == CPU
    assert torch.equal(found.inputs["vision"].values, expected.inputs["vision"].values)
    assert found.inputs["vision"].values.dtype == torch.uint8


@pytest.mark.parametrize("colour", ["grayscale", "rgb"])
@pytest.mark.parametrize("cell", [IMAGE, CLIP, STEPS], ids=["image", "clip", "steps"])
def test_the_size_of_the_values_is_known_before_they_are_read(
    fake: Any, tmp_path: Path, cell: dict[str, Any], colour: str
) -> None:
    store, rules = fake.store(), recipe(fake, cell, colour)
    loaded = load_clips(store, rules, table(store), tmp_path)
    assert estimate_nbytes(store, rules, table(store)["clip_id"].tolist()) == sum(
        inputs.values.numel() * inputs.values.element_size() for inputs in loaded.inputs.values()
    )


def test_values_stay_where_they_leave_half_of_the_memory_free(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store, rules = fake.store(), recipe(fake, IMAGE)
    subsets = [table(store, 5), table(store, 2)]
    free = 2 * 7 * 8 * 8
    for given, fits in ((free, True), (free - 1, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, given=given: (given, 10 * free))
        assert _fits_on(GPU, store, rules, subsets) is fits
        assert not _fits_on(CPU, store, rules, subsets)


# Prefetching


def test_batches_are_prefetched_where_clips_are_in_memory_and_the_device_is_a_gpu() -> None:
    here = threading.get_ident()

    def threads(clips_on: str, device: torch.device) -> set[bool]:
        clips: Any = SimpleNamespace(labels=SimpleNamespace(device=torch.device(clips_on)))
        maker = BatchMaker(clips, SimpleNamespace(modalities=()), {}, device)
        return set(loader._map(lambda _: threading.get_ident() == here, range(3), maker))

    assert threads("cpu", GPU) == {False}
    assert threads("cuda:0", GPU) == threads("cpu", CPU) == {True}


@pytest.mark.parametrize("which", ["predict_logits", "head_losses", "calibrate"])
def test_whole_subsets_are_prefetched_too(
    fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    store, rules = fake.store(), recipe(fake, CALIBRATED)
    clips = load_clips(store, rules, table(store), tmp_path)
    scales = compute_scales(clips, rules)
    settings = fake.experiment(CALIBRATED, train={"batch_size": 2}).train
    here, ahead, sizes = threading.get_ident(), [], []
    here_made, real = BatchMaker(clips, rules, scales, CPU), BatchMaker.make

    def make(_: BatchMaker, index: range) -> Any:
        ahead.append(threading.get_ident() != here)
        sizes.append(len(index))
        return real(here_made, index)

    def result(device: torch.device) -> Any:
        torch.manual_seed(0)
        network = Network(rules)
        labels: Any = SimpleNamespace(device=CPU, to=lambda _: clips.labels)
        moved = replace(clips, labels=labels)
        if which == "predict_logits":
            return predict_logits(network, BatchMaker(moved, rules, scales, device), 2).tolist()
        if which == "calibrate":
            calibrate(network, FoldData(FACTS, rules, settings, {"val": moved}, scales), device)
            return [value.tolist() for value in network.state_dict().values()]
        batches = {"val": BatchMaker(moved, rules, scales, device)}
        run: Any = SimpleNamespace(model=network, batches=batches, batch_size=2)
        return head_losses("val", run)

    monkeypatch.setattr(BatchMaker, "make", make)
    on_cpu = result(CPU)
    assert (ahead, sizes) == ([False] * 3, [2, 2, 1])
    assert result(GPU) == on_cpu
    assert ahead[3:] == [True] * 3


# Facts about the machine


def test_the_peak_of_a_gpu_is_that_of_one_seed(bench: Any, fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reset: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset.append)
    reset_peak_memory(CPU)
    assert reset == []
    reset_peak_memory(GPU)
    assert reset == [GPU]
    order: list[str] = []
    real = Trainer.fit
    monkeypatch.setattr(training_run, "reset_peak_memory", lambda _: order.append("reset"))
    monkeypatch.setattr(Trainer, "fit", lambda *given: order.append("fit") or real(*given))
    bench.train(fake.experiment({"modalities": ["audio"], "encoder": "simple3d"}, seeds=2, train={"epochs": 1}))
    assert order == ["reset", "fit"] * 2


def test_the_cpu_has_a_name(tmp_path: Path) -> None:
    listed = tmp_path / "cpuinfo"
    listed.write_text("processor\t: 0\nmodel\t\t: 85\nmodel name\t: Made-up CPU @ 2.00GHz\n\nmodel name\t: other\n")
    assert cpu_name(listed) == "Made-up CPU @ 2.00GHz"
    listed.write_text("processor\t: 0\nCPU implementer\t: 0x41\n")
    assert cpu_name(listed)
    assert cpu_name(tmp_path / "nowhere")
