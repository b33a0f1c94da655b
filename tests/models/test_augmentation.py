"""Changes of training batches: mixup, modality dropout, flips, crops, brightness and masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.training import history, training

from affectstore.config.training import Augmentation
from affectstore.models.data.augment import Augmenter
from affectstore.models.data.batch import Batch, BatchMaker
from affectstore.models.data.rng import RngStreams
from affectstore.models.spec import TRICKS
from affectstore.models.training.trick import Trick, TrickSetup

BOTH = {"modalities": ["audio", "vision"], "encoder": "simple3d", "sharing": "separate"}
CONCAT = {**BOTH, "fusion": "concat"}
RNG = RngStreams(seed=0, epoch=1, step=0)
AUGMENT = {"flip": 0.5, "crop": 0.7, "brightness": 0.3, "time_masks": 1, "freq_masks": 2}


def some_batch(clips: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(0)
    mask = torch.ones(clips, 4, dtype=torch.bool)
    mask[0, 2:] = False
    steps = torch.randn(clips, 4, 2, generator=generator) * mask[..., None]
    return Batch(
        {"audio": steps, "vision": torch.randn(clips, 3, 5, 5, generator=generator)},
        {"audio": mask, "vision": torch.ones(clips, 1, dtype=torch.bool)},
        torch.arange(clips) % 3,
        torch.arange(clips),
    )


def trick(name: str, **options: Any) -> Trick:
    declared = TRICKS.load(name)
    built: Trick = declared.build(declared.Options(**options), TrickSetup(("audio", "vision")))
    return built


def test_mixup_mixes_inputs_and_labels_by_the_same_ratio() -> None:
    batch = some_batch()
    mixed = trick("mixup", alpha=0.4).on_batch(batch, RNG)
    ratio = mixed.mix_ratio
    assert 0.5 <= ratio <= 1
    order = torch.from_numpy(_order(RNG, 0.4, len(batch.labels)))
    assert mixed.mixed_labels is not None
    assert torch.equal(mixed.mixed_labels, batch.labels[order])
    assert torch.equal(mixed.labels, batch.labels)
    for m, value in batch.values.items():
        torch.testing.assert_close(mixed.values[m], ratio * value + (1 - ratio) * value[order])
        assert torch.equal(mixed.masks[m], batch.masks[m] | batch.masks[m][order])


def _order(rng: RngStreams, alpha: float, clips: int) -> np.ndarray:
    generator = rng.of("mixup")
    generator.beta(alpha, alpha)
    return generator.permutation(clips)


@given(st.integers(0, 50), st.sampled_from([0.3, 0.9, {"audio": 0.9}, {"audio": 0.9, "vision": 0.9}]))
@settings(max_examples=25, deadline=None)
def test_a_clip_never_loses_all_modalities(number: int, rates: Any) -> None:
    batch = some_batch(20)
    dropped = trick("modality_dropout", rate=rates).on_batch(batch, RngStreams(0, 1, number))
    gone = {m: (v == 0).flatten(1).all(dim=1) for m, v in dropped.values.items()}
    assert not (gone["audio"] & gone["vision"]).any()
    for m, value in dropped.values.items():
        assert torch.equal(value[~gone[m]], batch.values[m][~gone[m]])
        assert torch.equal(dropped.masks[m], batch.masks[m])
    if isinstance(rates, dict) and "vision" not in rates:
        assert not gone["vision"].any()


def test_modalities_are_dropped_as_often_as_asked() -> None:
    batch = some_batch(4000)
    gone = (trick("modality_dropout", rate=0.2).on_batch(batch, RNG).values["vision"] == 0).flatten(1).all(dim=1)
    assert gone.double().mean().item() == pytest.approx(0.2 - 0.04, abs=0.02)


def images(clips: int = 8, frames: int = 3, size: int = 12) -> torch.Tensor:
    return torch.rand(clips, 2, frames, size, size, generator=torch.Generator().manual_seed(1))


def test_nothing_is_changed_by_default() -> None:
    augmenter, x, mask = Augmenter(Augmentation(), RNG), images(), torch.ones(8, 3, dtype=torch.bool)
    assert torch.equal(augmenter.images(x, "vision"), x)
    assert torch.equal(augmenter.levels(x, mask, "audio"), x)
    assert torch.equal(augmenter.steps(x[:, 0, 0], torch.ones(8, 12, dtype=torch.bool), "audio"), x[:, 0, 0])


def test_a_clip_is_mirrored_as_a_whole_or_not_at_all() -> None:
    x = images(40)
    y = Augmenter(Augmentation(flip=0.5), RNG).images(x, "vision")
    mirrored = [torch.equal(after, before.flip(-1)) for after, before in zip(y, x, strict=True)]
    same = [torch.equal(after, before) for after, before in zip(y, x, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 8 <= sum(mirrored) <= 32
    assert torch.equal(Augmenter(Augmentation(flip=1.0), RNG).images(x, "vision"), x.flip(-1))


def test_a_crop_is_a_smaller_part_scaled_back_and_the_same_in_all_frames() -> None:
    ramp = torch.linspace(0, 1, 24)
    x = torch.stack([ramp[None].expand(24, 24), ramp[:, None].expand(24, 24)])[None, :, None].expand(16, 2, 3, 24, 24)
    y = Augmenter(Augmentation(crop=0.5), RNG).images(x.clone(), "vision")
    slope = (y[..., 1:].diff().mean(dim=(2, 3, 4)) / ramp.diff().mean())[:, 0]  # of the channel that rises to the right
    inner = y[:, 0, :, 12, 4:20].diff(dim=-1).mean(dim=(1, 2)) / ramp.diff().mean()
    assert ((inner > 0.45) & (inner < 1.01)).all()
    assert slope.std() > 0.01
    assert torch.equal(y, y[:, :, :1].expand_as(y))
    assert (y.clamp(0, 1) == y).all()
    height = y[:, 1, 0, 4:20, 12].diff(dim=-1).mean(dim=-1) / ramp.diff().mean()
    torch.testing.assert_close(height, inner, rtol=1e-3, atol=1e-3)  # the part is a square
    constant = torch.full((4, 1, 2, 9, 9), 0.3)
    torch.testing.assert_close(Augmenter(Augmentation(crop=0.5), RNG).images(constant, "vision"), constant)


def test_brightness_is_one_factor_a_clip_within_its_range() -> None:
    x = 0.5 * images(200) + 0.05
    y = Augmenter(Augmentation(brightness=0.4), RNG).images(x, "vision")
    factor = (y / x).flatten(1)
    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor))
    assert 0.6 <= factor.min() < 0.65
    assert 1.35 < factor.max() <= 1.4
    assert Augmenter(Augmentation(brightness=0.4), RNG).images(torch.ones_like(x), "vision").max() == 1


@given(st.integers(0, 30), st.integers(1, 3), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_time_masks_are_spans_within_the_clips_own_steps(number: int, masks: int, share: float) -> None:
    lengths = torch.tensor([1, 5, 17, 20])
    mask = torch.arange(20) < lengths[:, None]
    chosen = Augmentation(time_masks=masks, max_time_mask=share)
    y = Augmenter(chosen, RngStreams(3, 2, number)).steps(torch.ones(4, 20, 3), mask, "audio")
    gone = (y == 0).all(dim=2)
    assert torch.equal((y == 0).any(dim=2), gone)
    assert not (gone & ~mask).any()  # padding is never masked
    assert (gone.sum(dim=1) <= masks * torch.floor(share * lengths)).all()
    if masks == 1:
        assert (gone.int().diff(dim=1).abs().sum(dim=1) <= 2).all()


def test_bands_of_spectrograms_are_masked_over_all_time_and_times_over_all_bands() -> None:
    x, mask = torch.ones(400, 1, 6, 20, 4), torch.ones(400, 6, dtype=torch.bool)
    bands = Augmenter(Augmentation(freq_masks=1, max_freq_mask=0.5), RNG).levels(x, mask, "audio") == 0
    assert torch.equal(bands.any(dim=4).any(dim=2), bands.all(dim=4).all(dim=2))
    widths = bands[:, 0, 0, :, 0].sum(dim=1)
    assert set(widths.tolist()) == set(range(11))
    chunks = Augmenter(Augmentation(time_masks=1, max_time_mask=0.5), RNG).levels(x, mask, "audio") == 0
    assert torch.equal(chunks.any(dim=(3, 4)), chunks.all(dim=4).all(dim=3))  # whole frames of chunks
    image = torch.ones(400, 1, 1, 20, 30)
    columns = Augmenter(Augmentation(time_masks=1, max_time_mask=0.5), RNG).levels(image, mask[:, :1], "audio") == 0
    assert torch.equal(columns.any(dim=3), columns.all(dim=3))
    assert columns[:, 0, 0, 0].sum(dim=1).max() > 10


def test_random_numbers_follow_from_seed_epoch_and_step() -> None:
    def sampled(*place: int) -> list[float]:
        return RngStreams(*place).of("augment", "vision", "flip").random(4).tolist()

    assert sampled(0, 1, 0) == sampled(0, 1, 0)
    assert len({tuple(sampled(*place)) for place in ((0, 1, 0), (1, 1, 0), (0, 2, 0), (0, 1, 1))}) == 4
    assert RNG.of("a").random() != RNG.of("b").random()
    noise = [torch.randn(3, generator=RNG.on(torch.device("cpu"), "x")) for _ in range(2)]
    assert torch.equal(*noise)


def test_only_training_batches_are_augmented(bench: Any, fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = BatchMaker.make

    def spied(maker: Any, index: Any, rng: Any = None) -> Any:
        seen.extend(maker.clips.ids(index) if maker.augment is not None and rng is not None else [])
        return real(maker, index, rng)

    monkeypatch.setattr(BatchMaker, "make", spied)
    still = training(epochs=2, learning_rate=1e-12, optimizer="sgd")
    plain = bench.train(fake.experiment(CONCAT, train=still), "plain")
    folder = bench.train(fake.experiment(CONCAT, train=still | {"augment": AUGMENT}))
    assert set(seen) == set(bench.split.loc[bench.split["subset"] == "train", "clip_id"])
    np.testing.assert_allclose(history(folder)["val_loss"], history(plain)["val_loss"], atol=1e-6)
    assert (history(folder)["train_loss"] != history(plain)["train_loss"]).all()
