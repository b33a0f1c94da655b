"""Voices and faces of the six emotions, and the share of an emotion that a clip shows.

Each modality has three pairs of similar emotions, and the pairs differ: anger sounds like happiness but looks like
disgust. A clip's audio is shifted by a random share towards the emotion that sounds alike, and its face, by another
share, towards the one that looks alike. So each modality alone confuses pairs of classes, and both together separate
them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TypeVar

import numpy as np

SOUNDS_LIKE = MappingProxyType({"ANG": "HAP", "HAP": "ANG", "SAD": "DIS", "DIS": "SAD", "FEA": "NEU", "NEU": "FEA"})
LOOKS_LIKE = MappingProxyType({"ANG": "DIS", "DIS": "ANG", "FEA": "SAD", "SAD": "FEA", "HAP": "NEU", "NEU": "HAP"})

#: Strength of each level in CREMA-D's names; most clips are XX, unspecified.
STRENGTH = MappingProxyType({"LO": 0.6, "MD": 0.85, "HI": 1.15, "XX": 1.0})


@dataclass(frozen=True)
class Prosody:
    """A way of speaking, relative to the speaker's own.

    Attributes:
        pitch: Added to espeak's pitch (0 to 100).
        pitch_range: Added to espeak's pitch range (0 to 100).
        rate: Factor of words per minute, as a logarithm to base 2.
        glide_st: Change of pitch from the first sample to the last, in semitones.
        vibrato_st: Depth of a trembling pitch at 6.5 Hz, in semitones.
        creak: Depth of amplitude beats at 24 Hz, 0 to 1.
        tilt_db: Gain of 4 kHz over 500 Hz.
        breath_db: Level of breath noise under the voice.
        level_db: Level of the voice.
        pause_s: Silence between words.
    """

    pitch: float = 0.0
    pitch_range: float = 0.0
    rate: float = 0.0
    glide_st: float = 0.0
    vibrato_st: float = 0.0
    creak: float = 0.0
    tilt_db: float = 0.0
    breath_db: float = 0.0
    level_db: float = 0.0
    pause_s: float = 0.0


@dataclass(frozen=True)
class Expression:
    """A facial expression, relative to a face at rest; 1 is a full movement.

    Attributes:
        brow_inner, brow_outer: Height of the brows' ends.
        frown: Creases between the brows.
        eye: Opening of the eyes beyond the speaker's own.
        lower_lid: Height of the lower lids.
        corner: Height of the mouth's corners.
        width: Width of the mouth.
        upper_lip: Height of the upper lip.
        open: Opening of the mouth in silence.
        teeth: Visible part of the teeth.
        sneer: Creases from nose to mouth.
        lean: Head towards the camera.
        bow: Head lowered.
        bounce: Liveliness of the head's movements.
        flush: Red in the cheeks.
    """

    brow_inner: float = 0.0
    brow_outer: float = 0.0
    frown: float = 0.0
    eye: float = 0.0
    lower_lid: float = 0.0
    corner: float = 0.0
    width: float = 0.0
    upper_lip: float = 0.0
    open: float = 0.0
    teeth: float = 0.0
    sneer: float = 0.0
    lean: float = 0.0
    bow: float = 0.0
    bounce: float = 0.0
    flush: float = 0.0


PROSODY = MappingProxyType(
    {
        "ANG": Prosody(pitch=6, pitch_range=12, rate=0.24, glide_st=-4.5, creak=0.25, tilt_db=11, level_db=9),
        "HAP": Prosody(pitch=32, pitch_range=48, rate=0.06, glide_st=4.0, tilt_db=2, level_db=4),
        "SAD": Prosody(pitch=-18, pitch_range=-38, rate=-0.36, glide_st=-2.0, tilt_db=-13, breath_db=4, level_db=-9),
        "DIS": Prosody(pitch=-16, pitch_range=10, rate=-0.28, creak=0.9, tilt_db=1, level_db=-3, pause_s=0.10),
        "FEA": Prosody(pitch=24, pitch_range=-25, rate=0.34, glide_st=1.5, vibrato_st=1.8, breath_db=19, level_db=-3),
        "NEU": Prosody(),
    }
)

EXPRESSIONS = MappingProxyType(
    {
        "ANG": Expression(
            brow_inner=-1.0, brow_outer=0.45, frown=1.0, eye=-0.05, lower_lid=0.35, corner=-0.35, width=0.1,
            open=0.22, teeth=1.0, sneer=0.25, lean=0.7, bounce=0.4, flush=0.8,
        ),
        "DIS": Expression(
            brow_inner=-0.7, brow_outer=-0.25, frown=0.5, eye=-0.5, lower_lid=0.8, corner=-0.75, width=-0.2,
            upper_lip=1.0, open=0.02, teeth=0.3, sneer=1.0, lean=-0.4, flush=-0.2,
        ),
        "FEA": Expression(
            brow_inner=1.0, brow_outer=0.5, frown=0.2, eye=0.9, corner=-0.3, width=0.35,
            open=0.5, teeth=0.2, lean=-0.8, bounce=0.3, flush=-0.5,
        ),
        "SAD": Expression(
            brow_inner=0.9, brow_outer=-0.7, frown=0.3, eye=-0.45, corner=-1.0, width=-0.35,
            lean=-0.1, bow=1.0, bounce=-0.4,
        ),
        "HAP": Expression(
            brow_inner=0.25, brow_outer=0.35, eye=0.05, lower_lid=0.6, corner=1.0, width=0.9,
            open=0.3, teeth=1.0, sneer=0.35, lean=0.2, bounce=0.7, flush=0.4,
        ),
        "NEU": Expression(),
    }
)  # fmt: skip

#: Standard deviation of the noise that a clip adds to each quantity.
PROSODY_NOISE = Prosody(5.0, 9.0, 0.08, 1.0, 0.12, 0.06, 1.5, 2.0, 1.5, 0.012)
EXPRESSION_NOISE = Expression(0.20, 0.20, 0.15, 0.16, 0.12, 0.20, 0.20, 0.12, 0.06, 0.15, 0.15, 0.25, 0.25, 0.2, 0.20)

Manner = TypeVar("Manner", Prosody, Expression)


def sample_manner(own: Manner, other: Manner, noise: Manner, strength: float, rng: np.random.Generator) -> Manner:
    """Sample the prosody or expression of a clip: its class's, shifted towards a similar one, with noise.

    The shift is between 0 and 0.55, mostly small: a few clips in a hundred are closer to the other class.
    """
    lean = 0.55 * rng.beta(1.2, 2.0)
    scatter = rng.standard_normal(len(fields(own)))
    values = [
        strength * ((1 - lean) * getattr(own, f.name) + lean * getattr(other, f.name)) + z * getattr(noise, f.name)
        for f, z in zip(fields(own), scatter, strict=True)
    ]
    return type(own)(*values)
