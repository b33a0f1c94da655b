"""openSMILE functionals of a whole clip: the features of the classical baselines.

ComParE_2016 has 6,373 statistics of its low-level descriptors and their deltas (Schuller et al. 2016), eGeMAPSv02
88 that were chosen for voice research and affective computing (Eyben et al. 2016, "The Geneva Minimalistic
Acoustic Parameter Set"). The audio keeps its own rate, as openSMILE reads it from a file.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from affectstore.features import base
from affectstore.features.audio._opensmile import run_smile
from affectstore.features.audio._waveform import waveform_of
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec

SPEC = base.Spec(
    name="functionals",
    version=1,
    summary="openSMILE's statistics of the whole clip",
    modality="audio",
    needs=("audio",),
    libraries=("opensmile",),
)


class Options(base.Options):
    """Options of `functionals`."""

    set: Literal["ComParE_2016", "eGeMAPSv02"] = Field(
        default="ComParE_2016", description="ComParE_2016 (6,373 columns) or eGeMAPSv02 (88)."
    )


class Extractor(base.BaseExtractor):
    """openSMILE functionals of the clip's audio."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Declare `values`: float32 (clip, 6373) or (clip, 88); columns have openSMILE's names."""
        columns = tuple(self._smile.feature_names)
        return (ArraySpec("values", "float32", ("clip", "functional"), (len(columns),), columns=columns),)

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Compute one row, which spans the audio from its first to its last sample.

        Raises:
            ClipError: The audio has no samples, or is shorter than a pitch window.
        """
        waveform = waveform_of(clip)
        return ClipArrays({"values": run_smile(self._smile, waveform)}, waveform.span)

    @cached_property
    def _smile(self) -> Any:
        """Shared `opensmile.Smile`: constructing one per clip would cost a fifth of the clip's time."""
        import opensmile

        return opensmile.Smile(opensmile.FeatureSet[self.options.set], opensmile.FeatureLevel.Functionals)
