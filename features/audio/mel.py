"""Mel spectrogram in dB relative to the clip's maximum, computed by librosa.

Defaults are those of the CREMA-D study in seeds 000 and 001: 22050 Hz, windows of 2048 samples every
512, 128 mel bands (Slaney), power in dB relative to the maximum with a range of 80 dB.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from affectstore.errors import ClipError
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

_SILENCE_DB = -80
_SILENCE = 10 ** (_SILENCE_DB / 20)

SPEC = base.Spec(
    name="mel",
    version=1,
    summary="mel spectrogram, dB under the clip's maximum",
    modality="audio",
    needs=("audio",),
    libraries=("librosa", "soxr", "resampy"),
)


class Options(base.Options):
    """Options of `mel`, with librosa's names."""

    sample_rate_hz: int = Field(default=22050, ge=1000, le=192000, description="The audio is resampled to this rate.")
    n_fft: int = Field(default=2048, ge=16, le=65536, description="Samples of a window.")
    hop_length: int = Field(default=512, ge=1, le=65536, description="Samples between windows.")
    n_mels: int = Field(default=128, ge=1, le=1024, description="Mel bands.")
    top_db: float = Field(default=80, gt=0, description="Range under the maximum; weaker levels are raised to its end.")
    resampling: Resampling = Field(default="soxr_hq", description="Resampler, by librosa's name.")


class Extractor(base.BaseExtractor):
    """Mel spectrogram by librosa's own functions."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Declare `values`: float32 (column, n_mels), lowest band first."""
        return (ArraySpec("values", "float32", ("column", "mel"), (self.options.n_mels,), unit="dB"),)

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Compute the spectrogram; frame k is centred k hops after the start and spans half a hop to either side.

        Raises:
            ClipError: The audio has no samples, or is silent: relative to a silent maximum, every level would be
                the highest.
        """
        import librosa

        options, waveform = self.options, waveform_of(clip)
        if np.abs(waveform.samples).max() < _SILENCE:
            raise ClipError(f"the sound is silent: no sample is above {_SILENCE_DB} dB of full scale")
        samples = resample_waveform(waveform, options.sample_rate_hz, options.resampling)
        power = mel_power(samples, options.sample_rate_hz, options.n_fft, options.hop_length, options.n_mels)
        level_db = librosa.power_to_db(power, ref=np.max, top_db=options.top_db)
        return ClipArrays(
            {"values": np.ascontiguousarray(level_db.T, dtype=np.float32)},
            frame_grid(waveform, options.sample_rate_hz, options.hop_length),
        )
