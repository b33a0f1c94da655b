"""Low-level descriptors of the ComParE_2016 set, as openSMILE computes them.

65 descriptors every 10 ms: pitch, voicing, jitter, shimmer, harmonics-to-noise ratio and zero crossings from
windows of 60 ms, and energy, auditory spectrum, spectral shape and MFCC from windows of 20 ms, all smoothed over
three frames. With `deltas`, their first derivatives (regression over five frames) follow: 130 columns, the two
joined by openSMILE's own frame number. Seed 003 takes the defaults; seed 002 `deltas`, `window_ms: 32` and
`step_ms: 16`.

openSMILE 2.6 divides the deltas of the six descriptors of pitch and voice quality by a norm that it never sets
back (cDeltaRegression with onlyInSegments): they shrink along the clip, as one over the frames gone by, and
depend on where the sound begins. That is what published features hold, and the default here;
`voice_deltas: regression` gives the regression as it is meant.

The sound is taken at its own rate, as openSMILE takes it from a file. Values are not normalised: means and
deviations belong to a training side, and are computed where it is known.

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
from affectstore.features.audio._opensmile import PITCH_WINDOW_S, Engine, Windows, run
from affectstore.features.audio._sound import Sound, sound_of
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

#: Descriptors that exist where there is a voice, by the beginning of their names.
_OF_VOICE = ("F0final", "voicingFinal", "jitter", "shimmer", "logHNR")
#: Descriptors whose frames are the windows of pitch.
_OF_PITCH = (*_OF_VOICE, "pcm_zcr")
#: Frames to either side that a delta looks at.
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
        description="Deltas of pitch and voice quality: openSMILE's, which shrink along the clip by a fault of its "
        "own, or the regression that is meant.",
    )
    window_ms: float = Field(
        default=20, ge=5, le=60, description="Windows of all but pitch and voice quality, which keep 60 ms."
    )
    step_ms: float = Field(
        default=10,
        ge=1,
        le=40,
        description="From one row to the next; at most `window_ms`, so that no sound is missed.",
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
        """As openSMILE is to cut the sound."""
        return Windows.of_ms(self.window_ms, self.step_ms)


class Extractor(base.BaseExtractor):
    """Runs openSMILE on the clip's sound."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """`values`: float32 (frame, 65), or (frame, 130) with deltas; columns as openSMILE names them."""
        columns = tuple(self._engine.smile.feature_names)
        return (ArraySpec("values", "float32", ("frame", "descriptor"), (len(columns),), columns=columns),)

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Row k is centred on the k-th window of `window_ms`, and spans half a step to either side.

        The window of pitch of the same row begins with it, so its middle lies later, by half the difference of
        their lengths. The last row holds what the smoothing of pitch has left over.

        Raises:
            ClipError: the sound has no samples, or is shorter than a window of pitch.
        """
        sound = sound_of(clip)
        values = run(self._engine.smile, sound)
        if self.options.voice_deltas == "regression":
            values[:, self._voice(deltas=True)] = voice_deltas(values[:, self._voice(deltas=False)])
        return ClipArrays({"values": values}, rows_grid(sound, self.options.windows))

    def attributes(self) -> Mapping[str, Any]:
        """What was changed in openSMILE's configuration, and what the rows' times mean."""
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
        """Columns of the descriptors of pitch and voice quality, or of their deltas."""
        names = enumerate(self._engine.smile.feature_names)
        return [k for k, name in names if name.startswith(_OF_VOICE) and name.endswith("_de") == deltas]

    @cached_property
    def _engine(self) -> Engine:
        return Engine(self.options.windows, self.options.deltas)


def rows_grid(sound: Sound, windows: Windows) -> Grid:
    """The grid of openSMILE's frames, from the whole samples that it takes as size and step."""
    size, step = windows.samples(sound.rate_hz)
    return Grid(sound.start + Fraction(size - step, 2 * sound.rate_hz), Fraction(sound.rate_hz, step))


def voice_deltas(values: np.ndarray) -> np.ndarray:
    """Slopes of a regression over two frames to either side, for descriptors that are 0 where there is no voice.

    As openSMILE's manual describes it: a pair of frames of which either is 0, or beyond the sound's ends, does
    not count, and where no pair counts the slope is 0.

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
