"""Video of a dialogue: two drawn faces side by side between black bars, the actor with the markers on the left."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import ffmpeg
import imageio_ffmpeg
import numpy as np

from affectstore.corpora.iemocap._replica_audio import EMOTION_OF, RATE_HZ, Dialogue, actor
from affectstore.corpora.synthetic._emotions import EXPRESSION_NOISE, EXPRESSIONS, LOOKS_LIKE, Expression, sample_manner
from affectstore.corpora.synthetic._face import Moment, draw
from affectstore.corpora.synthetic._frames import mouth_opening
from affectstore.corpora.synthetic._head import CENTRE_X, CENTRE_Y, paint
from affectstore.corpora.synthetic._pen import HEIGHT_PX, WIDTH_PX, ZOOM
from affectstore.corpora.synthetic._random import generator
from affectstore.corpora.synthetic._speaker import Speaker
from affectstore.errors import CorpusError

WIDTH, HEIGHT = 720, 480
#: Rows of the image between the bars.
TOP, BOTTOM = 112, 368
FPS = Fraction(30000, 1001)
#: Frames of each drawing: drawing takes most of the time.
_REPEAT = 5
_HALF = WIDTH // 2
#: Height of the part of a half that is drawn; heads come out about 90 px wide.
_DRAWN_PX = 150


def write_avi(path: Path, dialogue: Dialogue, audio: Path, seed: int) -> None:
    """Draw and write the video of a dialogue, with its audio.

    Raises:
        CorpusError: ffmpeg fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    video = ffmpeg.input(
        "pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{WIDTH}x{BOTTOM - TOP}", framerate=str(FPS / _REPEAT)
    )
    # One thread and no version strings: the bytes depend on the drawings and the samples alone.
    output = ffmpeg.output(
        video.video.filter("pad", WIDTH, HEIGHT, 0, TOP),
        ffmpeg.input(str(audio)).audio,
        str(path),
        r=str(FPS),
        vcodec="mpeg4",
        vtag="DIVX",
        acodec="pcm_s16le",
        threads=1,
        map_metadata=-1,
        fflags="+bitexact",
        loglevel="error",
        **{"q:v": 6, "flags:v": "+bitexact", "flags:a": "+bitexact"},
    )
    command = output.overwrite_output().compile(cmd=imageio_ffmpeg.get_ffmpeg_exe())
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log) as process:
        # A process that ends early closes the pipe; its status is checked below.
        with contextlib.suppress(BrokenPipeError), process.stdin or contextlib.nullcontext() as pipe:
            for drawing in _drawings(dialogue, seed):
                pipe.write(drawing)  # type: ignore[union-attr]
        if process.wait():
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines()
            raise CorpusError(f"ffmpeg could not write {path.name}: {lines[-1] if lines else process.returncode}")


def _drawings(dialogue: Dialogue, seed: int) -> Iterator[bytes]:
    """Yield the drawings between the bars, uint8 (row, column, 3) in RGB."""
    cv2.setNumThreads(1)
    count = -(-len(dialogue.channels) * FPS // (RATE_HZ * _REPEAT))
    first = dialogue.turns[0].line.turn
    wearer = first.sex if first.face_side == "left" else _other(first.sex)
    left = actor(seed, first.session, wearer)
    right = replace(actor(seed, first.session, _other(wearer)), wall=left.wall)
    halves = [
        _half(person, *_acting(dialogue, sex, count, seed), generator(seed, "film", dialogue.name, sex))
        for person, sex in ((left, wearer), (right, _other(wearer)))
    ]
    for pair in zip(*halves, strict=True):
        yield np.concatenate(pair, axis=1).tobytes()


def _other(sex: str) -> str:
    return "M" if sex == "F" else "F"


def _acting(dialogue: Dialogue, sex: str, count: int, seed: int) -> tuple[list[Expression], np.ndarray]:
    """Compute the expression of one actor and the opening of the mouth, in each drawing."""
    rate_hz = FPS / _REPEAT
    looks = [EXPRESSIONS["NEU"]] * count
    mouth = np.zeros(count)
    for turn in dialogue.turns:
        if turn.line.turn.sex != sex:
            continue
        rng = generator(seed, "look", turn.line.turn.name)
        emotion, strength = EMOTION_OF.get(turn.line.label, ("NEU", 1.0))
        look = sample_manner(EXPRESSIONS[emotion], EXPRESSIONS[LOOKS_LIKE[emotion]], EXPRESSION_NOISE, strength, rng)
        first, last = int(turn.start_s * rate_hz), min(count, int(turn.end_s * rate_hz) + 1)
        looks[first:last] = [look] * (last - first)
        mouth[first:last] = mouth_opening(turn.voice, last - first)
    return looks, mouth


def _half(
    person: Speaker, looks: list[Expression], mouth: np.ndarray, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield one half of each drawing, uint8 (row, column, 3), RGB."""
    layers = paint(person, 0.0)
    zoom = _DRAWN_PX / HEIGHT_PX
    back = cv2.resize(layers.back, (round(WIDTH_PX * zoom), _DRAWN_PX), interpolation=cv2.INTER_AREA)
    side = _HALF - back.shape[1]
    above = BOTTOM - TOP - _DRAWN_PX
    back = cv2.copyMakeBorder(back, above, 0, side // 2, side - side // 2, cv2.BORDER_REPLICATE)
    behind = back[above:].astype(np.float32)
    phase = rng.uniform(0, 2 * np.pi, 2)
    blink = int(rng.integers(10, 15))
    for k, look in enumerate(looks):
        lid = 1.0 if k % blink == blink - 1 else 0.0
        head = draw(layers.head, person, look, Moment(1.0, float(mouth[k]), lid, 0.0, 0.0))
        turn = cv2.getRotationMatrix2D((CENTRE_X * ZOOM, CENTRE_Y * ZOOM), 2 * np.sin(k / 7 + phase[0]), zoom / ZOOM)
        turn[0, 2] += _HALF / 2 - CENTRE_X * ZOOM + 2 * np.sin(k / 5 + phase[1])
        turn[1, 2] += zoom * (CENTRE_Y - 1.5 * mouth[k]) - CENTRE_Y * ZOOM
        size = (_HALF, _DRAWN_PX)
        placed = cv2.warpAffine(head, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cover = cv2.warpAffine(layers.alpha, turn, size, flags=cv2.INTER_LINEAR)
        share = cover.astype(np.float32)[..., None] / 255
        image = back.copy()
        image[above:] = behind + (placed.astype(np.float32) - behind) * share
        yield image
