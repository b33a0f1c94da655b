"""openSMILE on one waveform, and its ComParE_2016 configuration with other windows.

openSMILE reads its configuration from a file and ignores options that set the size of windows. Other windows
therefore need a changed copy of the packaged configuration, written into a temporary folder on first use;
openSMILE's licence (research use) keeps such a copy out of this repository.

Source: Eyben, Wöllmer & Schuller 2010, openSMILE; Schuller et al. 2016, ComParE.
"""

from __future__ import annotations

import math
import re
import shutil
import tempfile
import warnings
import weakref
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from affectstore.errors import ClipError, ConfigError
from affectstore.features.audio._waveform import Waveform

#: openSMILE's longest window, that of pitch: shorter audio has no frame.
PITCH_WINDOW_S = Fraction(60, 1000)
#: Names in the packaged configuration: framers of pitch, and of all other descriptors.
_PITCH, _SHORT = "is13_frame60", "is13_frame25"
_LLD_FILE = "ComParE_2016_core.lld.conf.inc"


@dataclass(frozen=True)
class Windows:
    """Frame windows of openSMILE; the pitch windows keep their 60 ms.

    Attributes:
        size_s: Length of all windows except those of pitch.
        step_s: Step from one window to the next, for all of them.
    """

    size_s: Fraction
    step_s: Fraction

    @classmethod
    def of_ms(cls, size_ms: float, step_ms: float) -> Windows:
        """Convert from milliseconds, taken as the decimal numbers they are written as."""
        return cls(Fraction(str(size_ms)) / 1000, Fraction(str(step_ms)) / 1000)

    def samples(self, rate_hz: int) -> tuple[int, int]:
        """Round size and step to samples as openSMILE does: to the nearest int, halves up."""
        size, step = (math.floor(seconds * rate_hz + Fraction(1, 2)) for seconds in (self.size_s, self.step_s))
        return size, step

    @property
    def _settings(self) -> dict[tuple[str, str], Fraction]:
        return {
            (_SHORT, "frameSize"): self.size_s,
            (_SHORT, "frameStep"): self.step_s,
            (_PITCH, "frameStep"): self.step_s,
        }


@dataclass(frozen=True)
class Change:
    """A number that differs from the packaged configuration."""

    setting: str
    packaged: str
    changed: str


class Engine:
    """openSMILE's ComParE_2016 low-level descriptors with chosen windows.

    Args:
        windows: Frame windows.
        deltas: True for descriptors and their deltas, joined by openSMILE by its own frame number.

    Raises:
        ConfigError: The packaged configuration lacks a setting that has to change.
    """

    def __init__(self, windows: Windows, deltas: bool):
        import opensmile

        level = "lld;lld_de" if deltas else "lld"
        packaged = opensmile.Smile(opensmile.FeatureSet.ComParE_2016, level)
        root = Path(packaged.config_path).parents[1]
        text, self.changes = set_windows((root / "compare" / _LLD_FILE).read_text(encoding="utf-8"), windows)
        if self.changes:
            folder = Path(tempfile.mkdtemp(prefix="affectstore-opensmile-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            for part in ("compare", "shared"):
                shutil.copytree(root / part, folder / part)
            (folder / "compare" / _LLD_FILE).write_text(text, encoding="utf-8")
            self.smile = opensmile.Smile(str(folder / "compare" / Path(packaged.config_path).name), level)
        else:
            self.smile = packaged


def set_windows(text: str, windows: Windows) -> tuple[str, tuple[Change, ...]]:
    """Replace the windows in the text of a configuration; return the new text and the changed numbers.

    Raises:
        ConfigError: The text has no such setting, or several.
    """
    changes = []
    for (component, key), seconds in windows._settings.items():
        pattern = rf"^(\[{component}:cFramer\]\n(?:(?!\[).*\n)*?{key}\s*=\s*)(\S+)"
        found = list(re.finditer(pattern, text, re.MULTILINE))
        if len(found) != 1:
            raise ConfigError(
                f"opensmile {version('opensmile')} packs a ComParE_2016 configuration with {len(found)} settings "
                f"{key} of {component}, where 1 is known; install opensmile 2.6"
            )
        number = found[0][2]
        if Fraction(number) != seconds:
            now = str(Decimal(seconds.numerator) / seconds.denominator)
            text = text[: found[0].start(2)] + now + text[found[0].end(2) :]
            changes.append(Change(f"{component}.{key}", number, now))
    return text, tuple(changes)


def run_smile(smile: Any, waveform: Waveform) -> np.ndarray:
    """Apply an `opensmile.Smile` to the waveform at its own rate.

    Returns:
        float32 (row, column).

    Raises:
        ClipError: The waveform is shorter than the longest window.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Segment too short")
        values = smile(waveform.samples, waveform.rate_hz)[0].T
    if np.isnan(values).all():
        raise ClipError(
            f"the sound lasts {float(waveform.duration):.3f} s; openSMILE's windows of pitch take "
            f"{float(PITCH_WINDOW_S):.3f} s"
        )
    return np.ascontiguousarray(values, dtype=np.float32)
