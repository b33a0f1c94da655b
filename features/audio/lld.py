"""Low-level descriptors of the ComParE_2016 set, computed by openSMILE.

65 descriptors every 10 ms: pitch, voicing, jitter, shimmer, harmonics-to-noise ratio and zero crossings from
windows of 60 ms, and energy, auditory spectrum, spectral shape and MFCC from windows of 20 ms, all smoothed over
three frames. With `deltas`, their first derivatives (regression over five frames) follow: 130 columns, the two
joined by openSMILE's own frame number. Seed 003 uses the defaults; seed 002 `deltas`, `window_ms: 32` and
`step_ms: 16`.

openSMILE 2.6 divides the deltas of the six descriptors of pitch and voice quality by a norm that it never
resets (cDeltaRegression with onlyInSegments): they shrink along the clip, as one over the number of frames, and
depend on the start of the audio. Published features hold these values, and they are the default here;
`voice_deltas: regression` computes the regression as intended.

The audio keeps its own rate, as openSMILE reads it from a file. Values are not normalised: mean and standard
deviation belong to a training subset, and are computed there.

Source: Schuller et al. 2016, "The INTERSPEECH 2016 Computational Paralinguistics Challenge"; opensmile 2.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from affectstore.features import base
from affectstore.features.audio._opensmile import PITCH_WINDOW_S, Engine, Windows, run_smile
from affectstore.features.audio._waveform import Waveform, waveform_of
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid

SPEC = base.Spec(
    name="lld",
    version=1,
    summary="ComParE_2016 low-level descriptors",
    modality="audio",
    needs=("audio",),
    libraries=("opensmile",),
)

#: Descriptors of voiced frames, by the beginning of their names.
_OF_VOICE = ("F0final", "voicingFinal", "jitter", "shimmer", "logHNR")
#: Descriptors computed from pitch windows.
_OF_PITCH = (*_OF_VOICE, "pcm_zcr")
#: Frames to either side that enter a delta.
_REACH = 2
_VOICE_DELTAS = {
    "opensmile": "deltas of F0, voicing, jitter, shimmer and HNR are openSMILE's, whose norm grows along the clip",
    "regression": "deltas of F0, voicing, jitter, shimmer and HNR are computed anew, with the norm of each frame",
}


class Options(base.Options):
    """Options of `lld`."""

    deltas: bool = Field(default=False, description="Append each descriptor's first derivative: 130 columns.")
    voice_deltas: Literal["opensmile", "regression"] = Field(
        default="opensmile",
        description="Deltas of pitch and voice quality: openSMILE's, which shrink along the clip because of "
        "a fault in openSMILE, or the intended regression.",
    )
    window_ms: float = Field(
        default=20, ge=5, le=60, description="Windows of all but pitch and voice quality, which keep 60 ms."
    )
    step_ms: float = Field(
        default=10,
        ge=1,
        le=40,
        description="From one row to the next; at most `window_ms`, so that no sample is skipped.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.voice_deltas == "regression" and not self.deltas:
            raise ValueError("voice_deltas: regression says how deltas are computed; it needs deltas: true")
        if self.step_ms > self.window_ms:
            raise ValueError(
                f"windows of {self.window_ms:g} ms every {self.step_ms:g} ms leave sound between them: "
                "step_ms is at most window_ms"
            )
        return self

    @property
    def windows(self) -> Windows:
        """Frame windows of openSMILE."""
        return Windows.of_ms(self.window_ms, self.step_ms)


class Extractor(base.BaseExtractor):
    """openSMILE low-level descriptors of the clip's audio."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Declare `values`: float32 (frame, 65), or (frame, 130) with deltas; columns have openSMILE's names."""
        columns = tuple(self._engine.smile.feature_names)
        return (ArraySpec("values", "float32", ("frame", "descriptor"), (len(columns),), columns=columns),)

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Compute the descriptors; row k is centred on the k-th window and spans half a step to either side.

        The pitch window of the same row starts with it, so its centre is later, by half the difference of
        their lengths. The last row is the tail of the pitch smoothing.

        Raises:
            ClipError: The audio has no samples, or is shorter than a pitch window.
        """
        waveform = waveform_of(clip)
        values = run_smile(self._engine.smile, waveform)
        if self.options.voice_deltas == "regression":
            values[:, self._voice(deltas=True)] = voice_deltas(values[:, self._voice(deltas=False)])
        return ClipArrays({"values": values}, rows_grid(waveform, self.options.windows))

    def attributes(self) -> Mapping[str, Any]:
        """Describe the changes of openSMILE's configuration and the meaning of the rows' times."""
        options, pitch_ms = self.options, float(PITCH_WINDOW_S * 1000)
        later_ms = (pitch_ms - options.window_ms) / 2
        return {
            "configuration": "ComParE_2016 as packaged with opensmile, but for the changes listed",
            "changes": [asdict(change) for change in self._engine.changes],
            "window_ms": options.window_ms,
            "step_ms": options.step_ms,
            "pitch_window_ms": pitch_ms,
            **({"voice_deltas": _VOICE_DELTAS[options.voice_deltas]} if options.deltas else {}),
            "pitch_window_columns": [name for name in self.arrays()[0].columns if name.startswith(_OF_PITCH)],
            "time": "a row is centred on its window of window_ms; columns of the pitch window look "
            f"{later_ms:g} ms later",
        }

    def _voice(self, *, deltas: bool) -> list[int]:
        """List the columns of the descriptors of pitch and voice quality, or of their deltas."""
        names = enumerate(self._engine.smile.feature_names)
        return [k for k, name in names if name.startswith(_OF_VOICE) and name.endswith("_de") == deltas]

    @cached_property
    def _engine(self) -> Engine:
        return Engine(self.options.windows, self.options.deltas)


def rows_grid(waveform: Waveform, windows: Windows) -> Grid:
    """Build the grid of openSMILE's frames, from its size and step in samples."""
    size, step = windows.samples(waveform.rate_hz)
    return Grid(waveform.start + Fraction(size - step, 2 * waveform.rate_hz), Fraction(waveform.rate_hz, step))


def voice_deltas(values: np.ndarray) -> np.ndarray:
    """Compute regression slopes over two frames to either side, for descriptors that are 0 in unvoiced frames.

    As openSMILE's manual describes it: a pair of frames does not count if either is 0 or beyond the ends of the
    audio; a slope without any pair is 0.

    Args:
        values: float32 (row, descriptor).

    Returns:
        float32, of the same shape.
    """
    rows = len(values)
    padded = np.pad(values.astype(np.float64), ((_REACH, _REACH), (0, 0)))
    total, norm = np.zeros((2, *values.shape))
    for lag in range(1, _REACH + 1):
        before, after = (padded[_REACH + side : _REACH + side + rows] for side in (-lag, lag))
        counts = (before != 0) & (after != 0)
        total += lag * np.where(counts, after - before, 0)
        norm += 2 * lag**2 * counts
    return (total / np.maximum(norm, 1)).astype(np.float32)
