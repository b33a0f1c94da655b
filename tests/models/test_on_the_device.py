"""What happens where: rows are scaled on the device, and stay there or come back; batches are read ahead."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from affectstore.models.data import dataset
from affectstore.models.data.batch import scales_of
from affectstore.models.data.dataset import ClipSet, bytes_of, load_clips
from affectstore.models.training import read_ahead
from affectstore.models.training import run as engine_run
from affectstore.models.tricks.g_blending import measured
from affectstore.models.training.machine import cpu_name
from affectstore.models.training.evaluate import logits_of
from affectstore.models.training.settle import settle
from affectstore.models.train_fold import _fit_on
from affectstore.models.network import Network
from affectstore.models.cells.recipe import Recipe, recipe_of

CLASSES = ("ANG", "HAP", "SAD")
CPU, GPU, META = torch.device("cpu"), torch.device("cuda"), torch.device("meta")
IMAGE = {"modalities": ["vision"], "encoder": "resnet18"}
CLIP = {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "mean"}
SETTLED = CLIP | {"fusion": "weighted"}
STEPS = {"modalities": ["audio", "vision"], "encoder": "mlp", "fusion": "concat"}
STEPS |= {"inputs": {"audio": "mel_chunks", "vision": "faces"}}
COLUMNS = {"mel_chunks": 64, "faces": 768}


def recipe(fake: Any, cell: dict[str, Any], colour: str = "grey", size_px: int = 8) -> Recipe:
    pictures = {"size_px": size_px, "colour": colour, "frames": 4}
    experiment = fake.experiment(cell, pictures=pictures, sequences={"pool": {"audio": 3}})
    return recipe_of(experiment, experiment.cells[0], CLASSES, COLUMNS)


def table(store: Any, clips: int = 5) -> pd.DataFrame:
    ids = store.clips["clip_id"][:clips]
    return pd.DataFrame({"clip_id": ids, "speaker": "s", "label": store.clips["label_intended"][:clips]})


class Journal(TorchDispatchMode):
    """What was done to tensors of which type, on which device, in order."""

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


@pytest.mark.parametrize("colour", ["grey", "rgb"])
def test_rows_are_scaled_and_padded_on_the_device_where_they_arrive_as_they_are_stored(
    fake: Any, tmp_path: Path, colour: str
) -> None:
    store, rules = fake.store(), recipe(fake, CLIP, colour)
    here = load_clips(store, rules, table(store), tmp_path)
    with Journal() as journal:
        there = load_clips(store, rules, table(store), tmp_path, META, resident=True)
    sent = {kind for what, kind, device in journal.done if what == "_to_copy to meta" and device == "cpu"}
    assert sent == {torch.uint8, torch.float16, torch.bool, torch.int64}  # pictures, levels, masks, labels
    scaled = [device for what, _, device in journal.done if "upsample" in what]
    assert scaled == ["meta"] * 2 * 5
    assert {device for what, _, device in journal.done if what.startswith(("mul", "sum", "round"))} <= {"meta"}
    assert there.labels.device == META
    for modality, inputs in here.inputs.items():
        other = there.inputs[modality]
        assert (other.values.device, other.mask.device) == (META, META)
        assert (other.values.shape, other.values.dtype) == (inputs.values.shape, inputs.values.dtype)


def test_what_does_not_fit_comes_back_as_bytes(fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, rules = fake.store(), recipe(fake, IMAGE)
    expected = load_clips(store, rules, table(store), tmp_path)
    real, devices = dataset.to_pictures, []

    def spy(rows: np.ndarray, pictures: Any, source: str, device: torch.device) -> torch.Tensor:
        devices.append(device)
        return real(rows, pictures, source)

    monkeypatch.setattr(dataset, "to_pictures", spy)
    found = load_clips(store, rules, table(store), tmp_path, GPU)
    assert devices == [GPU] * 5
    assert found.labels.device == CPU
    assert torch.equal(found.inputs["vision"].values, expected.inputs["vision"].values)
    assert found.inputs["vision"].values.dtype == torch.uint8


@pytest.mark.parametrize("colour", ["grey", "rgb"])
@pytest.mark.parametrize("cell", [IMAGE, CLIP, STEPS], ids=["image", "clip", "steps"])
def test_what_the_values_take_is_known_before_they_are_read(
    fake: Any, tmp_path: Path, cell: dict[str, Any], colour: str
) -> None:
    store, rules = fake.store(), recipe(fake, cell, colour)
    loaded = load_clips(store, rules, table(store), tmp_path)
    assert bytes_of(store, rules, table(store)["clip_id"].tolist()) == loaded.nbytes


def test_values_stay_where_they_leave_half_of_the_memory_free(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store, rules = fake.store(), recipe(fake, IMAGE)
    sides = [table(store, 5), table(store, 2)]
    free = 2 * 7 * 8 * 8
    for given, fits in ((free, True), (free - 1, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, given=given: (given, 10 * free))
        assert _fit_on(GPU, store, rules, sides) is fits
        assert not _fit_on(CPU, store, rules, sides)


# Reading ahead


def test_batches_are_read_ahead_where_clips_are_in_memory_and_the_device_is_a_gpu() -> None:
    here = threading.get_ident()

    def threads(clips_on: str, device: torch.device) -> set[bool]:
        clips: Any = SimpleNamespace(labels=SimpleNamespace(device=torch.device(clips_on)))
        return set(read_ahead.made(lambda _: threading.get_ident() == here, range(3), clips, device))

    assert threads("cpu", GPU) == {False}
    assert threads("cuda:0", GPU) == threads("cpu", CPU) == {True}


@pytest.mark.parametrize("which", ["logits_of", "measured", "settle"])
def test_whole_sides_are_read_ahead_too(fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    store, rules = fake.store(), recipe(fake, SETTLED)
    clips = load_clips(store, rules, table(store), tmp_path)
    scales = scales_of(clips, rules)
    here, ahead, sizes = threading.get_ident(), [], []
    real = read_ahead.make_batch

    def make(_: ClipSet, index: range, *given: Any) -> Any:
        ahead.append(threading.get_ident() != here)
        sizes.append(len(index))
        return real(clips, index, rules, scales, CPU)

    def result(device: torch.device) -> Any:
        torch.manual_seed(0)
        network = Network(rules)
        labels: Any = SimpleNamespace(device=CPU, to=lambda _: clips.labels)
        given = network, replace(clips, labels=labels), scales, 2, device
        if which == "settle":
            settle(*given)
            return [value.tolist() for value in network.state_dict().values()]
        return logits_of(*given).tolist() if which == "logits_of" else measured("val", *given)

    monkeypatch.setattr(read_ahead, "make_batch", make)
    on_cpu = result(CPU)
    assert (ahead, sizes) == ([False] * 3, [2, 2, 1])
    assert result(GPU) == on_cpu
    assert ahead[3:] == [True] * 3


# What a run was made on


def test_a_gpus_peak_is_that_of_one_seed(bench: Any, fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", forgotten.append)
    engine_run._forget_peak(CPU)
    assert forgotten == []
    engine_run._forget_peak(GPU)
    assert forgotten == [GPU]
    order: list[str] = []
    real = engine_run.fit
    monkeypatch.setattr(engine_run, "_forget_peak", lambda _: order.append("forget"))
    monkeypatch.setattr(engine_run, "fit", lambda *given: order.append("fit") or real(*given))
    bench.train(fake.experiment({"modalities": ["audio"], "encoder": "simple3d"}, seeds=2, train={"epochs": 1}))
    assert order == ["forget", "fit"] * 2


def test_the_cpu_has_a_name(tmp_path: Path) -> None:
    listed = tmp_path / "cpuinfo"
    listed.write_text("processor\t: 0\nmodel\t\t: 85\nmodel name\t: Made-up CPU @ 2.00GHz\n\nmodel name\t: other\n")
    assert cpu_name(listed) == "Made-up CPU @ 2.00GHz"
    listed.write_text("processor\t: 0\nCPU implementer\t: 0x41\n")
    assert cpu_name(listed)
    assert cpu_name(tmp_path / "nowhere")
