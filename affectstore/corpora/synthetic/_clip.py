"""One clip, from its name to its files."""

from __future__ import annotations

import tempfile
import wave
from math import gcd
from pathlib import Path

import ffmpeg
import imageio_ffmpeg

from affectstore.corpora._crema_d_names import SENTENCES, Name
from affectstore.corpora.synthetic._emotions import (
    EXPRESSION_NOISE,
    EXPRESSIONS,
    LOOKS_LIKE,
    PROSODY,
    PROSODY_NOISE,
    SOUNDS_LIKE,
    STRENGTH,
    leaning,
)
from affectstore.corpora.synthetic._film import film, mouth_track
from affectstore.corpora.synthetic._layout import VIDEO, WORDS
from affectstore.corpora.synthetic._options import Options
from affectstore.corpora.synthetic._random import generator
from affectstore.corpora.synthetic._sound import RATE_HZ, SoundTrack, Word, sound_track
from affectstore.corpora.synthetic._speaker import speaker
from affectstore.errors import CorpusError


def make(root: Path, name: Name, options: Options) -> Path:
    """Make a clip's video and word times; each file appears whole or not at all.

    What is in them depends on the name and the options other than `clips`, not on what was made before.

    Returns:
        The video's path.
    """
    own = EXPRESSIONS[name.emotion], PROSODY[name.emotion]
    other = EXPRESSIONS[LOOKS_LIKE[name.emotion]], PROSODY[SOUNDS_LIKE[name.emotion]]
    strength = STRENGTH[name.level]
    who = speaker(options.seed, int(name.actor))
    heard = generator(options.seed, "sound", str(name))
    seen = generator(options.seed, "picture", str(name))

    prosody = leaning(own[1], other[1], PROSODY_NOISE, strength, heard)
    # The sound ends where the last frame does: both last a whole number of the times they share.
    samples_per = RATE_HZ // gcd(RATE_HZ, options.fps)
    track = sound_track(SENTENCES[name.sentence], who, prosody, samples_per, heard)
    frames = len(track.samples) * options.fps // RATE_HZ
    look = leaning(own[0], other[0], EXPRESSION_NOISE, strength, seen)
    mouth = mouth_track(track.voice, frames)
    pictures = film(who, look, mouth, options.fps, (options.width_px, options.height_px), seen)

    video = root / VIDEO / f"{name}.mp4"
    with tempfile.TemporaryDirectory(dir=root, prefix=".making-") as folder:
        made = Path(folder)
        _encode(b"".join(picture.tobytes() for picture in pictures), track, options, made)
        (made / "words.tsv").write_text(_table(track.words), encoding="utf-8")
        (made / "words.tsv").replace(root / WORDS / f"{name}.tsv")
        (made / "clip.mp4").replace(video)
    return video


def _encode(pictures: bytes, track: SoundTrack, options: Options, folder: Path) -> None:
    with wave.open(str(folder / "sound.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(track.samples.astype("<i2").tobytes())
    picture = ffmpeg.input(
        "pipe:",
        format="rawvideo",
        pix_fmt="rgb24",
        s=f"{options.width_px}x{options.height_px}",
        framerate=options.fps,
    )
    sound = ffmpeg.input(str(folder / "sound.wav"))
    # One thread and no version strings: the bytes are a function of the frames and the samples.
    output = ffmpeg.output(
        picture,
        sound,
        str(folder / "clip.mp4"),
        vcodec="libx264",
        preset="veryfast",
        crf=21,
        pix_fmt="yuv420p",
        acodec="aac",
        audio_bitrate="64k",
        threads=1,
        map_metadata=-1,
        movflags="+faststart",
        fflags="+bitexact",
        **{"flags:v": "+bitexact", "flags:a": "+bitexact"},
    )
    try:
        output.run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), input=pictures, quiet=True)
    except ffmpeg.Error as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        raise CorpusError(f"ffmpeg could not write a clip: {lines[-1] if lines else error}") from error


def _table(words: tuple[Word, ...]) -> str:
    rows = [f"{word.text}\t{word.start_s:.4f}\t{word.end_s:.4f}\n" for word in words]
    return "word\tstart_s\tend_s\n" + "".join(rows)
