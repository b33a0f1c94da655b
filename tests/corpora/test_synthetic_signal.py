"""Audio and video each predict the emotion of unknown speakers, and both together predict it better."""

from __future__ import annotations

import numpy as np
import pytest

from affectstore.corpora._crema_d_names import SENTENCES
from affectstore.corpora.synthetic._audio_track import RATE_HZ, make_audio_track
from affectstore.corpora.synthetic._emotions import (
    EXPRESSION_NOISE,
    EXPRESSIONS,
    LOOKS_LIKE,
    PROSODY,
    PROSODY_NOISE,
    SOUNDS_LIKE,
    STRENGTH,
    sample_manner,
)
from affectstore.corpora.synthetic._frames import render_frames
from affectstore.corpora.synthetic._plan import names
from affectstore.corpora.synthetic._random import generator
from affectstore.corpora.synthetic._speaker import speaker

SEED = 7


def audio_features(name) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Duration, and mean and standard deviation over time of a 24-band spectrogram, in dB relative to its maximum."""
    rng = generator(SEED, "sound", str(name))
    manner = sample_manner(
        PROSODY[name.emotion], PROSODY[SOUNDS_LIKE[name.emotion]], PROSODY_NOISE, STRENGTH[name.level], rng
    )
    samples = (
        make_audio_track(SENTENCES[name.sentence], speaker(SEED, int(name.actor)), manner, 882, rng).samples / 32768
    )
    windows = np.lib.stride_tricks.sliding_window_view(samples, 1024)[::256]
    power = np.abs(np.fft.rfft(windows * np.hanning(1024), axis=1)) ** 2
    edges = np.unique(np.geomspace(2, 513, 25).astype(int))
    level_db = 10 * np.log10(np.add.reduceat(power, edges[:-1], axis=1) + 1e-8)
    level_db -= level_db.max()
    return np.concatenate(
        [[len(samples) / RATE_HZ], level_db.mean(0), level_db.std(0), np.diff(level_db, axis=0).std(0)]
    )


def video_features(name) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Gradient orientations in a grid of cells over the middle of a frame."""
    rng = generator(SEED, "picture", str(name))
    look = sample_manner(
        EXPRESSIONS[name.emotion], EXPRESSIONS[LOOKS_LIKE[name.emotion]], EXPRESSION_NOISE, STRENGTH[name.level], rng
    )
    frames = list(render_frames(speaker(SEED, int(name.actor)), look, np.full(10, 0.5), 25, (320, 240), rng))
    grey = frames[-1][60:220, 90:230].astype(float).mean(2)
    down, across = np.gradient(grey)
    angle = (np.arctan2(down, across) % np.pi / np.pi * 8).astype(int) % 8
    strength = np.hypot(down, across)
    cells = np.stack([(strength * (angle == k)).reshape(10, 16, 10, 14).sum((1, 3)) for k in range(8)], -1)
    return (cells / (np.linalg.norm(cells, axis=-1, keepdims=True) + 400)).ravel()


@pytest.mark.slow
def test_each_modality_is_above_chance_and_both_are_better() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    clips = names(96)
    emotions = np.array([name.emotion for name in clips])
    actors = np.array([name.actor for name in clips])
    labels = np.unique(emotions)
    logarithms = {}
    for modality, describe in (("audio", audio_features), ("vision", video_features)):
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.02, max_iter=2000))
        logarithms[modality] = cross_val_predict(
            classifier,
            np.array([describe(name) for name in clips]),
            emotions,
            groups=actors,
            cv=GroupKFold(8),
            method="predict_log_proba",
        )
    audio, vision, both = (
        float(np.mean(labels[scores.argmax(1)] == emotions))
        for scores in (logarithms["audio"], logarithms["vision"], sum(logarithms.values()))
    )
    # chance is 1/6; 96 clips give a standard error of .05
    assert audio > 0.4
    assert vision > 0.4
    assert both > max(audio, vision) + 0.05
    assert both < 1
