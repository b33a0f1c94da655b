"""Mel-frequency cepstral coefficients, as librosa computes them.

The defaults are those of the RAVDESS study in seed 004: the first 40 coefficients of the sound resampled to
22050 Hz by "kaiser_best", librosa's windows of 2048 samples every 512 and its 128 mel bands. Levels are in dB
relative to 1 and reach 80 dB under the clip's maximum (librosa.power_to_db); the discrete cosine transform is
of type II, orthonormal (Davis & Mermelstein 1980).
"""

from __future__ import annotations

from functools import cached_property
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from affectstore.features import base
from affectstore.features.audio._sound import Resampling, columns_grid, mel_bands, mel_power, resampled, sound_of
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec

SPEC = base.Spec(
    name="mfcc",
    version=1,
    summary="mel-frequency cepstral coefficients",
    modality="audio",
    needs=("audio",),
    libraries=("librosa", "resampy", "soxr", "scipy"),
)


class Options(base.Options):
    """Options of `mfcc`; the names are librosa's."""

    n_mfcc: int = Field(default=40, ge=1, le=1024, description="Coefficients, from the first (number 0) on.")
    sample_rate_hz: int = Field(default=22050, ge=1000, le=192000, description="The sound is resampled to this rate.")
    resampling: Resampling = Field(
        default="kaiser_best", description="Resampler, by librosa's name; soxr_hq is a hundred times faster."
    )
    n_fft: int = Field(default=2048, ge=16, le=65536, description="Samples of a window.")
    hop_length: int = Field(default=512, ge=1, le=65536, description="Samples between windows.")
    n_mels: int = Field(default=128, ge=1, le=1024, description="Mel bands under the coefficients.")
    average: bool = Field(default=False, description="One row per clip: each coefficient's mean over time.")

    @model_validator(mode="after")
    def _enough_bands(self) -> Self:
        if self.n_mfcc > self.n_mels:
            raise ValueError(
                f"{self.n_mels} mel bands have no {self.n_mfcc} coefficients: lower n_mfcc or raise n_mels"
            )
        return self


class Extractor(base.BaseExtractor):
    """Computes the coefficients with librosa's own functions; silence has coefficients too."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """`values`: float32 (column, n_mfcc), or (clip, n_mfcc) under `average`."""
        row = "clip" if self.options.average else "column"
        return (ArraySpec("values", "float32", (row, "coefficient"), (self.options.n_mfcc,)),)

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Column k is centred at the sound's start + k hops, and spans half a hop to either side.

        Under `average` the one row spans the sound.

        Raises:
            ClipError: the sound has no samples.
        """
        import librosa

        options, sound = self.options, sound_of(clip)
        samples = resampled(sound, options.sample_rate_hz, options.resampling)
        power = mel_power(samples, self._bands, options.n_fft, options.hop_length)
        coefficients = librosa.feature.mfcc(S=librosa.power_to_db(power), n_mfcc=options.n_mfcc).T
        if options.average:
            mean = coefficients.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
            return ClipArrays({"values": mean}, sound.whole)
        return ClipArrays(
            {"values": np.ascontiguousarray(coefficients, dtype=np.float32)},
            columns_grid(sound, options.sample_rate_hz, options.hop_length),
        )

    @cached_property
    def _bands(self) -> np.ndarray:
        return mel_bands(self.options.sample_rate_hz, self.options.n_fft, self.options.n_mels)
