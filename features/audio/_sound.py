"""What the acoustic features share: the clip's sound as floats, resampling, and power in mel bands."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from affectstore.errors import ClipError
from affectstore.features import base
from affectstore.timeline import Grid

Resampling = Literal["soxr_hq", "soxr_vhq", "kaiser_best", "kaiser_fast"]

_FULL_SCALE = 32768


@dataclass(frozen=True)
class Sound:
    """Samples at a rate.

    Attributes:
        samples: float32 (sample,) in [-1, 1); at least one.
        rate_hz: samples per second.
        start: where the first sample lies, in seconds.
    """

    samples: np.ndarray
    rate_hz: int
    start: Fraction

    @property
    def duration(self) -> Fraction:
        """In seconds."""
        return Fraction(len(self.samples), self.rate_hz)

    @property
    def whole(self) -> Grid:
        """The grid whose row 0 spans the sound from its first to its last sample."""
        return Grid(self.start, 1 / self.duration)


def sound_of(clip: base.Clip) -> Sound:
    """What `audio` gives of the clip, scaled so that full scale is 1.

    Raises:
        ClipError: the sound has no samples or no sampling rate.
    """
    audio = clip.upstream["audio"]
    samples = audio.arrays["values"]
    if not len(samples):
        raise ClipError("the sound has no samples")
    if audio.grid is None:
        raise ClipError("the sound has no sampling rate")
    return Sound(samples.astype(np.float32) / _FULL_SCALE, int(audio.grid.rate), audio.grid.start)


def resampled(sound: Sound, rate_hz: int, resampling: Resampling) -> np.ndarray:
    """The samples at another rate, as librosa resamples them: float32 (sample,).

    Raises:
        ClipError: the kaiser resamplers find the sound shorter than one sample of the new rate.
    """
    import librosa

    if resampling.startswith("kaiser") and len(sound.samples) * rate_hz < sound.rate_hz:
        raise ClipError(
            f"the sound has {len(sound.samples)} samples at {sound.rate_hz} Hz: too few for {resampling} "
            f"resampling to {rate_hz} Hz"
        )
    return librosa.resample(sound.samples, orig_sr=sound.rate_hz, target_sr=rate_hz, res_type=resampling)


def mel_bands(rate_hz: int, n_fft: int, n_mels: int) -> np.ndarray:
    """Weights of the mel bands (Slaney), float32 (n_mels, n_fft // 2 + 1)."""
    import librosa

    return librosa.filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=n_mels)


def mel_power(samples: np.ndarray, bands: np.ndarray, n_fft: int, hop_length: int) -> np.ndarray:
    """Power in mel bands, float32 (n_mels, column); column k is centred on sample k hop_length."""
    import librosa

    with warnings.catch_warnings():
        # A sound shorter than one window is padded like the ends of any other.
        warnings.filterwarnings("ignore", message="n_fft=.* is too large")
        power = np.abs(librosa.stft(samples, n_fft=n_fft, hop_length=hop_length)) ** 2
    return bands @ power


def columns_grid(sound: Sound, rate_hz: int, hop_length: int) -> Grid:
    """The grid of a spectrogram's columns: column k spans half a hop to either side of its centre."""
    rate = Fraction(rate_hz, hop_length)
    return Grid(sound.start - 1 / (2 * rate), rate)
