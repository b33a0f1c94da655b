"""Functionals of a whole clip, as openSMILE computes them: the features of the classical baselines.

ComParE_2016 has 6,373 statistics of its low-level descriptors and their deltas (Schuller et al. 2016), eGeMAPSv02
88 that were chosen for voice research and affective computing (Eyben et al. 2016, "The Geneva Minimalistic
Acoustic Parameter Set"). The sound is taken at its own rate, as openSMILE takes it from a file.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from affectstore.features import base
from affectstore.features.audio._opensmile import run
from affectstore.features.audio._sound import sound_of
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
    """Runs openSMILE on the clip's sound."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """`values`: float32 (clip, 6373) or (clip, 88); columns as openSMILE names them."""
        columns = tuple(self._smile.feature_names)
        return (ArraySpec("values", "float32", ("clip", "functional"), (len(columns),), columns=columns),)

    def extract(self, clip: base.Clip) -> ClipArrays:
        """One row, which spans the sound from its first to its last sample.

        Raises:
            ClipError: the sound has no samples, or is shorter than a window of pitch.
        """
        sound = sound_of(clip)
        return ClipArrays({"values": run(self._smile, sound)}, sound.whole)

    @cached_property
    def _smile(self) -> Any:
        """An `opensmile.Smile`: one for all clips, as making one costs as much as a fifth of a clip."""
        import opensmile

        return opensmile.Smile(opensmile.FeatureSet[self.options.set], opensmile.FeatureLevel.Functionals)
