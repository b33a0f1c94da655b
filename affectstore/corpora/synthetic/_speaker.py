"""Speakers: their voices and heads at rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affectstore.corpora.synthetic._random import generator

#: Variants of espeak-ng's voices that differ clearly and speak clearly, women and men in turn, so that any even number
#: of speakers is balanced.
VOICES = (
    ("female", "en-us+f2"),
    ("male", "en-us+m3"),
    ("female", "en-us+f4"),
    ("male", "en-us+m1"),
    ("female", "en-us+f5"),
    ("male", "en-us+m7"),
    ("female", "en-us+f1"),
    ("male", "en-us+m4"),
    ("female", "en-us+f3"),
    ("male", "en-us+m8"),
    ("female", "en-us+Annie"),
    ("male", "en-us+m2"),
)

RGB = tuple[float, float, float]

SKINS: tuple[RGB, ...] = (
    (232, 194, 166),
    (198, 146, 110),
    (222, 178, 144),
    (141, 93, 66),
    (238, 204, 180),
    (172, 118, 84),
    (214, 162, 124),
    (116, 76, 56),
)
HAIRS: tuple[RGB, ...] = ((44, 30, 24), (96, 60, 34), (28, 26, 30), (178, 132, 74), (122, 52, 30), (150, 148, 146))
IRISES: tuple[RGB, ...] = ((74, 50, 34), (72, 104, 132), (84, 106, 70), (50, 36, 28))
SHIRTS: tuple[RGB, ...] = ((60, 84, 120), (128, 58, 62), (74, 104, 84), (92, 92, 100), (150, 126, 84), (84, 66, 110))
WALLS: tuple[RGB, ...] = ((128, 140, 150), (150, 142, 128), (112, 128, 118), (140, 128, 142), (98, 108, 124))
CUTS = ("short", "long", "parted", "curls", "bun")


@dataclass(frozen=True)
class Speaker:
    """A voice and a head; lengths are in pixels of an image 320 wide and 240 high.

    Attributes:
        sex: "female" or "male".
        voice: Voice of espeak-ng.
        pitch, pitch_range: Settings of espeak-ng, 0 to 100.
        rate_wpm: Words per minute.
        skin, hair, iris, shirt, wall: Colours, RGB 0 to 255.
        cut: Hair style, one of CUTS.
        half_width_px, half_height_px: Half the size of the head.
        eye_gap_px: Distance from the middle to an eye.
        eye_size: Factor of the size of the eyes.
        eye_open: Opening of the eyes at rest.
        brow_px: Thickness of the brows.
        brow_rest: Height of the brows at rest.
        nose: Factor of the size of the nose.
        mouth_px: Half the width of the mouth at rest.
        beard: Darkness of a shadow on chin and lip, 0 to 1.
    """

    sex: str
    voice: str
    pitch: float
    pitch_range: float
    rate_wpm: float
    skin: RGB
    hair: RGB
    iris: RGB
    shirt: RGB
    wall: RGB
    cut: str
    half_width_px: float
    half_height_px: float
    eye_gap_px: float
    eye_size: float
    eye_open: float
    brow_px: float
    brow_rest: float
    nose: float
    mouth_px: float
    beard: float


def speaker(seed: int, actor: int) -> Speaker:
    """Build the speaker of an actor's number (1001, 1002, ...) under a seed."""
    rng = generator(seed, "speaker", str(actor))
    index = actor - 1001
    sex, voice = VOICES[index % len(VOICES)]
    cuts = CUTS if sex == "female" else ("short", "parted", "curls")
    return Speaker(
        sex=sex,
        voice=voice,
        pitch=46 + 6 * rng.standard_normal(),
        pitch_range=46 + 5 * rng.standard_normal(),
        rate_wpm=176 * 2 ** (0.09 * rng.standard_normal()),
        skin=_near(SKINS[(index + seed) % len(SKINS)], 8, rng),
        hair=_near(HAIRS[(index + seed) % len(HAIRS)], 8, rng),
        iris=_one_of(IRISES, rng),
        shirt=_near(_one_of(SHIRTS, rng), 14, rng),
        wall=_near(_one_of(WALLS, rng), 14, rng),
        cut=_one_of(cuts, rng),
        half_width_px=rng.uniform(67, 75) - (2 if sex == "female" else 0),
        half_height_px=rng.uniform(88, 95),
        eye_gap_px=rng.uniform(28, 32),
        eye_size=rng.uniform(0.95, 1.12),
        eye_open=rng.uniform(0.93, 1.07),
        brow_px=rng.uniform(5.0, 6.2) + (1.0 if sex == "male" else 0.0),
        brow_rest=0.22 * rng.standard_normal(),
        nose=rng.uniform(0.88, 1.15),
        mouth_px=rng.uniform(25, 28),
        beard=rng.uniform(0.0, 0.45) if sex == "male" else 0.0,
    )


def _one_of(items: tuple, rng: np.random.Generator):  # type: ignore[no-untyped-def]
    return items[int(rng.integers(len(items)))]


def _near(colour: RGB, spread: float, rng: np.random.Generator) -> RGB:
    shift = rng.normal(0, spread) + rng.normal(0, spread / 3, 3)
    red, green, blue = (float(v) for v in np.clip(np.array(colour) + shift, 8, 252))
    return red, green, blue
