"""Parts that the acoustic features share: waveform, resampling, mel filters."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Literal

import numpy as np

from affectstore.errors import ClipError
from affectstore.features import base
from affectstore.timeline import Grid

Resampling = Literal["soxr_hq", "soxr_vhq", "kaiser_best", "kaiser_fast"]

_FULL_SCALE = 32768


@dataclass(frozen=True)
class Waveform:
    """Samples at a rate.

    Attributes:
        samples: float32 (sample,) in [-1, 1); at least one.
        rate_hz: Samples per second.
        start: Time of the first sample, in seconds.
    """

    samples: np.ndarray
    rate_hz: int
    start: Fraction

    @property
    def duration(self) -> Fraction:
        """Duration in seconds."""
        return Fraction(len(self.samples), self.rate_hz)

    @property
    def span(self) -> Grid:
        """Grid whose row 0 spans the waveform from its first to its last sample."""
        return Grid(self.start, 1 / self.duration)


def waveform_of(clip: base.Clip) -> Waveform:
    """Convert a clip's `audio` to a waveform with full scale 1.

    Raises:
        ClipError: The audio has no samples or no sampling rate.
    """
    audio = clip.upstream["audio"]
    samples = audio.arrays["values"]
    if not len(samples):
        raise ClipError("the sound has no samples")
    if audio.grid is None:
        raise ClipError("the sound has no sampling rate")
    return Waveform(samples.astype(np.float32) / _FULL_SCALE, int(audio.grid.rate), audio.grid.start)


def resample_waveform(waveform: Waveform, rate_hz: int, resampling: Resampling) -> np.ndarray:
    """Resample to another rate with librosa: float32 (sample,).

    Raises:
        ClipError: The waveform is shorter than one sample of the new rate, and the kaiser resamplers fail.
    """
    import librosa

    if resampling.startswith("kaiser") and len(waveform.samples) * rate_hz < waveform.rate_hz:
        raise ClipError(
            f"the sound has {len(waveform.samples)} samples at {waveform.rate_hz} Hz: too few for {resampling} "
            f"resampling to {rate_hz} Hz"
        )
    return librosa.resample(waveform.samples, orig_sr=waveform.rate_hz, target_sr=rate_hz, res_type=resampling)


@cache
def _mel_filters(rate_hz: int, n_fft: int, n_mels: int) -> np.ndarray:
    """Compute the mel filter bank (Slaney), float32 (n_mels, n_fft // 2 + 1)."""
    import librosa

    return librosa.filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=n_mels)


def mel_power(samples: np.ndarray, rate_hz: int, n_fft: int, hop_length: int, n_mels: int) -> np.ndarray:
    """Compute the power in mel bands, float32 (n_mels, frame); frame k is centred on sample k hop_length."""
    import librosa

    with warnings.catch_warnings():
        # Audio shorter than one window is padded like the ends of any other.
        warnings.filterwarnings("ignore", message="n_fft=.* is too large")
        power = np.abs(librosa.stft(samples, n_fft=n_fft, hop_length=hop_length)) ** 2
    return _mel_filters(rate_hz, n_fft, n_mels) @ power


def frame_grid(waveform: Waveform, rate_hz: int, hop_length: int) -> Grid:
    """Build the grid of a spectrogram's frames: frame k spans half a hop to either side of its centre."""
    rate = Fraction(rate_hz, hop_length)
    return Grid(waveform.start - 1 / (2 * rate), rate)
