"""Mel-frequency cepstral coefficients, computed by librosa.

The defaults are those of the RAVDESS study in seed 004: the first 40 coefficients of the audio resampled to
22050 Hz by "kaiser_best", librosa's windows of 2048 samples every 512 and its 128 mel bands. Levels are in dB
relative to 1 and reach 80 dB under the clip's maximum (librosa.power_to_db); the discrete cosine transform is
of type II, orthonormal (Davis & Mermelstein 1980).
"""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from affectstore.features import base
from affectstore.features.audio._waveform import (
    Resampling,
    frame_grid,
    mel_power,
    resample_waveform,
    waveform_of,
)
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
    """Options of `mfcc`, with librosa's names."""

    n_mfcc: int = Field(default=40, ge=1, le=1024, description="Coefficients, from the first (number 0) on.")
    sample_rate_hz: int = Field(default=22050, ge=1000, le=192000, description="The audio is resampled to this rate.")
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
    """Coefficients by librosa's own functions, also of silence."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Declare `values`: float32 (column, n_mfcc), or (clip, n_mfcc) under `average`."""
        row = "clip" if self.options.average else "column"
        return (ArraySpec("values", "float32", (row, "coefficient"), (self.options.n_mfcc,)),)

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Compute the coefficients; frame k is centred k hops after the start and spans half a hop to either side.

        Under `average` the one row spans the audio.

        Raises:
            ClipError: The audio has no samples.
        """
        import librosa

        options, waveform = self.options, waveform_of(clip)
        samples = resample_waveform(waveform, options.sample_rate_hz, options.resampling)
        power = mel_power(samples, options.sample_rate_hz, options.n_fft, options.hop_length, options.n_mels)
        coefficients = librosa.feature.mfcc(S=librosa.power_to_db(power), n_mfcc=options.n_mfcc).T
        if options.average:
            mean = coefficients.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
            return ClipArrays({"values": mean}, waveform.span)
        return ClipArrays(
            {"values": np.ascontiguousarray(coefficients, dtype=np.float32)},
            frame_grid(waveform, options.sample_rate_hz, options.hop_length),
        )
