"""Mel spectrogram in dB under the clip's maximum, as librosa computes it.

Defaults are those of the CREMA-D study in seeds 000 and 001: 22050 Hz, windows of 2048 samples every
512, 128 mel bands (Slaney), power in dB relative to the maximum with a range of 80 dB.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from pydantic import Field

from affectstore.errors import ClipError
from affectstore.features import base
from affectstore.features.audio._sound import Resampling, columns_grid, mel_bands, mel_power, resampled, sound_of
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
    """Options of `mel`; the names are librosa's."""

    sample_rate_hz: int = Field(default=22050, ge=1000, le=192000, description="The sound is resampled to this rate.")
    n_fft: int = Field(default=2048, ge=16, le=65536, description="Samples of a window.")
    hop_length: int = Field(default=512, ge=1, le=65536, description="Samples between windows.")
    n_mels: int = Field(default=128, ge=1, le=1024, description="Mel bands.")
    top_db: float = Field(default=80, gt=0, description="Range under the maximum; what is weaker is raised to it.")
    resampling: Resampling = Field(default="soxr_hq", description="Resampler, by librosa's name.")


class Extractor(base.BaseExtractor):
    """Computes the spectrogram with librosa's own functions."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """`values`: float32 (column, n_mels), the lowest band first."""
        return (ArraySpec("values", "float32", ("column", "mel"), (self.options.n_mels,), unit="dB"),)

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Column k is centred at the sound's start + k hops, and spans half a hop to either side.

        Raises:
            ClipError: the sound has no samples, or is silent: levels are relative to the loudest one, and of
                silence that would make a spectrogram of nothing but maxima.
        """
        import librosa

        options, sound = self.options, sound_of(clip)
        if np.abs(sound.samples).max() < _SILENCE:
            raise ClipError(f"the sound is silent: no sample is above {_SILENCE_DB} dB of full scale")
        samples = resampled(sound, options.sample_rate_hz, options.resampling)
        power = mel_power(samples, self._bands, options.n_fft, options.hop_length)
        level_db = librosa.power_to_db(power, ref=np.max, top_db=options.top_db)
        return ClipArrays(
            {"values": np.ascontiguousarray(level_db.T, dtype=np.float32)},
            columns_grid(sound, options.sample_rate_hz, options.hop_length),
        )

    @cached_property
    def _bands(self) -> np.ndarray:
        return mel_bands(self.options.sample_rate_hz, self.options.n_fft, self.options.n_mels)
