"""A synthetic vowel, and features of it that other processes compute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from affectstore.features.base import Clip, Media, build
from support.extraction import sound


def voiced(seconds: float, rate_hz: int = 16000, f0_hz: float = 140.0, seed: int = 0) -> np.ndarray:
    """int16 samples of a vowel: a train of glottal pulses through three formants, with breath.

    Pitch and loudness swing slowly, so that no two frames are the same.
    """
    from scipy.signal import lfilter

    count = round(seconds * rate_hz)
    time = np.arange(count) / rate_hz
    phase = np.cumsum(f0_hz * (1 + 0.05 * np.sin(2 * np.pi * 1.3 * time)) / rate_hz)
    pulses = np.diff(np.floor(phase), prepend=0.0)
    wave = lfilter([1.0], [1.0, -0.9], pulses) + 0.002 * np.random.default_rng(seed).standard_normal(count)
    for formant_hz, width_hz in ((700, 90), (1200, 110), (2600, 160)):
        radius = np.exp(-np.pi * width_hz / rate_hz)
        wave = lfilter([1 - radius], [1, -2 * radius * np.cos(2 * np.pi * formant_hz / rate_hz), radius**2], wave)
    wave *= 1 + 0.5 * np.sin(2 * np.pi * 0.9 * time)
    return np.rint(12000 * wave / max(np.abs(wave).max(), 1e-9)).astype(np.int16)


def values_of(task: tuple[str, Mapping[str, Any], int]) -> np.ndarray:
    """Extract a feature (name, options) from the vowel with this seed, in a worker process."""
    name, options, seed = task
    clip = Clip("clip", Media(), {"audio": sound(voiced(0.8, f0_hz=110 + 10 * seed, seed=seed))})
    return build(name, options).extract(clip).arrays["values"]
