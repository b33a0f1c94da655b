"""Two processes that share every batch have the results of one, within rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from support.train_script import train_here, train_in_processes
from torch import nn

from affectstore.models.training.distributed import SyncBatchNorm, rank_slice, sync_batch_norm

BOTH = {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "probe", "sharing": "separate"}
TRAIN = {"learning_rate": 1e-2, "batch_size": 5, "epochs": 3, "optimizer": "sgd", "max_grad_norm": 1.0}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "weights_and_mixup": (
        BOTH,
        {
            **TRAIN,
            "class_weights": "balanced",
            "label_smoothing": 0.1,
            "tricks": {"mixup": {"alpha": 0.3}, "modality_dropout": {"rate": 0.2}},
            "augment": {"flip": 0.5, "time_masks": 1},
            "batch_size": 11,
        },
    ),
    "ogm_ge": (BOTH, {**TRAIN, "tricks": {"ogm_ge": {}}}),
    "batch_norm": (
        {"modalities": ["vision"], "encoder": "resnet18"},
        {**TRAIN, "batch_size": 12, "learning_rate": 1e-3, "epochs": 1},
    ),
    # Its statistics and costs are over all steps of a batch, and clips differ in length; it uses no random numbers.
    "ladder": (
        {
            "modalities": ["audio", "vision"],
            "inputs": {"audio": "mel_chunks", "vision": "faces"},
            "encoder": "transformer",
            "encoder_options": {"dim": 8, "heads": 2, "layers": 1, "ffn_dim": 16, "dropout": 0.0},
            "fusion": "ladder",
            "fusion_options": {"noise": 0.0, "reconstruction": 1.0},
        },
        {**TRAIN, "learning_rate": 0.1},
    ),
}


def trained(folder: Path, processes: int, cell: dict[str, Any], train: dict[str, Any]) -> Path:
    folder.mkdir()
    settings = {"train": train, "seeds": 2}
    if processes == 1:
        train_here(folder, 1, cell, settings)
        return folder / "out"
    done = train_in_processes(folder, processes, cell, settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("clips tested") == 2  # one process logs for all
    return folder / "out"


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_processes_equal_one(name: str, tmp_path: Path) -> None:
    one, two = (trained(tmp_path / str(n), n, *CASES[name]) for n in (1, 2))
    assert sorted(p.name for p in two.iterdir()) == ["0", "1", "fold.json", "left_out.tsv"]
    for seed in ("0", "1"):
        expected, got = (load_file(out / seed / "model.safetensors") for out in (one, two))
        assert got.keys() == expected.keys()
        for key, value in expected.items():
            torch.testing.assert_close(got[key], value, rtol=1e-3, atol=1e-4)
        rows = [pd.read_csv(out / seed / "history.csv").drop(columns=["seconds", "clips_per_s"]) for out in (one, two)]
        np.testing.assert_allclose(rows[1], rows[0], rtol=1e-4)
        p = [pd.read_parquet(out / seed / "predictions.parquet") for out in (one, two)]
        assert p[1]["clip_id"].tolist() == p[0]["clip_id"].tolist()
        np.testing.assert_allclose(p[1].filter(regex="^p_"), p[0].filter(regex="^p_"), atol=1e-4)


@pytest.mark.parametrize(("clips", "processes"), [(1, 3), (2, 2), (7, 3), (8, 1)])
def test_every_clip_of_a_batch_counts_once(clips: int, processes: int) -> None:
    slices = [rank_slice(clips, rank, processes) for rank in range(processes)]
    parts = [len(rows) * processes / (clips * copies) for rows, copies in slices]
    assert sum(parts) == pytest.approx(processes)  # their mean is 1
    counts = sum(torch.bincount(rows, minlength=clips) / copies for rows, copies in slices)
    assert torch.equal(counts, torch.ones(clips))


@pytest.fixture
def group() -> Any:
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("affine", [True, False])
def test_a_synchronised_batch_norm_equals_torchs(group: Any, affine: bool, momentum: float | None) -> None:
    torch.manual_seed(0)
    own = nn.Sequential(nn.Conv2d(2, 3, 2), nn.Sequential(nn.BatchNorm2d(3, affine=affine, momentum=momentum))).double()
    synchronised = nn.Sequential(
        nn.Conv2d(2, 3, 2), nn.Sequential(nn.BatchNorm2d(3, affine=affine, momentum=momentum))
    ).double()
    synchronised.load_state_dict(own.state_dict())
    sync_batch_norm(synchronised)
    assert isinstance(synchronised[1][0], SyncBatchNorm)
    for _ in range(3):
        x = torch.randn(4, 2, 5, 6, dtype=torch.float64)
        outputs = [net(x) for net in (own, synchronised)]
        torch.testing.assert_close(outputs[1], outputs[0])
        for net, y in zip((own, synchronised), outputs, strict=True):
            net.zero_grad()
            (y * torch.arange(y.numel(), dtype=torch.float64).view_as(y).sin()).sum().backward()
        for p, q in zip(own.parameters(), synchronised.parameters(), strict=True):
            torch.testing.assert_close(q.grad, p.grad)
    assert synchronised.state_dict().keys() == own.state_dict().keys()
    for key, value in own.state_dict().items():
        torch.testing.assert_close(synchronised.state_dict()[key], value)
    torch.testing.assert_close(synchronised.eval()(x), own.eval()(x))
